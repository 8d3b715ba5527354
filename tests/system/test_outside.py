"""Checks of what is not ours: AWS by dry runs, Keycloak, the collector, who is notified."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from cmlmanager.system import health
from cmlmanager.system.choices import HealthState
from tests.makers import make_worker
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.models import NotificationTarget

__all__ = ["simulated_aws", "simulated_aws_process"]


def found(name: str, now: datetime | None = None) -> health.Finding:
    check = health.check_named(name)
    assert check is not None
    return check.run(now)


# ── AWS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def region(settings: Any, simulated_aws: SimulatedAws, db: None) -> str:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    settings.AWS_REGIONS = ["us-east-1"]
    [instance_id] = simulated_aws.launch("us-east-1")
    make_worker(instance_id=instance_id, region="us-east-1", ami_id="ami-12345678")
    return "us-east-1"


def test_each_region_has_a_check_that_tries_every_right(region: str, simulated_aws: SimulatedAws) -> None:
    before = simulated_aws.instances()

    finding = found("aws.us-east-1")

    assert finding.sentence == "All 13 IAM rights that could be tested are there."
    assert finding.latency_ms is not None
    assert simulated_aws.instances() == before


def test_rights_that_are_missing_are_named_with_what_nobody_can_do(region: str, simulated_aws: SimulatedAws) -> None:
    simulated_aws.deny("RunInstances", "TerminateInstances")

    finding = found("aws.us-east-1")

    assert finding.state == HealthState.WARNING
    assert finding.sentence == (
        "The portal may not: ec2:RunInstances, ec2:TerminateInstances. Nobody can create workers; terminate workers."
    )
    assert "Allow ec2:RunInstances, ec2:TerminateInstances in the IAM policy" in finding.advice
    assert finding.facts["ec2:StopInstances"] == "allowed"


def test_a_region_that_may_not_be_read_is_failing(region: str, simulated_aws: SimulatedAws) -> None:
    simulated_aws.deny("DescribeInstances")

    assert found("aws.us-east-1").state == HealthState.FAILING


def test_a_region_that_does_not_answer_is_failing_and_no_right_is_called_missing(
    region: str, simulated_aws: SimulatedAws
) -> None:
    simulated_aws.set_fault("unreachable")

    finding = found("aws.us-east-1")

    assert finding.state == HealthState.FAILING
    assert "EC2 in us-east-1 cannot be reached" in finding.sentence
    assert finding.facts == {}


def test_without_workers_only_what_can_be_tried_is_called_there(settings: Any, simulated_aws: SimulatedAws, db: None) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    settings.AWS_REGIONS = ["us-west-2"]

    finding = found("aws.us-west-2")

    assert finding.state == HealthState.OK
    assert finding.sentence.startswith("All 4 IAM rights that could be tested are there. Not tested:")


# ── Keycloak ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Provider:
    """A web server that says what it is told to."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(provider.status)
                self.end_headers()
                self.wfile.write(provider.body)

            def log_message(self, *args: object) -> None:
                """Nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realms/cml"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def says(self, **document: str) -> None:
        self.body = json.dumps(document).encode()


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    provider = Provider()
    settings.OIDC_ISSUER = provider.issuer
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


def test_without_an_issuer_keycloak_is_off(settings: Any) -> None:
    settings.OIDC_ISSUER = ""

    assert found("keycloak").state == HealthState.OFF


def test_keycloak_is_well_under_the_name_that_the_portal_knows(provider: Provider) -> None:
    provider.says(issuer=provider.issuer, jwks_uri=f"{provider.issuer}/certs")

    finding = found("keycloak")

    assert finding.state == HealthState.OK
    assert finding.latency_ms is not None


def test_keycloak_under_another_name_is_failing(provider: Provider) -> None:
    provider.says(issuer="https://elsewhere.example/realms/cml", jwks_uri="https://elsewhere.example/certs")

    finding = found("keycloak")

    assert finding.state == HealthState.FAILING
    assert "It calls itself https://elsewhere.example/realms/cml" in finding.sentence


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [(404, b"", "answers 404"), (200, b"<html>", "not with an OpenID provider"), (200, b"[]", "not with an OpenID provider")],
)
def test_what_is_no_openid_provider_is_failing(provider: Provider, status: int, body: bytes, says: str) -> None:
    provider.status, provider.body = status, body

    finding = found("keycloak")

    assert finding.state == HealthState.FAILING
    assert says in finding.sentence


def test_keycloak_away_is_failing(settings: Any) -> None:
    settings.OIDC_ISSUER = "http://127.0.0.1:9/realms/cml"

    finding = found("keycloak")

    assert finding.sentence == "http://127.0.0.1:9/realms/cml cannot be reached (ConnectionError)."
    assert "local accounts can sign in" in finding.advice


# ── Collector ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_collector_is_off_well_or_away(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("collector").state == HealthState.OFF

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{provider.server.server_port}")
    assert found("collector").state == HealthState.OK

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    away = found("collector")
    assert away.state == HealthState.FAILING
    assert away.sentence == "Nothing takes traces at 127.0.0.1:9 (Connection refused)."


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
def test_targets_that_take_no_notices_are_named(now: datetime) -> None:
    assert found("notifications", now).state == HealthState.OFF
    NotificationTarget.objects.create(name="Ops", kind="webhook", created_at=now)
    NotificationTarget.objects.create(
        name="Slack of the lab", kind="slack", created_at=now, failing_since=now, failing_reason="It answers 404."
    )

    finding = found("notifications", now)

    assert finding.state == HealthState.WARNING
    assert finding.sentence == "1 of 2 targets takes no notices: Slack of the lab."
    assert finding.facts["Slack of the lab"] == "failing: It answers 404."
    assert finding.since == now


@pytest.mark.django_db
def test_certificates_that_end_soon_are_named(now: datetime) -> None:
    def trusted(days: int) -> dict[str, str]:
        return {"fingerprint": "ab" * 32, "not_after": (now + timedelta(days=days)).isoformat()}

    assert found("certificates", now).state == HealthState.OFF
    make_worker(name="far", tls_trusted=trusted(200))
    assert found("certificates", now).state == HealthState.OK
    make_worker(name="near", tls_trusted=trusted(3))
    make_worker(name="past", tls_trusted=trusted(-3))
    make_worker(name="gone", tls_trusted=trusted(3), machine_state="terminated")

    finding = found("certificates", now)

    assert finding.sentence == "2 of 3 trusted certificates end within two weeks, 1 of them already."
    assert list(finding.facts) == ["past", "near"]
