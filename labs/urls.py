"""Addresses of labs. The panel on a worker's page has one of its own, so that workers need not know of labs."""

from django.urls import path

from labs.views import actions, archive, bulk, importing, lab, labs, restoring, versions, worker

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
    path("workers/<uuid:worker_id>/labs/archive/", archive.worker_labs_archive, name="worker-labs-archive"),
    path("workers/<uuid:worker_id>/labs/backup/", versions.worker_labs_backup, name="worker-labs-backup"),
    path("labs/<uuid:lab_id>/backup/", versions.lab_backup, name="lab-backup"),
    path("labs/<uuid:lab_id>/versions/", versions.lab_versions, name="lab-versions"),
    path("labs/<uuid:lab_id>/versions/compare/", versions.lab_versions_compare, name="lab-versions-compare"),
    path("labs/versions/", versions.labs_kept, name="labs-kept"),
    path("labs/versions/<int:version_id>/", versions.lab_version, name="lab-version"),
    path("labs/versions/<int:version_id>/download/", versions.lab_version_download, name="lab-version-download"),
    path("labs/versions/<int:version_id>/pin/", versions.lab_version_pin, name="lab-version-pin"),
    path("labs/versions/<int:version_id>/restore/", restoring.lab_version_restore, name="lab-version-restore"),
]
