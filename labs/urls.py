"""Addresses of labs. The panel on a worker's page has one of its own, so that workers need not know of labs."""

from django.urls import path

from labs.views import lab, labs, worker

urlpatterns = [
    path("labs/", labs.labs, name="labs"),
    path("labs/<uuid:lab_id>/", lab.lab, name="lab"),
    path("labs/<uuid:lab_id>/history/", lab.lab_history, name="lab-history"),
    path("workers/<uuid:worker_id>/labs/", worker.worker_labs, name="worker-labs"),
]
