"""Steps of a machine's life. Each first looks how things are, so that doing it again does nothing twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction

from workers.choices import MachineState, ServiceState
from workers.models import Event, Worker
from workers.services import record
from workers.services.fleet_refresh import silent, started
from workers.services.licenses import seats
from workers.services.operations import asking
from workers.services.operations.steps import Done, Finished, Outcome, Stopped, Task, Wait

POLL = 3  # seconds between looks of a gate; the look itself is the fleet refresh, one call a region
RUNNING_WITHIN = timedelta(minutes=30)  # metal takes 15–20
CHECKS_WITHIN = timedelta(minutes=30)
READY_WITHIN = timedelta(minutes=45)
STOPPED_WITHIN = timedelta(minutes=40)


def start(task: Task) -> Outcome:
    """Ask EC2 to start the instance."""
    state = state_in_ec2(task)
    if state == MachineState.STOPPING:
        raise Stopped(f"{task.worker} is still stopping; try again when it has stopped.", nothing_done=True)
    _refuse_gone(task, state)
    if state == MachineState.STOPPED:
        task.aws.start_instances([task.worker.instance_id])
    moved(task, MachineState.PENDING if state == MachineState.STOPPED else state)
    return Done()


def stop(task: Task) -> Outcome:
    """Ask EC2 to stop the instance."""
    state = state_in_ec2(task)
    if state == MachineState.PENDING:
        raise Stopped(f"{task.worker} is still starting; try again when it runs.", nothing_done=True)
    _refuse_gone(task, state)
    if state == MachineState.RUNNING:
        task.aws.stop_instances([task.worker.instance_id])
    moved(task, MachineState.STOPPING if state == MachineState.RUNNING else state)
    return Done()


def check_protection(task: Task) -> Outcome:
    """Respect termination protection: whoever set it meant it."""
    if not task.worker.instance_id or state_in_ec2(task) in {MachineState.LOST, MachineState.TERMINATED}:
        return Done("There is no instance.")
    if task.aws.termination_protection(task.worker.instance_id):
        sentence = f"{task.worker} is protected from termination in EC2. Switch the protection off there first."
        raise Stopped(sentence, nothing_done=True)
    return Done()


def terminate(task: Task) -> Outcome:
    """Ask EC2 to terminate the instance; a worker without one is only marked."""
    state = state_in_ec2(task) if task.worker.instance_id else MachineState.LOST
    if state in {MachineState.LOST, MachineState.TERMINATED}:
        moved(task, MachineState.TERMINATED)
        return Finished("There is no instance any more.")
    if state != MachineState.SHUTTING_DOWN:
        # Asked again: saving labs and giving a licence back take minutes, in which somebody may have protected it.
        if task.aws.termination_protection(task.worker.instance_id):
            raise Stopped(
                f"{task.worker} was protected from termination in EC2 meanwhile, so it was left running. "
                "The steps before this one are done: look at its labs and its licence."
            )
        task.aws.terminate_instances([task.worker.instance_id])
    moved(task, MachineState.SHUTTING_DOWN)
    return Done()


def wait_running(task: Task) -> Outcome:
    """Until EC2 says running; by then the refresh has read the new address."""
    return _wait_for(task, MachineState.RUNNING, {MachineState.PENDING}, RUNNING_WITHIN)


def wait_stopped(task: Task) -> Outcome:
    """Until EC2 says stopped."""
    return _wait_for(task, MachineState.STOPPED, {MachineState.STOPPING, MachineState.RUNNING}, STOPPED_WITHIN)


def wait_terminated(task: Task) -> Outcome:
    """Until EC2 says terminated, or has forgotten the instance."""
    on_the_way = {
        MachineState.SHUTTING_DOWN,
        MachineState.RUNNING,
        MachineState.STOPPED,
        MachineState.STOPPING,
        MachineState.PENDING,
    }
    return _wait_for(task, MachineState.TERMINATED, on_the_way, STOPPED_WITHIN)


def wait_checks(task: Task) -> Outcome:
    """Until both of EC2's status checks pass."""
    worker = _still_running(task)
    if worker.system_check == worker.instance_check == "ok":
        return Done()
    if task.lasted() > CHECKS_WITHIN:
        raise Stopped(
            f"{worker} runs and is being paid for, but EC2's status checks do not pass after {_minutes(CHECKS_WITHIN)}: "
            f"system {worker.system_check or 'unknown'}, instance {worker.instance_check or 'unknown'}. Stop and start it to get another host."
        )
    return _look_again(worker, f"system {worker.system_check or 'unknown'}, instance {worker.instance_check or 'unknown'}")


