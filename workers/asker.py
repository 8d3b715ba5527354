"""Who asks for an operation, taken from the request of a page, of the API or of the Django admin."""

from __future__ import annotations

from allauth.account.adapter import get_adapter

from accounts.requests import PersonalRequest
from workers.choices import ActorKind
from workers.services.operations.asking import Asker
from workers.services.record import Actor


def asker(request: PersonalRequest, reason: str = "") -> Asker:
    """The person of `request` with the address they come from (behind ALLAUTH_TRUSTED_PROXY_COUNT proxies) and their `reason`.

    Who shows a token is a program that acts for its person: the audit says so.
    """
    return Asker(
        actor=Actor(kind=ActorKind.API if request.user.credential else ActorKind.PERSON, user=request.user),
        from_address=get_adapter().get_client_ip(request),
        reason=reason.strip(),
    )
