"""CML Cloud Manager: wiring of the apps."""

from cmlmanager.celery import app as celery_app

__all__ = ["celery_app"]
