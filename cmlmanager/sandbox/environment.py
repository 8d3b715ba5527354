"""What the sandbox's processes are told, and what it refuses to run beside."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

# Any of these means that somebody works with the real thing in this shell.
REAL = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_ENDPOINT_URL",
    "AWS_REGIONS",
    "AWS_ACCOUNTS",
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "REDIS_URL",
    "OIDC_ISSUER",
    "CML_USERNAME",
    "CML_PASSWORD",
    "CML_PASSWORD_FILE",
)
# Passed on from the shell: enough for Python and for Chromium's tests, and the portal's own knobs that are safe to turn here.
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT", "LOG_LEVEL", "LOG_JSON")
TUNABLE = (
    "OPERATION_LEASE",
    "OPERATION_QUEUED_FOR",
    "STATE_INTERVAL",
    "METRICS_INTERVAL",
    "CML_INTERVAL",
    "LABS_INTERVAL",
    "HEARTBEAT_INTERVAL",
    "REFRESH_COOLDOWN",
    "LIVE_RECHECK_SECONDS",
)

CML_USERNAME = "admin"
CML_PASSWORD = "sandbox-cml"  # noqa: S105  (of servers that exist only on this machine's loopback)


class UnableToStart(Exception):
    """A sentence for the person at the terminal."""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Ports on loopback."""

    web: int
    aws: int
    redis: int
    cml: int
    cml_control: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web}"

    @property
    def aws_endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.aws}"

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis}/0"


def refuse_real(environ: Mapping[str, str]) -> None:
    """Raises UnableToStart when settings of a real installation are present: the sandbox must not be one by accident."""
    present = [name for name in REAL if environ.get(name)]
    if present:
        raise UnableToStart(
            f"The sandbox does not start beside settings of a real installation. Unset {', '.join(present)} and try again."
        )


def choose_ports(web: int) -> Addresses:
    """The web port as asked and four free ones. Raises UnableToStart when the web port is taken."""
    if not _is_free(web):
        raise UnableToStart(f"Port {web} is in use. Choose another one: make run PORT={web + 1}")
    # Held open together, so that no two are the same.
    sockets = [socket.socket() for _ in range(4)]
    try:
        for held in sockets:
            held.bind(("127.0.0.1", 0))
        aws, redis, cml, control = (held.getsockname()[1] for held in sockets)
    finally:
        for held in sockets:
            held.close()
    return Addresses(web=web, aws=aws, redis=redis, cml=cml, cml_control=control)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def keys_of(var: Path) -> dict[str, str]:
    """This sandbox's own keys, made on the first start and kept: sessions and stored passwords outlive a restart."""
    path = var / "keys.json"
    if not path.exists():
        keys = {"SECRET_KEY": secrets.token_urlsafe(50), "SECRETS_KEYS": Fernet.generate_key().decode()}
        path.touch(mode=0o600)
        path.write_text(json.dumps(keys))
    return dict(json.loads(path.read_text()))


def environment(var: Path, addresses: Addresses, environ: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the portal's processes; nothing else of the shell reaches them."""
    from cmlmanager.sandbox.fleet import REGIONS, TEMPLATES

    nothing = os.devnull
    fast = {
        "STATE_INTERVAL": "5",
        "METRICS_INTERVAL": "60",
        "CML_INTERVAL": "15",
        "LABS_INTERVAL": "60",
        "REFRESH_COOLDOWN": "10",
    }
    return {
        **{name: environ[name] for name in _PASSED if name in environ},
        **fast,
        **{name: environ[name] for name in TUNABLE if environ.get(name)},
        **keys_of(var),
        "DJANGO_SETTINGS_MODULE": "cmlmanager.settings",
        "PYTHONUNBUFFERED": "1",
        "SANDBOX": "1",
        "VAR": str(var),
        "DATABASE_URL": f"sqlite:///{var / 'db.sqlite3'}",
        "REDIS_URL": addresses.redis_url,
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "CSRF_TRUSTED_ORIGINS": f"http://localhost:{addresses.web},{addresses.url}",
        "SUPPORT_CONTACT": "the demo person “admin”",
        "AWS_REGIONS": ",".join(REGIONS),
        "PROVISIONING": json.dumps(TEMPLATES),
        "AWS_ENDPOINT_URL": addresses.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_DEFAULT_REGION": REGIONS[0],
        # Nor may boto3 find real credentials in files or ask the machine's metadata service.
        "AWS_CONFIG_FILE": nothing,
        "AWS_SHARED_CREDENTIALS_FILE": nothing,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Receivers of webhooks, too, are on this machine; mail is off, whatever the shell says.
        "PORTAL_URL": addresses.url,
        "NOTIFY_PRIVATE_NETWORKS": "1",
        "NOTIFY_LOOPBACK": "1",
        "CML_PORT": str(addresses.cml),
        "CML_USERNAME": CML_USERNAME,
        "CML_PASSWORD": CML_PASSWORD,
        "CML_TLS_POLICY": "off",
    }
