"""Addresses of the API. The live stream, /api/events/stream, is served beside Django: cmlmanager.asgi."""

from django.urls import path

from cmlmanager.api import docs, views
from cmlmanager.api.portal import urlpatterns as operations

app_name = "api"
urlpatterns = [
    path("", views.root, name="root"),
    path("docs", docs.docs, name="docs"),
    path("openapi.json", views.openapi_json, name="openapi"),
    *operations(),
    path("<path:rest>", views.unknown, name="unknown"),
]
