"""Addresses of the fleet."""

from django.urls import path

from workers.views import creation, fleet, importing, worker

urlpatterns = [
    path("", fleet.fleet, name="fleet"),
    path("workers/new/", creation.new_worker, name="worker-new"),
    path("workers/new/<uuid:operation_id>/", creation.new_worker_confirm, name="worker-new-confirm"),
    path("workers/import/", importing.import_workers, name="worker-import"),
    path("workers/import/adopt/", importing.adopt, name="worker-adopt"),
    path("workers/import/<uuid:operation_id>/", importing.import_found, name="worker-import-found"),
    path("workers/<uuid:worker_id>/", worker.worker, name="worker"),
    path("workers/<uuid:worker_id>/live/", worker.worker_live, name="worker-live"),
    path("workers/<uuid:worker_id>/history/", worker.worker_history, name="worker-history"),
    path("workers/<uuid:worker_id>/timeline/", worker.worker_timeline, name="worker-timeline"),
    path("workers/<uuid:worker_id>/refresh/", worker.worker_refresh, name="worker-refresh"),
    path("workers/<uuid:worker_id>/connection/", worker.worker_connection, name="worker-connection"),
]
