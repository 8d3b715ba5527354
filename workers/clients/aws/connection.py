"""One region's services: sessions, time-outs, retries, pages, and errors turned into AwsError."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

import boto3
import botocore.loaders
import botocore.session
from botocore import exceptions as botocore_errors
from botocore.config import Config
from botocore.parsers import ResponseParserError

from workers.clients.aws.errors import AwsUnauthorized
from workers.clients.aws.mapping import aws_error

PAGE_SIZE = 1000  # the most that EC2 gives in one answer (EC2 API reference, DescribeInstances, MaxResults)

# The models of the services take 25 MB: read once a process and shared. Building clients is not thread-safe in botocore.
_models = botocore.loaders.create_loader()
_building = threading.Lock()


class Credentials(Protocol):
    """Credentials that are not the process's own."""

    def resolver(self) -> Any:
        """What botocore calls a credential resolver."""

    def forget(self) -> None:
        """AWS did not take them."""


class Connection:
    """Calls the services of one region. Not to be shared between threads: use `client_for`.

    `credentials` are those of a role; None means what boto3 finds: the process's own. `endpoint_url` is for a simulated AWS; None means
    AWS itself. The time-outs are seconds and hold for each of at most `max_attempts` attempts, with back-off between them. `page_size` is
    how many items are asked for at once (5 to 1000). `calls` counts the HTTP requests sent, by operation: each page and each attempt is one.
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint_url: str | None = None,
        credentials: Credentials | None = None,
        connect_timeout: float = 5,
        read_timeout: float = 30,
        max_attempts: int = 4,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.region = region
        self.calls: Counter[str] = Counter()
        self._endpoint_url = endpoint_url
        self._credentials = credentials
        self._page_size = page_size
        retries = {"mode": "standard", "total_max_attempts": max_attempts}
        self._config = Config(connect_timeout=connect_timeout, read_timeout=read_timeout, retries=retries)
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}

    def _pages(self, service: str, action: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """The items under `key` of every page. Raises AwsError, also between pages."""
        with self._mapped_errors(service, action):
            paginator = self._client(service).get_paginator(botocore.xform_name(action))
            for page in paginator.paginate(**arguments):
                yield from page.get(key) or []

    def _call(self, service: str, action: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one request. Raises AwsError."""
        with self._mapped_errors(service, action):
            answer: dict[str, Any] = getattr(self._client(service), botocore.xform_name(action))(**arguments)
            return answer

    @contextlib.contextmanager
    def _mapped_errors(self, service: str, action: str) -> Iterator[None]:
        """Whatever botocore raises inside becomes an AwsError; it raises ValueError for an endpoint that is no URL."""
        try:
            yield
        except (botocore_errors.BotoCoreError, botocore_errors.ClientError, ResponseParserError, ValueError) as error:
            mapped = aws_error(error, service=service, action=action, region=self.region)
            if isinstance(mapped, AwsUnauthorized):
                # A client keeps the credentials that it was built with, even none: the next call looks for them anew.
                self._session, self._clients = None, {}
                if self._credentials is not None:
                    self._credentials.forget()
            raise mapped from error

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            with _building:
                client = self._open_session().client(service, endpoint_url=self._endpoint_url, config=self._config)
            client.meta.events.register(f"before-send.{service}", self._count)
            self._clients[service] = client
        return self._clients[service]

    def _open_session(self) -> boto3.Session:
        if self._session is None:
            core = botocore.session.Session()
            core.register_component("data_loader", _models)
            if self._credentials is not None:
                core.register_component("credential_provider", self._credentials.resolver())
            self._session = boto3.Session(botocore_session=core, region_name=self.region)
            # boto3 adds its own folder each time, to the loader that all share.
            _models.search_paths[:] = dict.fromkeys(_models.search_paths)
        return self._session

    def _count(self, event_name: str, **_: Any) -> None:
        """Called by botocore before each HTTP request: "before-send.ec2.DescribeInstances"."""
        self.calls[event_name.rpartition(".")[2]] += 1
