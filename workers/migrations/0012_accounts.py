"""Several AWS accounts. What is known of regions is thrown away rather than moved to a new key: it is read again within a minute."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("workers", "0011_people_events"),
    ]

    operations = [
        migrations.AddField("worker", "account", models.CharField(blank=True, default="", max_length=32)),
        migrations.AddField("worker", "account_id", models.CharField(blank=True, default="", max_length=12)),
        migrations.RemoveIndex("worker", "worker_aws_due"),
        migrations.AddIndex("worker", models.Index(fields=["account", "region", "aws_due_at"], name="worker_aws_due")),
        migrations.AddField("strayinstance", "account", models.CharField(blank=True, default="", max_length=32)),
        migrations.AlterModelOptions("strayinstance", {"ordering": ["account", "region", "name", "instance_id"]}),
        migrations.DeleteModel("RegionCheck"),
        migrations.CreateModel(
            name="RegionCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account", models.CharField(blank=True, default="", max_length=32)),
                ("region", models.CharField(max_length=32)),
                ("checked_at", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, default="", max_length=500)),
                ("discovery_due_at", models.DateTimeField(null=True)),
                ("discovered_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account", "region"), name="region_of_account_unique"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("error", ""), ("failing_since__isnull", True)),
                            models.Q(("failing_since__isnull", False), models.Q(("error", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="region_error_has_since",
                    ),
                ]
            },
        ),
    ]
