"""Which addresses the portal may be told to speak to."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from workers.endpoints import validate_endpoint


@pytest.mark.parametrize(
    "address",
    [
        "https://cml.example.com",
        "https://10.0.0.5:8443",
        "https://cml",
        "https://[2001:db8::5]",
        "https://192-0-2-1.example.com/",
        "https://127.77.0.1:9443",
    ],
)
def test_servers_are_accepted(address: str) -> None:
    validate_endpoint(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://cml.example.com",
        "ftp://cml.example.com",
        "cml.example.com",
        "https://",
        "https://user:secret@cml.example.com",
        "https://cml.example.com/api",
        "https://cml.example.com?x=1",
        "https://cml.example.com#x",
        "https://cml.example.com:99999",
        "https://cml.example.com:0",
        "https://exa mple.com",
        "https://-cml.example.com",
    ],
)
def test_what_is_no_server_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        validate_endpoint(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://169.254.169.254",
        "https://169.254.170.2",
        "https://169.254.1.1:443",
        "https://[fd00:ec2::254]",
        "https://[fe80::1]",
        "https://[fe80::1%25eth0]",
        "https://[::ffff:169.254.169.254]",
        "https://2852039166",
        "https://0xa9fea9fe",
        "https://169.254.43518",
        "https://0251.0376.0251.0376",
        "https://metadata.google.internal",
        "https://0.0.0.0",
        "https://224.0.0.1",
    ],
)
def test_the_metadata_service_and_link_local_addresses_are_refused_in_every_spelling(address: str) -> None:
    with pytest.raises(ValidationError):
        validate_endpoint(address)
