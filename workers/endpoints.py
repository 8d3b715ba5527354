"""Which addresses the portal may be told to speak to."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

_HOST_NAME = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE
)
# Cloud metadata services answer here and hand out credentials. Sources: EC2 user guide, "Instance metadata"; fd00:ec2::254 is its IPv6 twin.
_METADATA = {
    ipaddress.ip_address("169.254.169.254"),
    ipaddress.ip_address("fd00:ec2::254"),
    ipaddress.ip_address("169.254.170.2"),
}
_METADATA_NAMES = {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}


def validate_endpoint(value: str) -> None:
    """Raises ValidationError unless `value` is https://host[:port] and its host is neither link-local nor a metadata service."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValidationError("Write the address as https://host or https://host:port.") from None
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.password:
        raise ValidationError("Write the address as https://host or https://host:port.")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValidationError("Leave out everything after the host and port: the portal adds the API's path.")
    if port == 0:
        raise ValidationError("Port 0 cannot be connected to.")
    _validate_host(parts.hostname)


def _validate_host(host: str) -> None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # 0xa9fea9fe, 2852039166 and 169.254.43518 are link-local too in the eyes of a C library.
        if (
            re.fullmatch(r"[0-9a-fx.]*", host, re.IGNORECASE)
            and not re.search(r"[g-wyz]", host, re.IGNORECASE)
            and host[0].isdigit()
        ):
            raise ValidationError("Write an IPv4 address as four decimal numbers.") from None
        if not _HOST_NAME.fullmatch(host) or host.lower().rstrip(".") in _METADATA_NAMES:
            raise ValidationError("This host cannot be a CML server.") from None
        return
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped in _METADATA or mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified:
        raise ValidationError("Link-local and metadata addresses cannot be a CML server.")
