"""The fleet refresh against the simulated AWS over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.makers import make_worker
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process, start_simulated_aws
from workers.models import Event, RegionCheck, Sample, Worker
from workers.services import images
from workers.services.fleet_refresh import refresh_region
from workers.services.metrics_refresh import refresh_metrics

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def endpoint(settings: object, simulated_aws: SimulatedAws) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url  # type: ignore[attr-defined]
    images._known.clear()


def worker_of(instance_id: str, **overrides: object) -> Worker:
    """A worker just imported: nothing known but its id. Old enough to be called lost."""
    nothing = {
        "zone": "",
        "public_address": "",
        "private_address": "",
        "instance_type": "",
        "name": "imported",
        "machine_state": "pending",
    }
    worker = make_worker(**(nothing | {"service_state": "unknown", "instance_id": instance_id} | overrides))
    Worker.objects.filter(pk=worker.pk).update(created_at=timezone.now() - timedelta(hours=1))
    return worker


def refreshed(worker: Worker) -> Worker:
    """The worker after one refresh of its region."""
    Worker.objects.update(aws_due_at=None)
    refresh_region(region=worker.region, now=timezone.now())
    worker.refresh_from_db()
    return worker


def test_one_look_tells_everything_about_an_instance(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch(REGION, tags={"Name": "ccnp-encor-01", "Team": "training"})

    worker = refreshed(worker_of(instance_id))

    assert (worker.machine_state, worker.name, worker.instance_type) == ("running", "ccnp-encor-01", "m5zn.metal")
    assert worker.zone.startswith(REGION)
    assert worker.public_address
    assert worker.private_address
    assert worker.tags == {"Name": "ccnp-encor-01", "Team": "training"}
    assert worker.launched_at is not None
    assert worker.aws_succeeded_at is not None
    assert worker.machine_state_since > timezone.now() - timedelta(minutes=1)


def test_a_change_behind_the_portals_back_is_told_once_with_before_and_after(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = refreshed(worker_of(instance_id))
    simulated_aws.client("ec2", REGION).stop_instances(InstanceIds=[instance_id])

    refreshed(worker)
    refreshed(worker)

    events = Event.objects.filter(worker=worker, kind="worker.state", before="Running")
    assert [(event.after, event.actor_kind) for event in events] == [("Stopped", "ec2")]


def test_a_stopped_machine_has_no_service_and_no_usage(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = refreshed(
        worker_of(instance_id, machine_state="running", service_state="ready", cpu=50, memory=40, nodes_running=7)
    )
    simulated_aws.client("ec2", REGION).stop_instances(InstanceIds=[instance_id])

    worker = refreshed(worker)

    assert (worker.service_state, worker.cpu, worker.memory, worker.nodes_running, worker.labs_running) == (
        "unknown",
        None,
        None,
        None,
        None,
    )
    assert (worker.license_state, worker.labs_total) == ("registered", 4)


def test_a_started_machines_cml_is_asked_at_once(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = worker_of(instance_id, machine_state="stopped", cml_due_at=timezone.now() + timedelta(hours=1))

    assert refreshed(worker).cml_due_at is None


def test_nothing_changed_means_no_write_and_no_news(simulated_aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = refreshed(worker_of(simulated_aws.launch(REGION)[0]))
    before = Event.objects.count()
    told: list[object] = []
    monkeypatch.setattr("workers.services.fleet_refresh.events.announce_workers", told.extend)

    with CaptureQueriesContext(connection) as captured:
        refreshed(worker)

    changed = [query["sql"] for query in captured if query["sql"].startswith("UPDATE") and "machine_state" in query["sql"]]
    assert (told, changed, Event.objects.count()) == ([], [], before)


def test_an_instance_that_ec2_forgot_is_looked_up_by_id_and_then_lost(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = refreshed(worker_of(instance_id))
    simulated_aws.forget(instance_id)
    calls = simulated_aws.calls()["DescribeInstances"]

    worker = refreshed(worker)

    assert simulated_aws.calls()["DescribeInstances"] == calls + 2
    assert (worker.machine_state, worker.service_state) == ("lost", "unknown")
    assert "no longer knows" in worker.machine_state_reason


def test_one_that_was_shutting_down_is_not_lost_but_terminated(simulated_aws: SimulatedAws) -> None:
    assert refreshed(worker_of("i-0000000000000dead", machine_state="shutting-down")).machine_state == "terminated"


def test_one_launched_a_moment_ago_is_given_time_to_appear(simulated_aws: SimulatedAws) -> None:
    worker = worker_of("i-0000000000000beef")
    Worker.objects.filter(pk=worker.pk).update(created_at=timezone.now() - timedelta(minutes=4))

    assert refreshed(worker).machine_state == "pending"


def test_a_lost_instance_that_ec2_knows_again_is_adopted(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch(REGION)

    assert refreshed(worker_of(instance_id, machine_state="lost")).machine_state == "running"


@pytest.mark.parametrize("mode", ["throttled", "unauthorized", "unreachable", "error"])
def test_an_aws_error_changes_no_worker_and_is_told_with_since_and_why(
    mode: str, simulated_aws: SimulatedAws, settings: object
) -> None:
    worker = refreshed(worker_of(simulated_aws.launch(REGION)[0]))
    known = Worker.objects.filter(pk=worker.pk).values("machine_state", "name", "aws_succeeded_at", "public_address").get()
    simulated_aws.set_fault(mode)

    refreshed(worker)
    first = RegionCheck.objects.get(region=REGION)
    refreshed(worker)
    second = RegionCheck.objects.get(region=REGION)

    assert Worker.objects.filter(pk=worker.pk).values(*known).get() == known
    assert first.failing_since is not None
    assert second.failing_since == first.failing_since
    assert REGION in second.error
    assert second.error.endswith(".")

    simulated_aws.set_fault("none")
    refreshed(worker)
    recovered = RegionCheck.objects.get(region=REGION)
    assert (recovered.failing_since, recovered.error) == (None, "")


def test_the_names_of_images_are_asked_once_and_are_no_condition(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    image_id = ec2.register_image(Name="cisco-cml2.9.1-test", Description="Golden image", RootDeviceName="/dev/sda1")["ImageId"]
    instance_id, other = simulated_aws.launch(REGION, 2, ImageId=image_id)
    simulated_aws.set_fault("unauthorized", operation="DescribeImages")

    worker = refreshed(worker_of(instance_id))
    assert (worker.machine_state, worker.ami_id, worker.ami_name) == ("running", image_id, "")

    simulated_aws.set_fault("none")
    images._known.clear()
    calls = simulated_aws.calls()["DescribeImages"]
    worker_of(other)
    worker = refreshed(worker)
    worker = refreshed(worker)
    assert (worker.ami_name, worker.ami_description) == ("cisco-cml2.9.1-test", "Golden image")
    assert simulated_aws.calls()["DescribeImages"] == calls + 1


def test_somebody_who_moved_the_machine_first_wins(simulated_aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = worker_of(instance_id, machine_state="stopped")
    from workers.services import fleet_refresh

    read = fleet_refresh._read

    def start_meanwhile(*args: object, **kwargs: object) -> object:
        reading = read(*args, **kwargs)  # type: ignore[arg-type]
        Worker.objects.filter(pk=worker.pk).update(machine_state="stopping")
        return reading

    monkeypatch.setattr(fleet_refresh, "_read", start_meanwhile)

    assert refreshed(worker).machine_state == "stopping"
    assert not Event.objects.filter(worker=worker).exists()


def cpu_of(simulated_aws: SimulatedAws, instance_id: str) -> list[float]:
    """What CloudWatch says, oldest first, asked by a plain boto3."""
    dimension = {"Name": "InstanceId", "Value": instance_id}
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": [dimension]}
    answer = simulated_aws.client("cloudwatch", REGION).get_metric_data(
        MetricDataQueries=[{"Id": "cpu", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Average"}}],
        StartTime=timezone.now() - timedelta(hours=3),
        EndTime=timezone.now(),
        ScanBy="TimestampAscending",
    )
    return [float(value) for value in answer["MetricDataResults"][0]["Values"]]


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAws]:
    """An account with the demo fleet, which has six hours of CPU behind it."""
    with start_simulated_aws(tmp_path_factory.mktemp("seeded"), seed=True) as simulated:
        yield simulated


@pytest.fixture
def busy(seeded: SimulatedAws, settings: object) -> str:
    """The id of a demo instance that runs."""
    settings.AWS_ENDPOINT_URL = seeded.endpoint_url  # type: ignore[attr-defined]
    return next(found["instance_id"] for found in seeded.instances().values() if found["name"] == "ccnp-encor-02")


def test_cpu_comes_from_cloudwatch_while_cml_says_nothing(seeded: SimulatedAws, busy: str) -> None:
    worker = worker_of(busy, machine_state="running", cpu=None, cpu_source="")

    assert refresh_metrics(region=REGION, now=timezone.now()) == 1

    said = cpu_of(seeded, busy)
    worker.refresh_from_db()
    assert len(said) >= 30
    assert worker.cpu_source == "cloudwatch"
    assert worker.cpu == pytest.approx(said[-1], abs=0.06)
    stored = Sample.objects.filter(worker=worker, source="cloudwatch").order_by("at").values_list("cpu", flat=True)
    # The period that still runs is not stored.
    assert len(said) - 2 <= len(stored) < len(said) + 1
    assert list(stored) == pytest.approx(said[: len(stored)])


def test_the_same_datapoint_read_twice_is_one_sample(busy: str) -> None:
    worker_of(busy, machine_state="running")
    moment = timezone.now()
    refresh_metrics(region=REGION, now=moment)
    first = Sample.objects.count()

    Worker.objects.update(metrics_due_at=None)
    refresh_metrics(region=REGION, now=moment)

    assert Sample.objects.count() == first >= 30


def test_cloudwatch_does_not_overrule_a_fresh_figure_of_cml(busy: str) -> None:
    worker = worker_of(busy, machine_state="running", cpu=1.5, cpu_source="cml", cml_succeeded_at=timezone.now())

    refresh_metrics(region=REGION, now=timezone.now())
    worker.refresh_from_db()
    assert (worker.cpu, worker.cpu_source) == (1.5, "cml")

    Worker.objects.update(metrics_due_at=None, cml_succeeded_at=timezone.now() - timedelta(hours=1))
    refresh_metrics(region=REGION, now=timezone.now())
    worker.refresh_from_db()
    assert worker.cpu_source == "cloudwatch"
    assert worker.cpu != 1.5


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_workers_are_refreshed_with_at_most_twenty_calls(simulated_aws: SimulatedAws) -> None:
    region = "us-west-2"
    for instance_id in simulated_aws.launch(region, 1000):
        make_worker(instance_id=instance_id, region=region, machine_state="pending", service_state="unknown")
    Worker.objects.update(created_at=timezone.now() - timedelta(hours=1))
    before = simulated_aws.calls()

    assert refresh_region(region=region, now=timezone.now()) == 1000
    assert refresh_metrics(region=region, now=timezone.now()) == 1000

    made = {name: count - before.get(name, 0) for name, count in simulated_aws.calls().items() if count > before.get(name, 0)}
    assert Worker.objects.filter(region=region, machine_state="running").count() == 1000
    assert sum(made.values()) <= 20, made
    print(f"AWS calls for 1,000 workers: {made}")
