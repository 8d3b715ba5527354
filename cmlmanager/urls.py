"""Every address of the portal. The live stream, /api/events/stream, is served beside Django: cmlmanager.asgi."""

from django.contrib import admin
from django.urls import include, path

from cmlmanager import health

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/", include("cmlmanager.api.urls")),
    path("", include("accounts.urls")),
    path("", include("workers.urls")),
    path("", include("labs.urls")),
    path("", include("cmlmanager.system.urls")),
    path("", include("cmlmanager.runtime.urls")),
]
