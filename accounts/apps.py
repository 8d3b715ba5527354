from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import receivers
        from accounts.local import receivers as local_receivers
        from accounts.oidc import checks  # noqa: F401  (registers them)
        from accounts.services import grant_capabilities

        # Every app's permissions exist only after its own post_migrate, so this runs for each sender; it is idempotent.
        post_migrate.connect(grant_capabilities, dispatch_uid="accounts.grant_capabilities")
        receivers.connect()
        local_receivers.connect()
