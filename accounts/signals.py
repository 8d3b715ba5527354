"""What the apps above are told of people. `workers` writes it to the audit; accounts knows nothing of that."""

from __future__ import annotations

from django.dispatch import Signal

# A person's role is another one.
# user: User. before, after: Role | None. by: User | None, who did it; None: the portal itself. source: str, where it came from, such as
# "Django admin" or "Keycloak groups". Optional: address: str | None, the client's.
role_changed = Signal()

# Something else happened to an account.
# kind: AccountEvent. user: User | None, whose account; None where there is none, then `detail` says which name was given. by: User | None, who
# did it (the person themselves for what they do with their own account). detail: str, a few words. address: str | None, the client's.
# Optional: before, after: str, where something became something else.
account_event = Signal()
