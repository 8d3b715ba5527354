"""Whatever people ask for, EC2 does and processes die of, in whatever order: states stay legal and the trail has no gap.

Each example is a story of random steps against EC2 in memory. After every step the invariants hold; at its end AWS answers again, what
is in flight ends, and the portal knows what EC2 knows.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.models import User
from tests.makers import make_worker
from tests.workers.fake_ec2 import FakeEc2, Killed, Machine
from workers.choices import ActorKind, EventKind, MachineState, OperationKind, ServiceState
from workers.clients import aws
from workers.models import Event, Operation, Worker
from workers.services.fleet_refresh import refresh_region
from workers.services.operations import asking, engine
from workers.services.record import Actor

REGION = "us-east-1"
STORIES = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    derandomize="CI" in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)

WEATHERS: dict[str, Callable[[], aws.AwsError] | None] = {
    "fair": None,
    "throttled": lambda: aws.AwsThrottled("AWS limits our requests.", "RequestLimitExceeded"),
    "unauthorized": lambda: aws.AwsUnauthorized("The portal may not do that.", "UnauthorizedOperation"),
    "away": lambda: aws.AwsUnreachable("AWS does not answer.", "ConnectTimeout"),
}
ASKED = st.sampled_from([OperationKind.START, OperationKind.STOP, OperationKind.TERMINATE, OperationKind.TAG])
WHICH = st.integers(min_value=0, max_value=1)
STATEMENT = st.integers(min_value=1, max_value=14)
# From these nothing leads back. Source: EC2 User Guide, "Amazon EC2 instance state changes"; design: lost may be found again.
FINAL = {"Terminated": set(), "Shutting down": {"Terminated"}}


class Clock:
    """django.utils.timezone.now, moved by the story."""

    def __init__(self) -> None:
        self.moment = datetime.now(tz=timezone.get_current_timezone())

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


def story_of(monkeypatch: pytest.MonkeyPatch) -> type[RuleBasedStateMachine]:
    """The machine, in this test's patched world."""
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)

    class Story(Fleet):
        def __init__(self) -> None:
            super().__init__(clock)
            monkeypatch.setattr(aws, "client_for", lambda **_: self.ec2)

    return Story