def wait_cml(task: Task) -> Outcome:
    """Until CML is ready to start nodes; a fault that it reports then is told, not waited for."""
    worker = _still_running(task)
    if worker.service in {ServiceState.READY, ServiceState.DEGRADED}:
        return Done("" if worker.service == ServiceState.READY else " ".join(worker.service_reasons))
    reasons = " ".join(worker.service_reasons)
    if task.lasted() > READY_WITHIN or worker.service == ServiceState.REFUSED:
        raise Stopped(f"{worker} runs and is being paid for, but CML is not ready after {_lasted(task)}. {reasons}".rstrip())
    return Wait(POLL, reasons)


def state_in_ec2(task: Task) -> MachineState:
    """What EC2 says of the instance this very moment; LOST when it does not know it."""
    found = task.aws.find_instances([task.worker.instance_id])
    return MachineState(found[0].state) if found else MachineState.LOST


@transaction.atomic
def moved(task: Task, state: MachineState) -> None:
    """The machine is in `state`, by this operation: written with its line in the audit, as the asker's doing; EC2 is read again soon."""
    worker = task.worker
    changes: dict[str, Any] = {"machine_state": state.value, "machine_state_reason": ""}
    changes |= started() if state == MachineState.RUNNING else silent()
    changes = record.differences(worker, changes)
    before, actor = worker.machine_state, asking.actor_of(task.operation)
    story = record.apply(worker, changes, actor=actor, now=task.now)
    Event.objects.bulk_create(record.credited(story or [], task.operation))
    if story is not None:
        seats.after_move(worker, before=before, actor=actor, now=task.now, operation=task.operation)
    Worker.objects.filter(pk=worker.pk).update(aws_due_at=task.now)


def _refuse_gone(task: Task, state: MachineState) -> None:
    if state in {MachineState.SHUTTING_DOWN, MachineState.TERMINATED}:
        raise Stopped(f"{task.worker} was terminated meanwhile, outside the portal.", nothing_done=True)
    if state == MachineState.LOST:
        raise Stopped(f"EC2 does not know {task.worker} ({task.worker.instance_id}) any more.", nothing_done=True)


def _wait_for(task: Task, wanted: MachineState, on_the_way: set[MachineState], within: timedelta) -> Outcome:
    worker = task.worker
    if worker.machine == wanted:
        return Done(worker.public_address if wanted == MachineState.RUNNING else "")
    if worker.machine not in on_the_way:
        why = f": {worker.machine_state_reason}" if worker.machine_state_reason else ""
        raise Stopped(
            f"{worker} became {worker.machine.label.lower()} instead of {wanted.label.lower()}{why}.".replace("..", ".")
        )
    if task.lasted() > within:
        raise Stopped(
            f"{worker} is still {worker.machine.label.lower()} after {_minutes(within)}; look at it in the EC2 console."
        )
    return _look_again(worker, worker.machine.label)


def _look_again(worker: Worker, detail: str) -> Outcome:
    # The region is read at once and for all who wait in it, instead of a call for each.
    Worker.objects.filter(pk=worker.pk).update(aws_due_at=None)
    return Wait(POLL, detail)


def _still_running(task: Task) -> Worker:
    worker = task.worker
    if worker.machine != MachineState.RUNNING:
        raise Stopped(f"{worker} is {worker.machine.label.lower()} again; something else changed it meanwhile.")
    return worker


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} minutes"


def _lasted(task: Task) -> str:
    return _minutes(task.lasted())
