"""AWS as the portal reads it: EC2's instances, status checks and images, and CloudWatch's CPU, one region at a time.

    client = client_for(region="eu-central-1")
    instances = client.describe_instances()

Every call costs as few requests as AWS allows, whatever the size of the fleet, has explicit time-outs, and raises nothing but
AwsError, which carries a sentence for the operator and the technical detail apart. Only this module imports boto3.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import boto3
import botocore.loaders
import botocore.session
from botocore import exceptions as botocore_errors
from botocore.config import Config
from botocore.parsers import ResponseParserError

PAGE_SIZE = 1000  # the most that EC2 gives in one answer (EC2 API reference, DescribeInstances, MaxResults)
FILTER_VALUES = 200  # the most that one EC2 request may filter by
METRIC_QUERIES = 500  # the most in one request (CloudWatch API reference, GetMetricData)
LONGEST_DETAIL = 500


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One EC2 instance, as DescribeInstances tells it. Text that EC2 does not give is ""."""

    instance_id: str
    region: str
    state: str  # pending running shutting-down terminated stopping stopped
    state_reason: str  # why it is in this state, EC2's words
    instance_type: str
    image_id: str
    zone: str
    private_address: str
    public_address: str
    launched_at: datetime | None  # the latest start, aware UTC
    detailed_monitoring: bool
    tags: dict[str, str]

    @property
    def name(self) -> str:
        """The value of its tag `Name`, or ""."""
        return self.tags.get("Name", "")


@dataclass(frozen=True, kw_only=True)
class StatusChecks:
    """EC2's two checks of a running instance: each ok, impaired, initializing, insufficient-data or not-applicable."""

    instance_id: str
    system: str
    instance: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """One AMI. `created_at` is aware UTC."""

    image_id: str
    name: str
    description: str
    created_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Datapoint:
    """One value of a metric: the mean over the period that begins `at` (aware UTC)."""

    at: datetime
    value: float


class AwsError(Exception):
    """A call to AWS failed.

    `sentence` says what happened and what to do, fit for a person; `detail` (code, message, request id) is for the log and the
    technical view. `retryable` tells whether the same call may succeed later without anybody doing anything.
    Neither text ever holds a credential.
    """

    retryable_by_default: ClassVar[bool] = False

    def __init__(self, sentence: str, detail: str = "", retryable: bool | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.detail = detail
        self.retryable = self.retryable_by_default if retryable is None else retryable


class AwsUnreachable(AwsError):
    """No answer that could be read: unknown host, refused, cut, timed out, or something else than AWS answered."""

    retryable_by_default = True


class AwsThrottled(AwsError):
    """AWS answers, but limits the rate of our requests."""

    retryable_by_default = True


class AwsUnauthorized(AwsError):
    """There are no credentials, AWS does not accept them, or they lack the right for this call."""


class AwsNotFound(AwsError):
    """AWS does not know the object asked for."""


class AwsRejected(AwsError):
    """AWS refused the call for any other reason, or failed inside; the latter is retryable."""


# What error codes mean (EC2 API reference, error codes; CloudWatch API reference, common errors). Sentences may
# use {where}, {action}, {region}, {permission} and {code}.
_MEANINGS: tuple[tuple[re.Pattern[str], type[AwsError], str], ...] = (
    (
        re.compile(r"Throttl|^(RequestLimitExceeded|TooManyRequests.*|SlowDown|BandwidthLimitExceeded)$"),
        AwsThrottled,
        "{where} limits the rate of requests ({action}). The portal will try again; read AWS less often if this persists.",
    ),
    (
        re.compile(
            r"^(AuthFailure|ExpiredToken|RequestExpired|InvalidClientTokenId|InvalidAccessKeyId|InvalidToken|InvalidSecurityToken"
            r"|UnrecognizedClient|MissingAuthenticationToken|SignatureDoesNotMatch|IncompleteSignature|InvalidSignature)(Exception)?$"
        ),
        AwsUnauthorized,
        "AWS does not accept the portal's credentials for {action} in {region} ({code}): renew or replace them.",
    ),
    (
        re.compile(r"^(UnauthorizedOperation|UnauthorizedAccess|NotAuthorized|AccessDenied(Exception)?)$"),
        AwsUnauthorized,
        "The portal may not call {action} in {region}: allow {permission} in its IAM policy.",
    ),
    (
        re.compile(r"^(OptInRequired|Blocked|PendingVerification|SubscriptionRequired(Exception)?)$"),
        AwsUnauthorized,
        "The AWS account may not use {where} ({code}, on {action}): enable the region or the service for the account.",
    ),
    (
        re.compile(r"NotFound(Exception)?$"),
        AwsNotFound,
        "{where} does not know what {action} asked for: it may have been deleted in AWS.",
    ),
)
_KEY_ID = re.compile(r"\bA[A-Z]IA[A-Z0-9]{12,}\b")  # long-term AKIA…, temporary ASIA…

# botocore has no common class for "the credentials could not be had".
_NO_CREDENTIALS = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.MetadataRetrievalError,
    botocore_errors.ProfileNotFound,
    botocore_errors.LoginError,
    botocore_errors.SSOError,
    botocore_errors.TokenRetrievalError,
)
_TOO_SLOW = (botocore_errors.ConnectTimeoutError, botocore_errors.ReadTimeoutError)
_NO_ANSWER = (botocore_errors.ConnectionError, botocore_errors.HTTPClientError, ResponseParserError)


