"""Makes the portal's services emit an event of every type, in a life of one worker and one lab."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from labs.models import Lab
from labs.services import applying
from labs.services.reading import Reading
from tests.operating import K, by
from tests.workers.alerting import healthy
from tests.workers.fake_ec2 import FakeEc2, Machine
from workers.clients import aws, cml
from workers.license_choices import SeatDoubt
from workers.models import Alert, Operation, Sample, Worker
from workers.services import creation, importing, record, records
from workers.services.alerts import acknowledging
from workers.services.alerts.evaluation import evaluate
from workers.services.licenses import seats
from workers.services.operations import asking, engine

REGION = "us-east-1"


def live_one_life(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that the portal can tell of happens once. EC2 is in memory."""
    now = timezone.now()
    _create_and_import(ada, now)
    worker = healthy(now, name="encor-1", region=REGION, labs_succeeded_at=now - timedelta(minutes=30))
    _change(worker, now)
    _alert(worker, ada, now)
    _labs(worker, now)
    seats.flag(worker=worker, doubt=SeatDoubt.OUTSIDE, now=now, actor=record.EC2, detail="Terminated in the console.")
    seats.close(worker, note="Its CML is registered: the seat is in use.", now=now)
    _operate(worker, ada, monkeypatch)
    worker.refresh_from_db()
    ended = {"machine_state": "terminated", "machine_state_reason": "Client.UserInitiatedShutdown"}
    record.apply(worker, ended, actor=record.EC2, now=now)
    records.delete_record(worker=worker, keep_instance=False, by=by(ada), now=now)


def _create_and_import(ada: User, now: datetime) -> None:
    proposal = {
        "region": REGION,
        "name": "encor-9",
        "instance_type": "m5zn.metal",
        "subnet_id": "",
        "security_group_ids": [],
        "key_name": "",
        "root_volume_gib": None,
        "require_imds_v2": True,
        "detailed_monitoring": False,
        "nested_virtualization": False,
        "tags": {},
    }
    image = {"image_id": "ami-00000000000000001", "name": "cisco-cml2.9.0"}
    creation.create_worker(proposal=proposal, image=image, by=by(ada), now=now)
    found = {"instance_id": "i-0abc0000000000001", "name": "found", "state": "running", "instance_type": "m5zn.metal"}
    importing.import_instances(region=REGION, instances=[found], by=by(ada), now=now)


def _change(worker: Worker, now: datetime) -> None:
    """All that EC2, CloudWatch and CML can say, changed in every field."""
    said: list[tuple[record.Actor, dict[str, Any]]] = [
        (record.EC2, {"machine_state_reason": "Server.SpotInstanceTermination", "system_check": "impaired"}),
        (record.EC2, {"instance_check": "impaired", "name": "encor-2", "instance_type": "m5zn.12xlarge", "zone": "us-east-1b"}),
        (record.EC2, {"instance_id": "i-0abc0000000000002", "ami_id": "ami-2", "public_address": "198.51.100.7"}),
        (record.EC2, {"private_address": "10.0.0.9", "tags": {"Team": "training"}, "detailed_monitoring": True}),
        (record.EC2, {"network_in": 1000, "network_out": 2000, "checks_failed": 1}),
        (record.CML, {"service_state": "degraded", "service_reasons": ["Disk is full."], "cml_version": "2.9.1"}),
        (record.CML, {"cpu": 91.5, "cpu_source": "cloudwatch", "memory": 70.0, "disk": 60.0, "nodes_running": 7}),
        (
            record.CML,
            {"nodes_total": 12, "license_state": "expired", "license_text": "EXPIRED", "seats_in_use": 1, "seats_max": 2},
        ),
        (
            record.CML,
            {"license_expires_at": now, "authorization_expires_at": now, "smart_account": "a", "virtual_account": "v"},
        ),
        (record.CML, {"license_nodes_in_use": 20, "license_nodes_max": 40}),
        # What must never leave.
        (record.SYSTEM, {"cml_username": "planted-name", "cml_password_encrypted": "planted-secret", "tls_ca": "planted-ca"}),
        (record.CML, {"service_state": "ready", "service_reasons": []}),
    ]
    for actor, changes in said:
        assert record.apply(worker, dict(changes), actor=actor, now=now) is not None


def _alert(worker: Worker, ada: User, now: datetime) -> None:
    def disk(minute: int, percent: float) -> None:
        Sample.objects.create(worker=worker, at=now + timedelta(minutes=minute - 4), source="cml", disk=percent)
        evaluate(worker_ids=[worker.pk], now=now)

    for minute, percent in enumerate((86.0, 97.0, 84.0)):  # opened, worse, milder
        disk(minute, percent)
    alert = Alert.objects.open().get(worker=worker, kind="disk")
    seen = [acknowledging.Seen(alert.pk, None)]
    acknowledging.acknowledge(seen=seen, note="We know.", by=by(ada), now=now)
    acknowledging.unacknowledge(alert_ids=[alert.pk], by=by(ada), now=now)
    disk(3, 20.0)
    worker.refresh_from_db()


def _tile(**changes: Any) -> cml.LabTile:
    fields: dict[str, Any] = {
        "lab_id": "lab-1",
        "title": "CCNA: VLANs",
        "state": "STOPPED",
        "owner_username": "mei",
        "node_count": 2,
        "link_count": 1,
        "created_at": None,
        "modified_at": None,
        "description": "",
        "topology": cml.Topology.read({"nodes": [], "links": []}),
    }
    return cml.LabTile(**(fields | changes))


def _labs(worker: Worker, now: datetime) -> None:
    lives = [
        _tile(),
        _tile(state="STARTED"),
        _tile(state="STARTED", title="CCNA: trunks", owner_username="kim", owner_fullname="Kim", node_count=3, link_count=2),
        _tile(state="STARTED", title="CCNA: trunks", notes="Read me.", modified_at=now),
        None,
        _tile(),
    ]
    for number, tile in enumerate(lives):
        at = now + timedelta(seconds=number)
        reading = Reading(tiles=(tile,) if tile else (), gone=frozenset() if tile else frozenset({"lab-1"}))
        found = {"lab-1": tile} if tile else {}
        applying.apply(worker, found, reading, asked_at=at, claimed_until=at, now=at)
    assert Lab.objects.count() == 1


def _operate(worker: Worker, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = FakeEc2(REGION)
    monkeypatch.setattr(aws, "client_for", lambda **_: ec2)
    ec2.machines[worker.instance_id] = Machine("running", {"Name": "w"})
    _to_end(asking.ask(kind=K.TAG, worker=worker, by=by(ada), now=timezone.now(), parameters={"set": {"A": "b"}}))
    ec2.weather = lambda: aws.AwsUnauthorized("AWS refuses.", "UnauthorizedOperation")
    _to_end(asking.ask(kind=K.MONITOR, worker=worker, by=by(ada), now=timezone.now(), parameters={"on": True}))
    ec2.weather = None
    ec2.machines[worker.instance_id].protected = True
    Worker.objects.filter(pk=worker.pk).update(license_state="unregistered", licensing={})
    _to_end(asking.ask(kind=K.TERMINATE, worker=worker, by=by(ada), now=timezone.now()))


def _to_end(operation: Operation) -> None:
    for _ in range(20):
        Operation.objects.in_flight().update(due_at=timezone.now())
        engine.run(operation_id=operation.pk, now=timezone.now())
        operation.refresh_from_db()
        if not operation.is_in_flight:
            return
    raise AssertionError(f"still {operation.state}: {operation.steps}")
