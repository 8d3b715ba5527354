"""What docs/notifications.md tells receivers to do works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.notification_receivers import SECRET, make_webhook, notice, receiving
from workers.services.notifications import post, sending

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "notifications.md"


@pytest.mark.django_db
def test_the_snippet_verifies_a_real_request_drops_a_repeat_and_refuses_a_forgery(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.NOTIFY_PRIVATE_NETWORKS = settings.NOTIFY_LOOPBACK = True
    [snippet] = [code for code in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL) if "def receive" in code]
    module: dict[str, Any] = {}
    exec(snippet.replace("whsec_…", SECRET), module)
    now = timezone.now()
    with receiving() as receiver:
        make_webhook(receiver.url, now=now)
        post(notice(), now=now)
        sending.send_due(now=now)
    [(headers, body)] = receiver.requests

    assert module["receive"](headers, body) == 204
    assert module["receive"](headers, body) == 204
    assert capsys.readouterr().out == "warning CPU of worker-001 above 90 %\n"
    assert module["receive"](headers, body.replace(b"warning", b"trivial")) == 401
    assert module["receive"](headers | {"webhook-timestamp": "1"}, body) == 401


def test_the_document_names_every_setting_and_type() -> None:
    from workers.notification_choices import NoticeType

    text = DOCUMENT.read_text()
    for type_, _ in NoticeType.selectable():
        assert f"`{type_}`" in text
