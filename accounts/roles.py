"""Who may do what: the one table. Views, API, admin, templates and tests read it; the database gets it after every migration.

A role is a Django group of the same name; a capability is a Django permission, `app_label.codename`.
"""

from __future__ import annotations

from django.db.models import TextChoices


class Role(TextChoices):
    """The three groups, least first."""

    USER = "user", "User"
    MANAGER = "manager", "Manager"
    ADMIN = "admin", "Administrator"


_EVERYBODY = frozenset(Role)
_OPERATORS = frozenset({Role.MANAGER, Role.ADMIN})
_ADMINS = frozenset({Role.ADMIN})

CAPABILITIES: dict[str, frozenset[Role]] = {
    # See workers, metrics, history; be told live; ask for a refresh (rate-limited).
    "workers.view_worker": _EVERYBODY,
    "workers.refresh_worker": _EVERYBODY,
    # Start and stop, edit tags, keep awake.
    "workers.start_worker": _OPERATORS,
    "workers.stop_worker": _OPERATORS,
    "workers.tag_worker": _OPERATORS,
    "workers.keep_worker_awake": _OPERATORS,
    "workers.acknowledge_alert": _OPERATORS,
    # Create, import, terminate, delete; monitoring; licences; how the portal connects.
    "workers.add_worker": _ADMINS,
    "workers.import_worker": _ADMINS,
    "workers.change_worker": _ADMINS,
    "workers.terminate_worker": _ADMINS,
    "workers.delete_worker": _ADMINS,
    "workers.monitor_worker": _ADMINS,
    "workers.license_worker": _ADMINS,
    "workers.view_event": _ADMINS,
    "workers.view_regioncheck": _ADMINS,
    "workers.view_operation": _ADMINS,  # in the Django admin; the pages show them to everybody
    # The rows behind the pages, in the Django admin.
    "workers.view_sample": _ADMINS,
    "workers.view_hourlysample": _ADMINS,
    "workers.view_historymark": _ADMINS,
    "workers.view_strayinstance": _ADMINS,
    "workers.view_doubtfulseat": _ADMINS,
    "workers.view_licensetoken": _ADMINS,  # that there is one; its text nobody sees
    # From which lines on there are alerts, and which are muted; the rows also in the Django admin.
    "workers.change_alertthreshold": _ADMINS,
    "workers.view_alert": _ADMINS,
    "workers.view_alertthreshold": _ADMINS,
    "workers.view_alertmute": _ADMINS,
    # Who is told what, and the log of it.
    "workers.view_notificationtarget": _ADMINS,
    "workers.add_notificationtarget": _ADMINS,
    "workers.change_notificationtarget": _ADMINS,
    "workers.delete_notificationtarget": _ADMINS,
    "workers.view_delivery": _ADMINS,
    # What the portal's settings are, and changing them.
    "runtime.view_settingvalue": _ADMINS,
    "runtime.change_settingvalue": _ADMINS,
    "runtime.view_turn": _ADMINS,  # in the Django admin
    # Labs: see them; start, stop, wipe, import, download, back up, restore; delete.
    "labs.view_lab": _EVERYBODY,
    "labs.operate_lab": _OPERATORS,
    "labs.delete_lab": _ADMINS,
    "labs.view_labversion": _ADMINS,  # in the Django admin
    "labs.view_labscheck": _ADMINS,
    # The system page is for whoever sees workers; to act there, and the rows in the Django admin.
    "system.operate_job": _ADMINS,
    "system.view_job": _ADMINS,
    "system.view_jobrun": _ADMINS,
    "system.view_checkresult": _ADMINS,
    "system.view_process": _ADMINS,
    "labs.view_labsbackup": _ADMINS,
    "labs.view_labyaml": _ADMINS,
    "labs.view_labfile": _ADMINS,
    # People and their roles, in the Django admin.
    "accounts.view_user": _ADMINS,
    "accounts.add_user": _ADMINS,
    "accounts.change_user": _ADMINS,
    "auth.view_group": _ADMINS,
    # Where people are signed in, and the tokens of their programs; changing a token is revoking it.
    "accounts.view_signin": _ADMINS,
    "accounts.delete_signin": _ADMINS,
    "accounts.view_apitoken": _ADMINS,
    "accounts.change_apitoken": _ADMINS,
}


def capabilities_of(role: Role) -> set[str]:
    """The permissions, `app_label.codename`, that the group of `role` holds."""
    return {capability for capability, roles in CAPABILITIES.items() if role in roles}
