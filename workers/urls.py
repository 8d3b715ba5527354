"""Addresses of the fleet."""

from django.urls import path

from workers.views import fleet, worker

urlpatterns = [
    path("", fleet.fleet, name="fleet"),
    path("workers/<uuid:worker_id>/", worker.worker, name="worker"),
    path("workers/<uuid:worker_id>/live/", worker.worker_live, name="worker-live"),
    path("workers/<uuid:worker_id>/history/", worker.worker_history, name="worker-history"),
    path("workers/<uuid:worker_id>/timeline/", worker.worker_timeline, name="worker-timeline"),
    path("workers/<uuid:worker_id>/refresh/", worker.worker_refresh, name="worker-refresh"),
    path("workers/<uuid:worker_id>/connection/", worker.worker_connection, name="worker-connection"),
]
