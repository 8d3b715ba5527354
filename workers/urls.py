"""Addresses of the fleet."""

from django.urls import path

from workers.views import actions, audit, batches, bulk, connection, creation, fleet, importing, life, operations, tags, worker

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
    path("workers/<uuid:worker_id>/connection/", connection.worker_connection, name="worker-connection"),
    path("workers/<uuid:worker_id>/connection/now/", connection.connection_now, name="worker-connection-now"),
    path("workers/<uuid:worker_id>/connection/check/", connection.connection_check, name="worker-connection-check"),
    path("workers/<uuid:worker_id>/connection/trust/", connection.connection_trust, name="worker-connection-trust"),
    path("workers/<uuid:worker_id>/operations/", operations.worker_operations, name="worker-operations"),
    path("workers/<uuid:worker_id>/actions/", actions.worker_actions, name="worker-actions"),
    path("workers/<uuid:worker_id>/start/", life.worker_start, name="worker-start"),
    path("workers/<uuid:worker_id>/stop/", life.worker_stop, name="worker-stop"),
    path("workers/<uuid:worker_id>/terminate/", life.worker_terminate, name="worker-terminate"),
    path("workers/<uuid:worker_id>/tags/", tags.worker_tags, name="worker-tags"),
    path("workers/<uuid:worker_id>/monitoring/", life.worker_monitoring, name="worker-monitoring"),
    path("workers/<uuid:worker_id>/delete/", life.worker_delete, name="worker-delete"),
    path("workers/bulk/", bulk.bulk, name="worker-bulk"),
    path("operations/", operations.operations, name="operations"),
    path("operations/<uuid:operation_id>/", operations.operation, name="operation"),
    path("operations/batches/<uuid:batch_id>/", batches.batch, name="batch"),
    path("operations/batches/<uuid:batch_id>/retry/", batches.batch_retry, name="batch-retry"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export.csv", audit.audit_export, name="audit-export"),
]
