from django.apps import AppConfig


class ApiConfig(AppConfig):
    """What the API keeps of its own: answers to requests that carried an idempotency key."""

    name = "cmlmanager.api"
    label = "api"
    verbose_name = "API"
    default_auto_field = "django.db.models.BigAutoField"
