"""The webhook's door: what goes out, what each answer means, and where nothing goes. Real requests on loopback."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cmlmanager.sandbox.cml import certificates
from tests.notification_receivers import SECRET, Behaviour, answer, receiving
from workers.clients import notify
from workers.clients.notify.outcome import Verdict, shortened, waiting_time

HERE = notify.Reach(private=True, loopback=True)
OUTSIDE = notify.Reach()
INSIDE = notify.Reach(private=True)


def event(**changes: object) -> notify.CloudEventFacts:
    fields = {
        "id": "11111111-2222-4333-8444-555555555555",
        "type": "com.github.cml-cloud-manager.alert.opened",
        "source": "https://portal.example.com",
        "time": datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        "subject": "workers/7",
        "data": {"title": "CPU above 90 % – “bootcamp”"},
    }
    return notify.CloudEventFacts(**(fields | changes))  # type: ignore[arg-type]


def post(url: str, *, reach: notify.Reach = HERE, total: float = 3, secrets: tuple[str, ...] = (SECRET,)) -> notify.Outcome:
    return notify.post_webhook(url, event(), secrets=secrets, at=datetime.now(UTC), reach=reach, total=total)


def test_a_receiver_can_verify_and_parse_it_with_the_libraries() -> None:
    with receiving() as receiver:
        outcome = post(receiver.url)

    [received] = receiver.events()
    assert outcome == notify.Outcome(verdict=Verdict.SENT, status=204)
    assert receiver.requests[0][0]["content-type"] == "application/cloudevents+json"
    assert received.get_specversion() == "1.0"
    assert (received.get_id(), received.get_type()) == (event().id, event().type)
    assert (received.get_time(), received.get_subject()) == (event().time, "workers/7")
    assert received.get_data() == event().data
    assert receiver.ids == [event().id]


def test_another_secret_does_not_verify_it_and_during_a_rotation_both_do() -> None:
    from standardwebhooks import WebhookVerificationError

    other = "whsec_YW5vdGhlci1zZWNyZXQtb2YtZW5vdWdoLWJ5dGVz"
    with receiving() as receiver:
        post(receiver.url)
        with pytest.raises(WebhookVerificationError):
            receiver.events(other)
        receiver.requests.clear()
        post(receiver.url, secrets=(other, SECRET))
        assert len(receiver.events(other)) == len(receiver.events(SECRET)) == 1


@pytest.mark.parametrize(
    ("behaviour", "verdict", "word"),
    [
        (answer(200, b"fine"), Verdict.SENT, ""),
        (answer(500, b"oops"), Verdict.LATER, "500 Internal Server Error"),
        (answer(502), Verdict.LATER, "502"),
        (answer(408), Verdict.LATER, "408"),
        (answer(425), Verdict.LATER, "425"),
        (answer(429), Verdict.LATER, "429"),
        (answer(400), Verdict.REFUSED, "400 Bad Request"),
        (answer(401), Verdict.REFUSED, "token is still valid"),
        (answer(404), Verdict.REFUSED, "Check the address"),
        (answer(410), Verdict.GONE, "nobody wants these notices"),
        (answer(599), Verdict.LATER, "599"),
    ],
)
def test_what_a_status_means(behaviour: Behaviour, verdict: Verdict, word: str) -> None:
    with receiving(behaviour) as receiver:
        outcome = post(receiver.url)
    assert outcome.verdict == verdict
    assert word in outcome.sentence


def test_a_redirect_is_not_followed() -> None:
    with receiving() as secret_place, receiving(answer(307, Location=secret_place.url)) as receiver:
        outcome = post(receiver.url)
        assert outcome.verdict == Verdict.REFUSED
        assert "redirect" in outcome.sentence
        assert secret_place.requests == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("999999", 6 * 3600),
        ("Mon, 23 Nov 2026 12:02:00 GMT", 120.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_bounded(header: str | None, seconds: float | None) -> None:
    assert waiting_time(header, now=datetime(2026, 11, 23, 12, 0, tzinfo=UTC)) == seconds


def test_retry_after_counts_only_where_it_has_a_meaning() -> None:
    with receiving(answer(429, Retry_After="7"), answer(503, Retry_After="9"), answer(500, Retry_After="9")) as receiver:
        assert [post(receiver.url).retry_after for _ in range(3)] == [7.0, 9.0, None]


def test_of_a_huge_answer_only_the_beginning_is_read_and_kept() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(500)
        handler.end_headers()
        for _ in range(800):  # 50 MB, if somebody read on
            handler.wfile.write(b"<script>x</script>\n" * 3450)

    with receiving(endless) as receiver:
        begun = time.monotonic()
        outcome = post(receiver.url)
    assert (outcome.verdict, outcome.status) == (Verdict.LATER, 500)
    assert len(outcome.answer) == 500
    assert time.monotonic() - begun < 2


def test_an_answer_is_kept_as_one_printable_line_without_what_is_secret() -> None:
    assert shortened(b"a\r\n\x00b\x1b[31m\xff " + b"x" * 600, ()).startswith("a b [31m� xxx")
    with receiving(answer(400, b"Cannot POST /hooks/planted-path-token")) as receiver:
        assert post(receiver.url).answer == "Cannot POST …"


def test_one_that_hangs_and_one_that_drips_end_at_the_deadline() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        for _ in range(100):
            handler.wfile.write(b"H")
            if receiver.released.wait(0.05):
                return

    with receiving() as receiver:
        receiver.behaviours += [receiver.hang, drip]
        for _ in range(2):
            begun = time.monotonic()
            outcome = post(receiver.url, total=0.3)
            assert (outcome.verdict, outcome.sentence) == (Verdict.LATER, "127.0.0.1 did not answer in time.")
            assert time.monotonic() - begun < 1.5


def test_a_closed_port_an_unknown_name_and_an_ended_connection_are_told_apart() -> None:
    def slam(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.close()

    with receiving(slam) as receiver:
        assert post(receiver.url).sentence == "127.0.0.1 ended the connection without an answer."
        closed = receiver.url
    assert post(closed).sentence == "127.0.0.1 could not be reached."
    assert post("http://no-such-host.invalid/x").sentence == "The name no-such-host.invalid could not be resolved."


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(tmp_path: Path) -> None:
    made = certificates.ensure_certificate(tmp_path, hostname="localhost", address="127.0.0.1")
    context = certificates.server_context(made)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the sender hangs up, as it should
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        outcome = post(f"https://127.0.0.1:{server.server_address[1]}/")
    finally:
        thread.join(5)
        server.server_close()
    assert outcome.verdict == Verdict.LATER
    assert "certificate" in outcome.sentence


FORBIDDEN = [
    "127.0.0.1", "127.8.9.1", "::1", "0.0.0.0", "::", "169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254", "168.63.129.16",
    "100.100.100.200", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
]  # fmt: skip
PRIVATE = [
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_these_addresses_are_never_connected_to(address: str) -> None:
    for reach in (OUTSIDE, INSIDE):
        with pytest.raises(notify.NotAllowed):
            reach.refuse(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks_only_when_the_setting_says_so(address: str) -> None:
    INSIDE.refuse(ipaddress.ip_address(address))
    with pytest.raises(notify.NotAllowed, match="NOTIFY_PRIVATE_NETWORKS"):
        OUTSIDE.refuse(ipaddress.ip_address(address))


def test_the_public_internet_is_allowed() -> None:
    for address in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"):
        OUTSIDE.refuse(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://hooks.example.com/x", "https"),
        ("ftp://hooks.example.com/x", "https://host"),
        ("hooks.example.com/x", "https://host"),
        ("https:///x", "https://host"),
        ("https://user:pass@hooks.example.com/", "passwords"),
        ("https://hooks.example.com/#x", "after #"),
        ("https://hooks.example.com:0/", "Port 0"),
        ("https://hooks.example.com:99999/", "https://host"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://127.1/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://localhost/", "this machine"),
        ("https://169.254.169.254/latest/meta-data/", "metadata"),
        ("https://[::ffff:169.254.169.254]/", "metadata"),
        ("https://10.1.2.3/", "private network"),
        ("https://a b.example.com/", "signs"),
        ("https://hooks.example.com/\r\nHost: x", "signs"),
        ("https://hööks.example.com/", "signs"),
        ("https://-bad-.example.com/", "name of a host"),
        ("https://hooks.example.com/" + "x" * 2000, "longer"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_when_it_is_entered(url: str, word: str) -> None:
    with pytest.raises(notify.NotAllowed, match=word):
        notify.check_url(url, OUTSIDE)


def test_a_name_that_leads_inside_is_refused_when_it_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    # As an attacker's name server would have it: the name looks fine, and what it means is said anew at each question.
    asked: list[str] = []
    answers: list[list[str]] = []

    def resolver(host: str, port: int, **kwargs: object) -> list[tuple[object, ...]]:
        asked.append(host)
        found = answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "hooks.example.com")
        answers += [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["127.0.0.1"]]
        assert "this machine" in post(url, reach=INSIDE).sentence
        assert post(url, reach=INSIDE).verdict == Verdict.REFUSED
        assert receiver.requests == []
        assert post(url, reach=HERE).verdict == Verdict.SENT
    assert asked == ["hooks.example.com"] * 3  # once a request: what was checked is what was connected to


def test_nothing_secret_is_in_what_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with receiving(answer(500), answer(404)) as receiver:
        outcomes = [post(receiver.url), post(receiver.url)]
        outcomes.append(post(receiver.url.replace("127.0.0.1", "no-such-host.invalid")))
    text = f"{outcomes}{caplog.text}"
    assert "planted-path-token" not in text
    assert SECRET.removeprefix("whsec_") not in text
