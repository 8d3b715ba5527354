"""Which certificates and addresses the CML client accepts."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cmlmanager.sandbox.cml.certificates import ensure_certificate, server_context
from tests.simulated_cml import (
    GOOD,
    SimulatedCml,
    client_of,
    cml_client,
    free_port,
    simulated_cml,
    simulated_cml_process,
)
from workers.clients.cml import (
    CmlCertificateRefused,
    CmlClient,
    CmlNotReady,
    CmlUnreachable,
    TlsPolicy,
    certificate_of,
)
from workers.clients.cml.tokens import tokens

__all__ = ["cml_client", "simulated_cml", "simulated_cml_process"]
NOT_CONFUSED_BY = {"HTTPS_PROXY": "http://127.0.0.1:9", "REQUESTS_CA_BUNDLE": "/dev/null", "CURL_CA_BUNDLE": "/dev/null"}


@pytest.fixture(autouse=True)
def _each_test_logs_in_itself() -> None:
    tokens.clear()


def test_the_right_fingerprint_is_accepted_in_any_notation(simulated_cml: SimulatedCml) -> None:
    plain = simulated_cml.fingerprint
    colons = ":".join(plain[i : i + 2] for i in range(0, 64, 2)).upper()

    for notation in (plain, colons):
        assert client_of(simulated_cml, tls=TlsPolicy("pinned", fingerprint=notation)).system_information().ready


def test_another_fingerprint_is_refused_before_anything_is_sent(simulated_cml: SimulatedCml) -> None:
    before = simulated_cml.report()["requests_total"]

    with pytest.raises(CmlCertificateRefused) as caught:
        client_of(simulated_cml, tls=TlsPolicy("pinned", fingerprint="ab" * 32)).system_stats()

    assert "fingerprint" in caught.value.sentence
    assert simulated_cml.report()["requests_total"] == before


def test_the_servers_own_certificate_serves_as_its_ca(simulated_cml: SimulatedCml) -> None:
    assert client_of(simulated_cml, tls=TlsPolicy("ca", ca_pem=simulated_cml.certificate)).system_stats().computes


def test_another_ca_is_refused(simulated_cml: SimulatedCml, tmp_path: Path) -> None:
    other = ensure_certificate(tmp_path, hostname="other", address=simulated_cml.spec.address).read_text()

    with pytest.raises(CmlCertificateRefused):
        client_of(simulated_cml, tls=TlsPolicy("ca", ca_pem=other)).system_information()


def test_the_system_cas_refuse_a_self_signed_certificate(simulated_cml: SimulatedCml) -> None:
    with pytest.raises(CmlCertificateRefused):
        client_of(simulated_cml, tls=TlsPolicy("system")).system_information()


def test_the_system_cas_accept_what_they_vouch_for(
    simulated_cml: SimulatedCml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OpenSSL's own way to say where the system's CAs are
    from workers.clients.cml import tls

    bundle = tmp_path / "system.pem"
    bundle.write_text(simulated_cml.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setattr(tls, "_contexts", {})

    assert client_of(simulated_cml, tls=TlsPolicy("system")).system_information().ready


def test_a_certificate_for_another_name_is_refused(simulated_cml: SimulatedCml) -> None:
    by_name = simulated_cml.base_url.replace(simulated_cml.spec.address, "localhost")
    with socket.create_server(("127.0.0.1", 0)) as front:
        port = front.getsockname()[1]
        threading.Thread(target=_forward_one, args=(front, simulated_cml), daemon=True).start()
        with pytest.raises(CmlCertificateRefused):
            client_of(
                simulated_cml,
                base_url=by_name.rsplit(":", 1)[0] + f":{port}",
                tls=TlsPolicy("ca", ca_pem=simulated_cml.certificate),
            ).system_information()


def _forward_one(front: socket.socket, server: SimulatedCml) -> None:
    """Pass one connection on, as an address that leads to the wrong server does."""
    near, _ = front.accept()
    port = int(server.base_url.rsplit(":", 1)[1])
    with near, socket.create_connection((server.spec.address, port)) as far:
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return


def test_the_policy_off_accepts_anything_and_does_not_warn(
    simulated_cml: SimulatedCml, recwarn: pytest.WarningsRecorder
) -> None:
    assert client_of(simulated_cml, tls=TlsPolicy("off")).system_stats().computes
    assert not recwarn.list


@pytest.mark.parametrize("variable", NOT_CONFUSED_BY)
def test_the_environment_does_not_change_the_tls_policy(
    simulated_cml: SimulatedCml, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, NOT_CONFUSED_BY[variable])

    assert client_of(simulated_cml, tls=TlsPolicy("ca", ca_pem=simulated_cml.certificate)).system_information().ready


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "pinned"},
        {"mode": "pinned", "fingerprint": "zz" * 32},
        {"mode": "pinned", "fingerprint": "ab" * 20},
        {"mode": "ca"},
        {"mode": "ca", "ca_pem": "not a certificate"},
        {"mode": "none"},
    ],
)
def test_a_policy_that_could_not_work_is_not_made(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        TlsPolicy(**options)  # type: ignore[arg-type]


def test_a_bundle_that_cannot_be_read_is_found_when_the_client_is_made() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

    with pytest.raises(ValueError, match="no certificate"):
        CmlClient(base_url="https://127.0.0.1", credential=None, tls=TlsPolicy("ca", ca_pem=broken))


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1", "127.0.0.1", "https://", "https://user:secret@127.0.0.1", "https://127.0.0.1/path", "ftp://x", ""],
)
def test_an_address_that_is_no_https_server_is_not_accepted(address: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        CmlClient(base_url=address, credential=GOOD)


def test_a_certificate_is_shown_without_trusting_it_and_without_asking_anything(simulated_cml: SimulatedCml) -> None:
    before = simulated_cml.report()["requests_total"]

    shown = certificate_of(simulated_cml.base_url, timeout=5)

    assert shown.fingerprint == simulated_cml.fingerprint
    assert shown.subject == shown.issuer
    assert shown.subject.startswith("CN=")
    assert shown.self_signed
    assert shown.not_before < datetime.now(UTC) < shown.not_after
    assert simulated_cml.report()["requests_total"] == before
    pinned = TlsPolicy("pinned", fingerprint=shown.fingerprint)
    assert client_of(simulated_cml, tls=pinned).system_information().ready


def test_a_certificate_of_nobody_is_unreachable_within_the_time() -> None:
    with pytest.raises(CmlUnreachable, match="Nothing answers"):
        certificate_of(f"https://127.0.0.1:{free_port()}", timeout=5)
    with pytest.raises(CmlUnreachable, match="cannot be resolved"):
        certificate_of("https://no-such-host.invalid", timeout=5)
    with pytest.raises(ValueError, match="https://"):
        certificate_of("http://127.0.0.1", timeout=5)


def test_a_server_that_keeps_silent_or_speaks_no_tls_shows_no_certificate() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(CmlUnreachable, match="took too long"):
            certificate_of(url, timeout=0.3)
        assert time.monotonic() - began < 1

        thread = threading.Thread(target=_speak_plainly, args=(listening,), daemon=True)
        thread.start()
        with pytest.raises(CmlNotReady):
            certificate_of(url, timeout=5)
        thread.join(5)


def _speak_plainly(listening: socket.socket) -> None:
    """Answer the waiting connection, which has given up, and the next one in plain HTTP."""
    for _ in range(2):
        raw, _ = listening.accept()
        with raw, contextlib.suppress(OSError):
            raw.recv(65536)
            raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_certificate_that_another_one_signed_is_not_called_self_signed(tmp_path: Path) -> None:
    ca, key = _signed("Example CA", None)
    leaf, leaf_key = _signed("cml.example.net", (ca, key))
    chain = tmp_path / "chain.pem"
    chain.write_bytes(
        leaf.public_bytes(Encoding.PEM) + leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = server_context(chain)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_shake_hands, args=(listening, context), daemon=True)
        thread.start()
        shown = certificate_of(f"https://127.0.0.1:{listening.getsockname()[1]}", timeout=5)
        thread.join(5)

    assert (shown.subject, shown.issuer, shown.self_signed) == ("CN=cml.example.net", "CN=Example CA", False)


def _shake_hands(listening: socket.socket, context: ssl.SSLContext) -> None:
    raw, _ = listening.accept()
    with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as connection:
        connection.recv(1)


def _signed(
    name: str, by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate that expired yesterday, signed by another one or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1))
    )
    return builder.sign(by[1] if by else key, hashes.SHA256()), key


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "224.0.0.1"]
)
def test_a_name_that_leads_to_a_metadata_service_is_never_connected_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(family, socket.SOCK_STREAM, 6, "", (address, 443))])

    def never(*args: object) -> None:
        raise AssertionError("something was connected to")

    monkeypatch.setattr(socket.socket, "connect", never)
    for ask in (
        CmlClient(base_url="https://cml.example.com", credential=GOOD, tls=TlsPolicy("off")).system_information,
        CmlClient(base_url="https://cml.example.com", credential=GOOD).system_information,
        lambda: certificate_of("https://cml.example.com", timeout=1),
    ):
        with pytest.raises(CmlUnreachable, match="leads to an address that is never connected to") as caught:
            ask()
        assert not caught.value.retryable
