from django.apps import AppConfig


class LabsConfig(AppConfig):
    name = "labs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The engine of operations knows of labs only what is told here.
        from labs.services.operations import kinds
        from labs.services.versions import kinds as version_kinds

        kinds.register_all()
        version_kinds.register_all()
