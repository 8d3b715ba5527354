"""Every page, as each kind of person, with something on it: nothing inline, nothing unencrypted, the policy on each, and no cache keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.apps import apps
from django.contrib import admin
from django.http import HttpResponse

from tests.access import PEOPLE, Row
from tests.conftest import signed_in
from tests.routes import ROOMS, address, ask, undone
from tests.world import World, confirmed

pytestmark = pytest.mark.django_db
LOADED = {"src", "srcset", "action", "formaction", "data", "poster", "background"}
# What strangers see may be kept: probes say so themselves.
TO_ALL = {"livez", "readyz"}


class Reader(HTMLParser):
    """What a strict policy forbids or a browser would fetch in the clear."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag == "script" and not named.get("src"):
            self.found.append("an inline script")
        if tag in {"style", "base", "object", "embed", "iframe"}:
            self.found.append(f"<{tag}>")
        for name, value in attributes:
            text = (value or "").strip().lower()
            if name == "style" or name.startswith("on"):
                self.found.append(f'{name}="{text[:40]}" on <{tag}>')
            if text.startswith("javascript:"):
                self.found.append(f"{name}={text[:40]}")
            if text.startswith("http:") and (name in LOADED or (name == "href" and tag != "a")):
                self.found.append(f"<{tag}> loads {text[:60]}")


def problems(answer: HttpResponse) -> Iterator[str]:
    """Everything that is wrong with one answer."""
    if answer.status_code >= 500:
        yield f"status {answer.status_code}"
    policy = answer.get("Content-Security-Policy", "")
    if "script-src 'self'" not in policy or "frame-ancestors 'none'" not in policy or "unsafe" in policy:
        yield f"policy {policy!r}"
    if answer.get("X-Frame-Options") != "DENY" or answer.get("X-Content-Type-Options") != "nosniff":
        yield "may be framed, or guessed at"
    if answer.get("Referrer-Policy") != "same-origin":
        yield "addresses leave the portal"
    if not answer.get("Content-Type", "").startswith("text/html") or answer.streaming:
        return
    reader = Reader()
    reader.feed(answer.content.decode())
    yield from reader.found


def pages(rows: list[Row], world: World) -> Iterator[tuple[str, str]]:
    """(route, path) of what can be read. Ids are those of things that are there."""
    for method, route, arguments, _ in rows:
        if method != "GET":
            continue
        real = {name: world.real.get(name, value) for name, value in arguments.items()}
        if route.startswith("admin/") and "object_id" in arguments:
            real["object_id"] = _first(route) or arguments["object_id"]
        yield route, address(route, real, world.things)


def _first(route: str) -> str:
    _, app, name, *_ = route.split("/")
    if "<" in app + name or not apps.is_installed(app.replace("auth", "django.contrib.auth")):
        return ""
    return str(apps.get_model(app, name).objects.values_list("pk", flat=True).first() or "")


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_is_inline_or_in_the_clear_and_nothing_private_is_cached(room: str, world: World) -> None:
    wrong, read = [], 0
    confirmed(world.browsers["admin"], world.people["admin"])
    for route, path in pages(ROOMS[room], world):
        for who in PEOPLE:
            for headers in ({}, {"HX-Request": "true"}):
                answer = ask(world.browsers[who], "GET", path, **headers)
                read += answer.status_code == 200
                wrong += [f"{path} by {who}: {problem}" for problem in problems(answer)]
                if who != "signed out" and route not in TO_ALL and "no-store" not in answer.get("Cache-Control", ""):
                    wrong.append(f"{path} by {who} may be cached: {answer.get('Cache-Control')}")
    assert not wrong, "\n".join(wrong)
    assert read > 5


def test_pages_of_second_factors_are_as_clean_once_there_are_some(world: World) -> None:
    person = world.people["admin"]
    with undone():
        TOTP.activate(person, "JBSWY3DPEHPK3PXP")
        RecoveryCodes.activate(person)
        key = Authenticator.objects.create(user=person, type="webauthn", data={"name": "<b>Laptop</b>", "credential": {}})
        browser = confirmed(signed_in(person), person)
        own = (
            "",
            "app/remove/",
            "codes/",
            "codes/new/",
            "codes/download/",
            f"passkeys/{key.pk}/",
            f"passkeys/{key.pk}/remove/",
        )
        for path in [f"/account/second-factor/{part}" for part in own] + ["/account/confirm/", "/account/confirm/code/"]:
            answer = ask(browser, "GET", path)
            assert answer.status_code == 200, path
            assert list(problems(answer)) == [], path
            assert "no-store" in answer["Cache-Control"], path


def test_rows_that_can_be_changed_in_the_admin_are_read_as_well(world: World) -> None:
    models = [model for model in admin.site._registry if model.objects.exists()]
    assert len(models) > 5
    for model in models:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{model.objects.first().pk}/change/"
        answer = ask(world.browsers["admin"], "GET", path)
        assert answer.status_code == 200, path
        assert list(problems(answer)) == [], path
