from django.apps import AppConfig


class SystemConfig(AppConfig):
    """Health and jobs."""

    name = "cmlmanager.system"
    label = "system"
    verbose_name = "System"

    def ready(self) -> None:
        from cmlmanager.system import checks, pauses  # noqa: F401  (registers the checks)
        from workers.services import resting

        resting.ask(pauses.why)