def aws_error(error: Exception, *, service: str, action: str, region: str) -> AwsError:
    """The AwsError for what botocore raised while calling `action` of `service` ("ec2" or "cloudwatch") in `region`."""
    where = f"{'EC2' if service == 'ec2' else 'CloudWatch'} in {region}"
    if isinstance(error, botocore_errors.ClientError):
        return _refusal(error, where=where, action=action, permission=f"{service}:{action}", region=region)
    kind: type[AwsError] = AwsUnreachable
    if isinstance(error, _NO_CREDENTIALS):
        kind = AwsUnauthorized
        sentence = f"The portal has no usable AWS credentials for {action} in {region}: give it an IAM role or an access key."
    elif isinstance(error, _TOO_SLOW):
        sentence = f"{where} took too long to answer {action}. The portal will try again; check the network if this persists."
    elif isinstance(error, _NO_ANSWER):
        sentence = (
            f"{where} cannot be reached for {action}. The portal will try again; check network and proxy if this persists."
        )
    else:
        kind = AwsRejected
        sentence = f"{action} could not be sent to {where}: check the region's name and AWS_ENDPOINT_URL."
    return kind(sentence, _clean(f"{action}: {type(error).__name__}: {error}"))


def _refusal(error: botocore_errors.ClientError, *, where: str, action: str, permission: str, region: str) -> AwsError:
    """The AwsError for an answer of AWS that is an error."""
    described, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, message = str(described.get("Code") or "unknown"), _clean(str(described.get("Message") or ""))
    detail = _clean(f"{action}: {code}: {message}", f" (request {metadata.get('RequestId') or 'without id'})")
    for codes, kind, sentence in _MEANINGS:
        if codes.search(code):
            return kind(sentence.format(where=where, action=action, permission=permission, region=region, code=code), detail)
    if int(metadata.get("HTTPStatusCode") or 0) >= 500:
        return AwsRejected(f"{where} failed inside on {action} ({code}): try again later.", detail, True)
    return AwsRejected(f"{where} rejected {action} ({code}): {message or 'it does not say why'}".rstrip(".") + ".", detail)


def _clean(text: str, end: str = "") -> str:
    """One line of bounded length, without access key ids, which some messages quote."""
    return _KEY_ID.sub("[key id]", " ".join(text.split()))[: LONGEST_DETAIL - len(end)] + end


