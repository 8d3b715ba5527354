from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.core.management import call_command
from django.db.models.signals import post_migrate


def make_cache_table(sender: AppConfig, *, using: str, verbosity: int, **kwargs: object) -> None:
    """post_migrate receiver: `migrate` alone leaves a database that the portal can run on, the cache's table included."""
    call_command("createcachetable", database=using, verbosity=0)


class PortalConfig(AppConfig):
    """The wiring itself as an app, for its system checks."""

    name = "cmlmanager"

    def ready(self) -> None:
        from cmlmanager import checks  # noqa: F401  (registers them)

        # Of accounts' signal: an app without models, such as this one, sends none.
        sender = apps.get_app_config("accounts")
        post_migrate.connect(make_cache_table, sender=sender, dispatch_uid="cmlmanager.make_cache_table")


class DeskConfig(AdminConfig):
    """Django's admin with our site."""

    default_site = "cmlmanager.desk.Desk"
