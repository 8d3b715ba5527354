
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workers', '0006_notifications'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DoubtfulSeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('worker_name', models.CharField(blank=True, default='', max_length=255)),
                ('region', models.CharField(blank=True, default='', max_length=32)),
                ('instance_id', models.CharField(blank=True, default='', max_length=32)),
                ('hostname', models.CharField(blank=True, default='', max_length=255)),
                ('product_uuid', models.CharField(blank=True, default='', max_length=64)),
                ('smart_account', models.CharField(blank=True, default='', max_length=255)),
                ('virtual_account', models.CharField(blank=True, default='', max_length=255)),
                ('features', models.JSONField(blank=True, default=list)),
                ('reason', models.CharField(choices=[('unconfirmed', 'Cisco was not reached'), ('answer_lost', 'The answer was lost'), ('busy', 'CML was busy'), ('unreachable', 'CML did not answer'), ('refused', 'CML did not release it'), ('stopped', 'Terminated while stopped'), ('terminated', 'Terminated without release'), ('outside', 'Terminated outside the portal'), ('lost', 'Lost while registered')], max_length=16)),
                ('detail', models.CharField(blank=True, default='', max_length=500)),
                ('since', models.DateTimeField()),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('resolved_by_name', models.CharField(blank=True, default='', max_length=150)),
                ('note', models.CharField(blank=True, default='', max_length=500)),
            ],
        ),
        migrations.CreateModel(
            name='LicenseToken',
            fields=[
                ('operation', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='license_token', serialize=False, to='workers.operation')),
                ('token_encrypted', models.TextField()),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='operation',
            name='operation_kind_known',
        ),
        migrations.AddField(
            model_name='worker',
            name='authorization_expires_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='license_expires_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='license_nodes_in_use',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='license_nodes_max',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='license_read_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='licensing',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='worker',
            name='seats_in_use',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='seats_max',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='smart_account',
            field=models.CharField(blank=True, default='', max_length=255),
        ),
        migrations.AddField(
            model_name='worker',
            name='virtual_account',
            field=models.CharField(blank=True, default='', max_length=255),
        ),
        migrations.AlterField(
            model_name='event',
            name='kind',
            field=models.CharField(choices=[('worker.imported', 'Imported'), ('worker.state', 'Machine state'), ('worker.service', 'CML service'), ('worker.license', 'Licence'), ('worker.address', 'Address'), ('worker.renamed', 'Name'), ('worker.resized', 'Instance type'), ('worker.tags', 'Tags'), ('worker.version', 'CML version'), ('worker.checks', 'Status checks'), ('worker.connection', 'Connection settings'), ('worker.refresh', 'Refresh asked'), ('worker.created', 'Created'), ('worker.deleted', 'Record deleted'), ('worker.monitoring', 'Detailed monitoring'), ('operation.asked', 'Asked'), ('operation.ended', 'Ended'), ('worker.seat', 'Licence seat')], max_length=32),
        ),
        migrations.AlterField(
            model_name='operation',
            name='kind',
            field=models.CharField(choices=[('create', 'Create'), ('start', 'Start'), ('stop', 'Stop'), ('terminate', 'Terminate'), ('tag', 'Change tags'), ('monitor', 'Detailed monitoring'), ('look', 'Look in EC2'), ('register', 'Register licence'), ('renew', 'Renew licence'), ('deregister', 'Deregister licence'), ('license', 'Change licence')], max_length=16),
        ),
        migrations.AddIndex(
            model_name='worker',
            index=models.Index(fields=['smart_account', 'virtual_account'], name='worker_of_account'),
        ),
        migrations.AddConstraint(
            model_name='operation',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['create', 'start', 'stop', 'terminate', 'tag', 'monitor', 'look', 'register', 'renew', 'deregister', 'license'])), name='operation_kind_known'),
        ),
        migrations.AddField(
            model_name='doubtfulseat',
            name='operation',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='workers.operation'),
        ),
        migrations.AddField(
            model_name='doubtfulseat',
            name='resolved_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='doubtfulseat',
            name='worker',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='doubtful_seats', to='workers.worker'),
        ),
        migrations.AddIndex(
            model_name='doubtfulseat',
            index=models.Index(fields=['resolved_at', '-since'], name='doubtful_seat_newest'),
        ),
        migrations.AddConstraint(
            model_name='doubtfulseat',
            constraint=models.UniqueConstraint(condition=models.Q(('resolved_at__isnull', True), ('worker__isnull', False)), fields=('worker',), name='doubtful_seat_one_open'),
        ),
        migrations.AddConstraint(
            model_name='doubtfulseat',
            constraint=models.CheckConstraint(condition=models.Q(('reason__in', ['unconfirmed', 'answer_lost', 'busy', 'unreachable', 'refused', 'stopped', 'terminated', 'outside', 'lost'])), name='doubtfulseat_reason_known'),
        ),
    ]
