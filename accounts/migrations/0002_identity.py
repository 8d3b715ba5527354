import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Identity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('issuer', models.CharField(editable=False, max_length=255)),
                ('subject', models.CharField(editable=False, max_length=255)),
                ('linked_at', models.DateTimeField(editable=False, verbose_name='linked')),
                ('signed_in_at', models.DateTimeField(editable=False, null=True, verbose_name='last sign-in')),
                ('user', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='identities', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'identities',
                'ordering': ['issuer', 'subject'],
                'constraints': [
                    models.UniqueConstraint(fields=('issuer', 'subject'), name='identity_is_one_person'),
                    models.UniqueConstraint(fields=('user', 'issuer'), name='identity_one_for_each_issuer'),
                    models.CheckConstraint(condition=models.Q(models.Q(('issuer', ''), _negated=True), models.Q(('subject', ''), _negated=True)), name='identity_is_somebody'),
                ],
            },
        ),
    ]
