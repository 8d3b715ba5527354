"""The OpenAPI document: whole, valid, and true."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from django.test import Client

from accounts.models import User
from tests.conftest import signed_in
from tests.live.test_event_types import SECTIONS, example
from tests.makers import make_worker

pytestmark = pytest.mark.django_db
METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture
def schema(client: Client) -> dict[str, Any]:
    answer = client.get("/api/openapi.json")
    assert answer["Content-Type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def check(schema: dict[str, Any], name: str, value: Any) -> None:
    """`value` must be what the component `name` says."""
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": schema["components"]},
        format_checker=jsonschema.FormatChecker(),
    ).validate(value)


def test_it_is_openapi_3_1_and_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(schema))):
        found: Any = schema
        for part in reference.split("/"):
            found = found[part]
    for found in schema["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(found)


def test_every_operation_says_who_what_and_how_it_ends(schema: dict[str, Any]) -> None:
    ids = []
    tags = {tag["name"] for tag in schema["tags"]}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert method in METHODS, where
            ids.append(operation["operationId"])
            assert operation["summary"], where
            assert operation["description"], where
            assert set(operation["tags"]) <= tags, where
            assert {"400", "401", "403", "429"} <= set(operation["responses"]), where
            for parameter in operation["parameters"]:
                assert parameter.get("description") or "$ref" in parameter or parameter["in"] == "path", where
    assert len(ids) == len(set(ids))


def test_every_address_is_in_the_schema_and_takes_its_methods(schema: dict[str, Any], ada: User) -> None:
    browser = signed_in(ada)
    nowhere = "00000000-0000-4000-8000-000000000000"
    for path, methods in schema["paths"].items():
        if path == "/api/events/stream":
            continue
        address = re.sub(r"{\w+}", nowhere, path)
        for method in methods:
            assert browser.generic(method.upper(), address).status_code != 405, f"{method} {path}"
        allowed = browser.generic("TRACE", address)
        assert allowed.status_code == 405


def test_answers_are_what_the_schema_says(schema: dict[str, Any], ada: User) -> None:
    worker = make_worker(name="w", machine_state="stopped", tags={"Team": "x"})
    browser = signed_in(ada)

    started = browser.post(f"/api/workers/{worker.pk}/start", {}, content_type="application/json").json()

    check(schema, "Operation", started)
    check(schema, "WorkerPage", browser.get("/api/workers").json())
    check(schema, "WorkerDetail", browser.get(f"/api/workers/{worker.pk}").json())
    check(schema, "OperationPage", browser.get("/api/operations").json())
    check(schema, "Operation", browser.get(f"/api/operations/{started['id']}").json())
    check(schema, "UsageHistory", browser.get(f"/api/workers/{worker.pk}/history").json())
    check(schema, "WhoAmI", browser.get("/api/whoami").json())
    check(schema, "Connection", browser.get(f"/api/workers/{worker.pk}/connection").json())
    check(schema, "Problem", browser.get("/api/workers?page=x").json())


@pytest.mark.parametrize("kind", SECTIONS)
def test_the_streams_payloads_are_described_as_in_the_document_of_events(kind: str, schema: dict[str, Any]) -> None:
    from cmlmanager.api.stream import name_of

    check(schema, name_of(kind), example(kind))
    check(schema, "StreamedEvent", example(kind))


def test_no_event_is_described_that_does_not_exist(schema: dict[str, Any]) -> None:
    described = {found["title"] for name, found in schema["components"]["schemas"].items() if re.match(r"Event[A-Z]", name)}
    assert described - {"reset"} == set(SECTIONS)


def test_who_has_the_schema_gets_304(client: Client) -> None:
    etag = client.get("/api/openapi.json")["ETag"]
    assert client.get("/api/openapi.json", headers={"If-None-Match": etag}).status_code == 304
