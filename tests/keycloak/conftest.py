"""One Keycloak for the whole run. Tests that change the realm or a person put back what they changed, or make their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.keycloak.administration import Administration
from tests.keycloak.flow import Visitor
from tests.keycloak.server import Keycloak
from tests.redis_server import free_port


@pytest.fixture(scope="session")
def portal_port() -> int:
    """Where the portal will be: the realm names its addresses."""
    return free_port()


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory, portal_port: int) -> Iterator[Keycloak]:
    server = Keycloak(tmp_path_factory.mktemp("keycloak"), f"http://127.0.0.1:{portal_port}")
    server.install()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def administration(keycloak: Keycloak) -> Administration:
    return Administration(keycloak)


@pytest.fixture
def visitor(keycloak: Keycloak) -> Visitor:
    return Visitor(keycloak)
