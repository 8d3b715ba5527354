"""Calls about notices to CML's own users, and the maintenance mode that keeps them out. They need an administrator's account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workers.clients.cml.addresses import identifier
from workers.clients.cml.answers.notices import CmlNotice, MaintenanceMode
from workers.clients.cml.transport import Call, Transport


class NoticeCalls(Transport):
    """Banners inside CML, and maintenance."""

    def notices(self) -> tuple[CmlNotice, ...]:
        """Every notice, enabled or not. Cisco CML 2.9 API, GET /system/notices."""
        return tuple(CmlNotice.read(value) for value in self._get_array("/system/notices"))

    def create_notice(
        self, *, level: str, label: str, content: str = "", enabled: bool = True, group_ids: Iterable[str] = ()
    ) -> CmlNotice:
        """Show a banner to everybody, or to these groups. Cisco CML 2.9 API, POST /system/notices.

        `level`: INFO, SUCCESS, WARNING or ERROR; `label` has at most 128 characters, `content` at most 8192.
        """
        notice = {"level": level, "label": label, "content": content, "enabled": enabled, "groups": list(group_ids)}
        made = CmlNotice.read(self._write("POST", "/system/notices", notice))
        if not made.notice_id:
            self._unexpected(Call("POST", "/system/notices"), "the answer holds no id")
        return made

    def update_notice(
        self,
        notice_id: str,
        *,
        level: str | None = None,
        label: str | None = None,
        content: str | None = None,
        enabled: bool | None = None,
    ) -> CmlNotice:
        """Change what is given and leave the rest. Cisco CML 2.9 API, PATCH /system/notices/{notice_id}."""
        given: dict[str, Any] = {"level": level, "label": label, "content": content, "enabled": enabled}
        changes = {name: value for name, value in given.items() if value is not None}
        return CmlNotice.read(self._write("PATCH", f"/system/notices/{identifier(notice_id, kind='notice')}", changes))

    def delete_notice(self, notice_id: str) -> None:
        """Take a notice away. Cisco CML 2.9 API, DELETE /system/notices/{notice_id}."""
        self._authorized(Call("DELETE", f"/system/notices/{identifier(notice_id, kind='notice')}"))

    def maintenance_mode(self) -> MaintenanceMode:
        """Whether only administrators are let in; needs no login. Cisco CML 2.9 API, GET /system/maintenance_mode."""
        call = Call("GET", "/system/maintenance_mode")
        return MaintenanceMode.read(self._object(call, self._anonymous(call)))

    def set_maintenance_mode(self, enabled: bool, *, notice_id: str | None = None) -> MaintenanceMode:
        """Keep everybody but administrators out, or let them in again. Cisco CML 2.9 API, PATCH /system/maintenance_mode.

        `notice_id` is the notice that tells them why; None shows none.
        """
        wanted = {"maintenance_mode": enabled, "notice": notice_id}
        return MaintenanceMode.read(self._write("PATCH", "/system/maintenance_mode", wanted))
