"""The poll interval changes in a running portal, and beat, Celery worker and the audit follow: real processes, nobody restarts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.sandbox_process import running_sandbox
from tests.simulated_cml import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SAVE = """
from django.test import Client
from accounts.models import User
from tests.runtime.saving import save
browser = Client(headers={{"Host": "127.0.0.1"}})
browser.force_login(User.objects.get(username="admin"), backend="accounts.local.backend.LocalBackend")
answer = save(browser, "reading", STATE_INTERVAL="{seconds}").status_code
"""
AUDIT = """
from workers.models import Event
answer = [(e.before, e.after, e.actor_name) for e in Event.objects.filter(kind="setting").order_by("id")]
"""
STATE = "from workers.models import Worker\nanswer = Worker.objects.get(name='ccnp-encor-01').machine_state"
SOONEST = """
from django.utils import timezone
from workers.models import Worker
soonest = Worker.objects.known_to_ec2().order_by("aws_due_at").values_list("aws_due_at", flat=True).first()
answer = (soonest - timezone.now()).total_seconds() if soonest else 0
"""


def test_the_poll_interval_changes_without_a_restart_and_the_audit_says_who(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "var", STATE_INTERVAL="3600") as sandbox:
        before = sandbox.facts["pids"]
        eventually(lambda: sandbox.run_script(SOONEST) > 600, within=60)  # all were read, and nobody looks for an hour

        assert sandbox.run_script(SAVE.format(seconds=2)) == 302
        sandbox.ec2().stop_instances(InstanceIds=[sandbox.instance_id("ccnp-encor-01")])
        asked = time.monotonic()
        eventually(lambda: sandbox.run_script(STATE) in {"stopping", "stopped"}, within=30)
        assert time.monotonic() - asked < 20

        # And back: what is due comes once more, then nobody looks for an hour.
        assert sandbox.run_script(SAVE.format(seconds=3600)) == 302
        eventually(lambda: sandbox.run_script(SOONEST) > 600, within=30)

        assert sandbox.run_script(AUDIT) == [["3,600 s", "2 s", "admin"], ["2 s", "3,600 s", "admin"]]
        assert sandbox.facts["pids"] == before