class Fleet(RuleBasedStateMachine):
    """Two workers, two people, one EC2."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.ec2 = FakeEc2(REGION)
        # Rolled back in the end; inside, on_commit never comes, so Celery and the stream hear nothing.
        self.transaction = transaction.atomic()
        self.transaction.__enter__()

    @initialize(first=st.sampled_from(["running", "stopped"]), second=st.sampled_from(["running", "stopped", "pending"]))
    def begin(self, first: str, second: str) -> None:
        self.people = [User.objects.create_user(username=name) for name in ("ana", "ben")]
        self.workers: list[Worker] = []
        for number, state in enumerate((first, second)):
            instance_id = f"i-{uuid.uuid4().hex[:17]}"
            self.ec2.machines[instance_id] = Machine(state, {"Name": f"w{number}"})
            service = "ready" if state == "running" else "unknown"
            worker = make_worker(
                name=f"w{number}",
                region=REGION,
                instance_id=instance_id,
                machine_state=state,
                service_state=service,
                license_state="unregistered",  # no CML is there to give a seat back
            )
            Worker.objects.filter(pk=worker.pk).update(created_at=self.clock.moment - timedelta(hours=1))
            self.workers.append(worker)
        self.first = {worker.pk: MachineState(worker.machine_state).label for worker in self.workers}
        self.asked_to_terminate: set[str] = set()

    # ── What people do ──
    @rule(kind=ASKED, which=WHICH, who=WHICH)
    def ask(self, kind: OperationKind, which: int, who: int) -> None:
        worker = Worker.objects.get(pk=self.workers[which].pk)
        by = asking.Asker(actor=Actor(kind=ActorKind.PERSON, user=self.people[who]), from_address="192.0.2.1")
        parameters = {"set": {"Team": str(who)}, "remove": []} if kind == OperationKind.TAG else None
        with contextlib.suppress(asking.UnableToAsk):
            asking.ask(kind=kind, worker=worker, by=by, now=timezone.now(), parameters=parameters)
            if kind == OperationKind.TERMINATE:
                self.asked_to_terminate.add(worker.instance_id)

    # ── What the portal does in the background ──
    @rule()
    def run_what_is_due(self) -> None:
        for operation_id in Operation.objects.runnable(timezone.now()).order_by("asked_at").values_list("pk", flat=True):
            engine.run(operation_id=operation_id, now=timezone.now())

    @rule()
    def refresh(self) -> None:
        Worker.objects.update(aws_due_at=None)
        refresh_region(region=REGION, now=timezone.now())

    @rule()
    def cml_boots(self) -> None:
        Worker.objects.filter(machine_state="running").update(service_state=ServiceState.READY)

    @rule(statement=STATEMENT)
    def run_and_be_killed(self, statement: int) -> None:
        """The process dies at one of its SQL statements: what it committed stays, its lease too."""
        with killed_at(statement):
            self.run_what_is_due()

    @rule(kind=ASKED, which=WHICH, statement=STATEMENT)
    def ask_and_be_killed(self, kind: OperationKind, which: int, statement: int) -> None:
        """The same at what was asked just now: its first steps, which change something, are where it hurts."""
        self.ask(kind=kind, which=which, who=0)
        with killed_at(statement):
            self.run_what_is_due()

    @rule(statement=STATEMENT)
    def refresh_and_be_killed(self, statement: int) -> None:
        with killed_at(statement):
            self.refresh()

    # ── What time and EC2 do ──
    @rule(seconds=st.sampled_from([1, 5, 70, 600, 3000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.moment += timedelta(seconds=seconds)

    @rule()
    def ec2_gets_there(self) -> None:
        self.ec2.settle()

    @rule(which=WHICH, action=st.sampled_from(["start", "stop", "terminate"]))
    def somebody_uses_the_console(self, which: int, action: str) -> None:
        self.ec2.outside(self.workers[which].instance_id, action)

    @rule(which=WHICH)
    def ec2_forgets(self, which: int) -> None:
        self.ec2.forget(self.workers[which].instance_id)

    @rule(which=WHICH, on=st.booleans())
    def somebody_protects(self, which: int, on: bool) -> None:
        machine = self.ec2.machines.get(self.workers[which].instance_id)
        if machine:
            machine.protected = on

    @rule(weather=st.sampled_from(sorted(WEATHERS)), capacity=st.booleans())
    def the_weather_changes(self, weather: str, capacity: bool) -> None:
        self.ec2.weather = WEATHERS[weather]
        self.ec2.no_capacity = not capacity

    # ── What always holds ──
    @invariant()
    def every_change_of_state_has_one_line_and_the_chain_is_whole(self) -> None:
        for worker in Worker.objects.all():
            state = self.first[worker.pk]
            for event in Event.objects.filter(worker=worker, kind=EventKind.STATE).order_by("id"):
                assert event.before == state, f"{event} says {event.before}, but it was {state}"
                assert event.after != state, f"{event} tells of no change"
                assert event.after in FINAL.get(state, {event.after}), f"from {state} nothing leads to {event.after}"
                state = event.after
            assert worker.machine.label == state, f"{worker} is {worker.machine.label}; its lines end with {state}"

    @invariant()
    def one_thing_at_a_time_is_done_to_a_machine(self) -> None:
        slots = Counter(Operation.objects.in_flight().values_list("worker", "slot"))
        assert all(count == 1 for count in slots.values()), slots

    @invariant()
    def what_has_ended_says_when_and_how_and_is_told_once(self) -> None:
        for operation in Operation.objects.all():
            told = Counter(Event.objects.filter(operation=operation).values_list("kind", flat=True))
            ended = not operation.is_in_flight
            assert told[EventKind.ASKED] == 1
            assert told[EventKind.ENDED] == (1 if ended else 0), operation.sentence
            assert bool(operation.finished_at) == bool(operation.sentence) == ended
            assert not (ended and operation.lease_owner)
            assert not operation.sentence.startswith("The portal made a mistake"), operation.detail

    @invariant()
    def ec2_is_never_asked_for_what_it_must_not(self) -> None:
        assert self.ec2.wrong == []
        assert self.ec2.terminated <= self.asked_to_terminate

    # ── How every story ends ──
    def teardown(self) -> None:
        try:
            if hasattr(self, "workers"):
                self.all_ends_well()
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def all_ends_well(self) -> None:
        self.ec2.weather, self.ec2.no_capacity = None, False
        for _ in range(40):
            self.time_passes(600)
            self.run_what_is_due()
            self.ec2.settle()
            self.refresh()
            self.cml_boots()
            if not Operation.objects.in_flight().exists():
                break
        assert not Operation.objects.in_flight().exists()
        self.ec2.settle()
        self.refresh()
        for worker in Worker.objects.all():
            machine = self.ec2.machines.get(worker.instance_id)
            assert worker.machine_state == (machine.state if machine else worker.machine_state)
            assert machine or worker.machine_state in ("lost", "terminated")
        self.every_change_of_state_has_one_line_and_the_chain_is_whole()
        self.what_has_ended_says_when_and_how_and_is_told_once()


@contextlib.contextmanager
def killed_at(number: int) -> Iterator[None]:
    """The block dies at its statement `number`, after EC2 has done what it was asked so far."""
    count = 0

    def kill(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal count
        if sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            return execute(sql, *rest)
        count += 1
        if count >= number:
            raise Killed
        return execute(sql, *rest)

    with contextlib.suppress(Killed), connection.execute_wrapper(kill):
        yield
    # Where the code has no transaction of its own, a single statement's one ends with it; the story's around it goes on.
    transaction.set_rollback(False)


@pytest.mark.django_db
@pytest.mark.timeout(120)
def test_whatever_happens_states_stay_legal_and_the_trail_has_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    run_state_machine_as_test(story_of(monkeypatch), settings=STORIES)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [OperationKind.START, OperationKind.STOP, OperationKind.TERMINATE, OperationKind.TAG])
def test_an_operation_may_die_at_any_statement(kind: OperationKind, monkeypatch: pytest.MonkeyPatch) -> None:
    story = story_of(monkeypatch)
    for statement in range(1, 25):
        fleet = story()
        fleet.begin(first="stopped" if kind == OperationKind.START else "running", second="stopped")  # type: ignore[attr-defined]
        fleet.ask_and_be_killed(kind=kind, which=0, statement=statement)  # type: ignore[attr-defined]
        try:
            fleet.every_change_of_state_has_one_line_and_the_chain_is_whole()  # type: ignore[attr-defined]
        finally:
            fleet.teardown()
