"""The documentation page: every operation and problem, under the CSP and without the network."""

from __future__ import annotations

import re

import pytest

from accounts.models import User
from cmlmanager.api.problems import KINDS
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db


def test_every_operation_and_problem_is_on_the_page(uma: User) -> None:
    browser = signed_in(uma)
    page = browser.get("/api/docs").content.decode()

    for path, methods in browser.get("/api/openapi.json").json()["paths"].items():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page, path
    for code in KINDS:
        assert f'id="problem-{code}"' in page


def test_nothing_on_it_comes_from_elsewhere_or_is_inline(uma: User) -> None:
    page = signed_in(uma).get("/api/docs").content.decode()

    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=\"", page)


def test_slash_api_leads_to_it(uma: User) -> None:
    assert signed_in(uma).get("/api/")["Location"] == "/api/docs"
