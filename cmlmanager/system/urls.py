"""Addresses of the system page."""

from django.urls import path

from cmlmanager.system import views

urlpatterns = [
    path("system/", views.system, name="system"),
    path("system/check/", views.check_now, name="system-check"),
    path("system/line/", views.line, name="system-line"),
    path("system/jobs/<slug:name>/", views.job, name="system-job"),
    path("system/jobs/<slug:name>/run/", views.run, name="system-job-run"),
    path("system/jobs/<slug:name>/pause/", views.pause, name="system-job-pause"),
    path("system/jobs/<slug:name>/resume/", views.resume, name="system-job-resume"),
    path("system/runs/<int:run_id>/", views.job_run, name="system-run"),
]
