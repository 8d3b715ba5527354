"""The first state of a server: a demo worker's labs and licence, or a fresh installation."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

from cmlmanager.sandbox.cml.elements import Lab, cml_time
from cmlmanager.sandbox.cml.licence import SMART_ACCOUNT, VIRTUAL_ACCOUNT, Licence, attempt, naive
from cmlmanager.sandbox.cml.state import ADMIN_ID, CmlState, User
from cmlmanager.sandbox.cml.topology import topology
from cmlmanager.sandbox.fleet import FLEET, DemoLab, DemoWorker

LICENSED_NODES = 300


def demo_worker(name: str) -> DemoWorker | None:
    """The demo worker of this name; None for "" and for names that are not of the demo fleet."""
    return next((worker for worker in FLEET if worker.name == name), None)


def first_state(*, instance_id: str, demo: str, admin: str) -> CmlState:
    """The state of a server that has never run before, with the administrator's account `admin`."""
    worker = demo_worker(demo)
    size = worker or DemoWorker(name="", region="", instance_type="")
    state = CmlState(
        instance_id=instance_id,
        hostname="cml-controller",
        version=size.version,
        cpus=size.cpus,
        memory_gib=size.memory_gib,
        disk_gib=size.disk_gib,
        base_load=size.base_load,
        compute_id=str(uuid.uuid4()),
        product_uuid=str(uuid.uuid4()),
        created_at=time.time() - 3600 * (size.launched_hours_ago if worker else 0),
        users=[User(id=ADMIN_ID, username=admin, fullname="CML Administrator", admin=True)],
    )
    if worker:
        state.licence = licence_for(worker.fault, worker)
        state.more_computes = [str(uuid.uuid4()) for _ in range(worker.computes - 1)]
        state.telemetry_opt_in = True
        for lab in worker.labs:
            _tell_start(state, add_lab(state, lab))
    return state


def _tell_start(state: CmlState, lab: Lab) -> None:
    """The telemetry of a lab that was started by its owner, and is looked at now and then since."""
    if lab.state == "STARTED":
        began = datetime.fromisoformat(lab.modified).timestamp()
        state.tell("user_activity", began - 40, user_id=lab.owner)
        state.tell("start_lab", began, lab_id=lab.id, user_id=lab.owner, nodes=len(lab.nodes))


def add_lab(state: CmlState, demo: DemoLab) -> Lab:
    """Add a lab with a topology, and its owner's account when the server has none of that name."""
    owner = state.user(username=demo.owner)
    if owner is None:
        owner = User(id=str(uuid.uuid4()), username=demo.owner, fullname=demo.owner.capitalize())
        state.users.append(owner)
    nodes, links = topology(demo.nodes, seed=demo.title)
    age = timedelta(hours=6 * (len(state.labs) + 1) + len(demo.title))
    lab = Lab(
        id=str(uuid.uuid4()),
        title=demo.title,
        description=demo.description,
        notes="",
        owner=owner.id,
        created=cml_time(datetime.now(UTC) - age),
        modified="",
        nodes=nodes,
        links=links,
    )
    # every other idle lab was run once and stopped; the rest never ran, or were wiped
    lab.set_state("STARTED" if demo.running else ("STOPPED" if len(state.labs) % 2 else "DEFINED_ON_CORE"))
    changed = datetime.now(UTC) - age / 3
    lab.modified = cml_time(changed)
    for node in lab.nodes:
        node.since = dict.fromkeys(node.since, changed.timestamp())
    state.labs[lab.id] = lab
    return lab


def licence_for(fault: str, worker: DemoWorker | None = None) -> Licence:
    """The licence of a server with this fault: registered and in compliance, unless the fault says otherwise.

    `worker` is the demo worker that it is of.
    """
    if fault == "unlicensed":
        return Licence()
    now = datetime.now(UTC)
    if fault == "evaluation":
        return Licence(authorization="EVAL_MODE", authorization_expires=naive(now + timedelta(days=61)))
    left = timedelta(days=5) if fault == "expiring" else timedelta(days=50)
    registered = naive(now - timedelta(days=40))
    return Licence(
        registration="COMPLETED",
        authorization="OUT_OF_COMPLIANCE" if fault == "out_of_compliance" else "IN_COMPLIANCE",
        smart_account=worker.smart_account if worker else SMART_ACCOUNT,
        virtual_account=worker.virtual_account if worker else VIRTUAL_ACCOUNT,
        register_time=attempt(registered),
        renew_time=attempt(scheduled=naive(now + timedelta(days=142))),
        authorization_time=attempt(registered, scheduled=naive(now + left - timedelta(days=1))),
        registration_expires=naive(now + timedelta(days=325)),
        authorization_expires=naive(now + left),
        node_count=LICENSED_NODES,
    )
