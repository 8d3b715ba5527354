"""What the portal announces about people. Receivers write the audit."""

from __future__ import annotations

from django.dispatch import Signal

role_changed = Signal()
"""What somebody may do has changed. Sent inside the transaction that changes it.

sender: accounts.models.User. user: User, whose role it is. before, after: Role | None. by: User | None, who did it, None when nobody did.
source: str, where it comes from, such as "keycloak" or "admin". detail: str, what else changed ("may now open the Django admin"), or "".
"""
