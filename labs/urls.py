"""Addresses of labs. The panel on a worker's page has one of its own, so that workers need not know of labs."""

from django.urls import path

from labs.views import actions, bulk, importing, lab, labs, worker

urlpatterns = [
    path("labs/", labs.labs, name="labs"),
    path("labs/import/", importing.lab_import, name="lab-import"),
    path("labs/bulk/", bulk.bulk, name="lab-bulk"),
    path("labs/files/<uuid:operation_id>/", actions.lab_file, name="lab-file"),
    path("labs/<uuid:lab_id>/", lab.lab, name="lab"),
    path("labs/<uuid:lab_id>/history/", lab.lab_history, name="lab-history"),
    path("labs/<uuid:lab_id>/actions/", actions.lab_actions, name="lab-actions"),
    path("labs/<uuid:lab_id>/start/", actions.lab_start, name="lab-start"),
    path("labs/<uuid:lab_id>/stop/", actions.lab_stop, name="lab-stop"),
    path("labs/<uuid:lab_id>/wipe/", actions.lab_wipe, name="lab-wipe"),
    path("labs/<uuid:lab_id>/delete/", actions.lab_delete, name="lab-delete"),
    path("labs/<uuid:lab_id>/download/", actions.lab_download, name="lab-download"),
    path("workers/<uuid:worker_id>/labs/", worker.worker_labs, name="worker-labs"),
]