# The models of the services take 25 MB: read once a process and shared. Building clients is not thread-safe in botocore.
_models = botocore.loaders.create_loader()
_building = threading.Lock()


class AwsClient:
    """Reads one region. Use `client_for`; not to be shared between threads.

    `endpoint_url` is for a simulated AWS; None means AWS itself. The time-outs are seconds and hold for each of at most
    `max_attempts` attempts, with back-off between them. `page_size` is how many items are asked for at once (5 to 1000).
    `calls` counts the HTTP requests sent, by operation: each page and each attempt is one.
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint_url: str | None = None,
        connect_timeout: float = 5,
        read_timeout: float = 30,
        max_attempts: int = 4,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.region = region
        self.calls: Counter[str] = Counter()
        self._endpoint_url = endpoint_url
        self._page_size = page_size
        retries = {"mode": "standard", "total_max_attempts": max_attempts}
        self._config = Config(connect_timeout=connect_timeout, read_timeout=read_timeout, retries=retries)
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}

    def describe_instances(self) -> list[Instance]:
        """Every instance of the region, terminated ones too while EC2 remembers them. Raises AwsError.

        Always with MaxResults: EC2 gives unfiltered calls without it a token bucket half as large (request throttling).
        """
        return self._instances()

    def find_instances(self, instance_ids: Collection[str]) -> list[Instance]:
        """Those of the instances that EC2 knows; unknown ids are simply absent. Raises AwsError.

        By filter: with the parameter InstanceIds a single unknown id would fail the whole call.
        """
        filters = [[{"Name": "instance-id", "Values": chunk}] for chunk in _chunks(instance_ids, FILTER_VALUES)]
        return [instance for chosen in filters for instance in self._instances(Filters=chosen)]

    def _instances(self, **arguments: Any) -> list[Instance]:
        reservations = self._pages("ec2", "DescribeInstances", "Reservations", MaxResults=self._page_size, **arguments)
        return [_instance(item, self.region) for reservation in reservations for item in reservation.get("Instances", [])]

    def describe_status_checks(self) -> dict[str, StatusChecks]:
        """Instance id → status checks, of every running instance of the region. Raises AwsError."""
        statuses = self._pages("ec2", "DescribeInstanceStatus", "InstanceStatuses", MaxResults=self._page_size)
        return {item["InstanceId"]: _status_checks(item) for item in statuses}

    def describe_images(self, image_ids: Collection[str]) -> dict[str, Image]:
        """AMI id → image, deprecated ones too. Those that are gone or not shared with us are simply absent. Raises AwsError."""
        images: dict[str, Image] = {}
        for chunk in _chunks(image_ids, FILTER_VALUES):
            wanted = [{"Name": "image-id", "Values": chunk}]
            options = {"MaxResults": self._page_size, "IncludeDeprecated": True, "Filters": wanted}
            images |= {item["ImageId"]: _image(item) for item in self._pages("ec2", "DescribeImages", "Images", **options)}
        return images

    def cpu_utilization(
        self, instance_ids: Collection[str], *, since: datetime, until: datetime, period: int = 300
    ) -> dict[str, list[Datapoint]]:
        """Instance id → CPU in percent (0 to 100), means of `period` seconds, oldest first. Raises AwsError.

        An instance of which CloudWatch has nothing has an empty list. `since` is rounded down to a multiple of `period`, as
        CloudWatch itself does, so that a datapoint has the same time in every answer. The last one's period may not be over.
        """
        since = datetime.fromtimestamp(since.timestamp() // period * period, tz=UTC)
        series: dict[str, dict[datetime, float]] = {instance_id: {} for instance_id in instance_ids}
        for chunk in _chunks(instance_ids, METRIC_QUERIES):
            queries = [_cpu_query(f"m{number}", instance_id, period) for number, instance_id in enumerate(chunk)]
            # A long series comes in several parts, on several pages.
            arguments = {"MetricDataQueries": queries, "StartTime": since, "EndTime": until}
            for part in self._pages("cloudwatch", "GetMetricData", "MetricDataResults", **arguments):
                points = zip(part.get("Timestamps", []), part.get("Values", []), strict=False)
                series[chunk[int(part["Id"][1:])]].update((_utc(at), value) for at, value in points)
        return {
            instance_id: [Datapoint(at=at, value=value) for at, value in sorted(points.items())]
            for instance_id, points in series.items()
        }

    def _pages(self, service: str, action: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """The items under `key` of every page. Raises AwsError, also between pages."""
        with self._mapped_errors(service, action):
            paginator = self._client(service).get_paginator(botocore.xform_name(action))
            for page in paginator.paginate(**arguments):
                yield from page.get(key) or []

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
            self._session = boto3.Session(botocore_session=core, region_name=self.region)
            # boto3 adds its own folder each time, to the loader that all share.
            _models.search_paths[:] = dict.fromkeys(_models.search_paths)
        return self._session

    def _count(self, event_name: str, **_: Any) -> None:
        """Called by botocore before each HTTP request: "before-send.ec2.DescribeInstances"."""
        self.calls[event_name.rpartition(".")[2]] += 1


def _instance(item: dict[str, Any], region: str) -> Instance:
    return Instance(
        instance_id=item["InstanceId"],
        region=region,
        state=item.get("State", {}).get("Name", ""),
        state_reason=item.get("StateReason", {}).get("Message") or item.get("StateTransitionReason") or "",
        instance_type=item.get("InstanceType", ""),
        image_id=item.get("ImageId", ""),
        zone=item.get("Placement", {}).get("AvailabilityZone", ""),
        private_address=item.get("PrivateIpAddress", ""),
        public_address=item.get("PublicIpAddress", ""),
        launched_at=_utc(item["LaunchTime"]) if item.get("LaunchTime") else None,
        detailed_monitoring=item.get("Monitoring", {}).get("State") in ("enabled", "pending"),
        tags={tag["Key"]: tag.get("Value", "") for tag in item.get("Tags") or []},
    )


def _status_checks(item: dict[str, Any]) -> StatusChecks:
    system, instance = (item.get(kind, {}).get("Status", "") for kind in ("SystemStatus", "InstanceStatus"))
    return StatusChecks(instance_id=item["InstanceId"], system=system, instance=instance)


def _image(item: dict[str, Any]) -> Image:
    name, description = item.get("Name", ""), item.get("Description", "")
    return Image(image_id=item["ImageId"], name=name, description=description, created_at=_moment(item.get("CreationDate")))


def _cpu_query(query_id: str, instance_id: str, period: int) -> dict[str, Any]:
    dimensions = [{"Name": "InstanceId", "Value": instance_id}]
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": dimensions}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": "Average"}}


def _chunks(items: Collection[str], size: int) -> Iterator[list[str]]:
    """The items without repetitions, `size` at a time."""
    unique = list(dict.fromkeys(items))
    return (unique[start : start + size] for start in range(0, len(unique), size))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _moment(text: str | None) -> datetime | None:
    """EC2's "2026-02-12T09:30:00.000Z", or None for anything that is no date."""
    with contextlib.suppress(TypeError, ValueError):
        return _utc(datetime.fromisoformat(text or ""))
    return None


_kept = threading.local()


def client_for(*, region: str, endpoint_url: str | None = None, **options: Any) -> AwsClient:
    """This thread's client with these arguments (those of AwsClient): connections and credentials are kept between calls."""
    clients: dict[tuple[Any, ...], AwsClient] = _kept.__dict__.setdefault("clients", {})
    key = (region, endpoint_url, *sorted(options.items()))
    if key not in clients:
        clients[key] = AwsClient(region=region, endpoint_url=endpoint_url, **options)
    return clients[key]
