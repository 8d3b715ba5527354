"""The certificate that a server shows, read without trusting it: a person compares it before it is pinned."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
import urllib.parse
from dataclasses import dataclass
from datetime import datetime

import requests.exceptions
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from workers.clients.cml.addresses import origin
from workers.clients.cml.errors import CmlError, CmlUnexpected, from_transport
from workers.clients.cml.reading import text
from workers.clients.cml.tls import REACH
from workers.clients.reach import NotAllowed, connect

_LONGEST_NAME = 500


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate in words. `fingerprint`: SHA-256 of its DER, 64 hexadecimal digits, as `TlsPolicy` takes it.

    `subject` and `issuer` as RFC 4514 text, such as "CN=cml-controller"; the times are aware and in UTC.
    """

    fingerprint: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    self_signed: bool


def certificate_of(base_url: str, *, timeout: float) -> Certificate:
    """What the server at `base_url` shows now. Nothing but a TLS handshake is sent to it.

    All takes at most `timeout` seconds, but for the look-up of a name, which the system's resolver bounds.
    Raises CmlError, and ValueError when `base_url` is malformed.
    """
    where = origin(base_url)
    error: CmlError
    try:
        return _read(_shown(where, until=time.monotonic() + timeout))
    except (OSError, UnicodeError, NotAllowed, requests.exceptions.ConnectTimeout) as caught:
        error = from_transport(caught, where=where, connect_timeout=timeout, read_timeout=timeout, total_timeout=timeout)
    except ValueError as caught:
        error = CmlUnexpected(f"{where} shows a certificate that cannot be read: check that this address is a CML server.")
        error.detail = f"{type(caught).__name__}: {caught}"[:_LONGEST_NAME]
    raise error


def _shown(where: str, *, until: float) -> bytes:
    """The certificate's DER."""
    parts = urllib.parse.urlsplit(where)
    assert parts.hostname is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with _connection(parts.hostname, parts.port or 443, until=until) as raw:
        raw.settimeout(_left(until))  # OpenSSL's handshake as a whole keeps to it
        with context.wrap_socket(raw, server_hostname=parts.hostname, suppress_ragged_eofs=True) as connection:
            der = connection.getpeercert(binary_form=True)
    if not der:
        raise ValueError("no certificate was shown")
    return der


def _connection(host: str, port: int, *, until: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one; all tries together end at `until`."""
    try:
        return connect(host, port, reach=REACH, timeout=lambda: _left(until))
    except TimeoutError as caught:
        raise requests.exceptions.ConnectTimeout(str(caught)) from caught


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for the whole call is used up")
    return left


def _read(der: bytes) -> Certificate:
    """Raises ValueError when it is malformed."""
    certificate = x509.load_der_x509_certificate(der)
    return Certificate(
        fingerprint=hashlib.sha256(der).hexdigest(),
        subject=text(certificate.subject.rfc4514_string())[:_LONGEST_NAME],
        issuer=text(certificate.issuer.rfc4514_string())[:_LONGEST_NAME],
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        self_signed=_signed_itself(certificate),
    )


def _signed_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
