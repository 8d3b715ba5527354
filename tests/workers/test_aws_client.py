"""The AWS client against the simulated AWS over HTTP: what it reads, what it costs, and what its errors say."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.clients import aws

__all__ = ["simulated_aws", "simulated_aws_process"]

UNKNOWN = "i-0123456789abcdef0"


def reader(simulated: SimulatedAws, region: str, **options: float) -> aws.AwsClient:
    return aws.AwsClient(region=region, endpoint_url=simulated.endpoint_url, **{"max_attempts": 1, **options})  # type: ignore[arg-type]


@pytest.fixture
def hour() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"since": now - timedelta(hours=1), "until": now}


def test_an_instance_is_told_as_ec2_tells_it(simulated_aws: SimulatedAws) -> None:
    tags = {"Name": "encor", "Course": "Ünïcode & <b>"}
    zone = {"AvailabilityZone": "eu-west-1b"}
    (instance_id,) = simulated_aws.launch("eu-west-1", tags=tags, Placement=zone, Monitoring={"Enabled": True})
    (found,) = reader(simulated_aws, "eu-west-1").describe_instances()
    shown = simulated_aws.instances()[instance_id]
    assert found.launched_at is not None
    assert found.launched_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - found.launched_at) < timedelta(minutes=1)
    assert found == aws.Instance(
        instance_id=instance_id,
        region="eu-west-1",
        account_id="123456789012",
        state="running",
        state_reason="",
        instance_type="m5zn.metal",
        image_id="ami-12345678",
        zone="eu-west-1b",
        private_address=shown["private_address"],
        public_address=shown["public_address"],
        launched_at=found.launched_at,
        detailed_monitoring=True,
        tags=tags,
    )
    assert found.name == "encor"


def test_what_ec2_does_not_give_is_empty(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch("eu-west-2")
    simulated_aws.client("ec2", "eu-west-2").stop_instances(InstanceIds=[instance_id])
    (found,) = reader(simulated_aws, "eu-west-2").describe_instances()
    assert (found.state, found.public_address, found.name, found.tags) == ("stopped", "", "", {})
    assert found.state_reason == "Client.UserInitiatedShutdown: User initiated shutdown"
    assert found.detailed_monitoring is False


def test_every_page_of_a_region_is_read(simulated_aws: SimulatedAws) -> None:
    launched = simulated_aws.launch("eu-west-3", 12)
    client = reader(simulated_aws, "eu-west-3", page_size=5)
    assert sorted(instance.instance_id for instance in client.describe_instances()) == sorted(launched)
    assert sorted(client.describe_status_checks()) == sorted(launched)
    assert client.calls == {"DescribeInstances": 3, "DescribeInstanceStatus": 3}


def test_an_empty_region_is_empty(simulated_aws: SimulatedAws, hour: dict[str, datetime]) -> None:
    client = reader(simulated_aws, "sa-east-1")
    assert client.describe_instances() == []
    assert client.describe_status_checks() == {}
    assert client.find_instances([]) == []
    assert client.describe_images([]) == {}
    assert client.measurements([], **hour) == {}
    assert sum(client.calls.values()) == 2  # nothing to ask for is not asked


def test_an_unknown_id_does_not_hide_the_known_ones(simulated_aws: SimulatedAws) -> None:
    known = simulated_aws.launch("ca-central-1", 3)
    client = reader(simulated_aws, "ca-central-1")
    found = client.find_instances([known[0], UNKNOWN, known[2], known[0]])
    assert sorted(instance.instance_id for instance in found) == sorted([known[0], known[2]])
    assert client.calls == {"DescribeInstances": 1}


def test_more_ids_than_a_filter_takes_are_asked_for_in_several_calls(simulated_aws: SimulatedAws) -> None:
    (known,) = simulated_aws.launch("ca-west-1")
    client = reader(simulated_aws, "ca-west-1")
    found = client.find_instances([f"i-{number:017x}" for number in range(400)] + [known])
    assert [instance.instance_id for instance in found] == [known]
    assert client.calls == {"DescribeInstances": 3}


def test_status_checks_are_of_running_instances_only(simulated_aws: SimulatedAws) -> None:
    running, stopped = simulated_aws.launch("ap-south-1", 2)
    simulated_aws.client("ec2", "ap-south-1").stop_instances(InstanceIds=[stopped])
    checks = reader(simulated_aws, "ap-south-1").describe_status_checks()
    assert checks == {running: aws.StatusChecks(instance_id=running, system="ok", instance="ok")}


def test_images_are_read_and_unknown_ones_absent(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", "ap-southeast-1")
    image_id = ec2.register_image(Name="cisco-cml2.9.1-golden", Description="for tests")["ImageId"]
    images = reader(simulated_aws, "ap-southeast-1").describe_images([image_id, "ami-0ffffffffffffffff"])
    assert list(images) == [image_id]
    assert (images[image_id].name, images[image_id].description) == ("cisco-cml2.9.1-golden", "for tests")
    created = images[image_id].created_at
    assert created is not None
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)


def test_figures_are_read_oldest_first_and_at_full_periods(simulated_aws: SimulatedAws) -> None:
    ids = simulated_aws.launch("ap-southeast-2", 2)
    now = datetime.now(UTC)
    series = reader(simulated_aws, "ap-southeast-2").measurements(
        [*ids, UNKNOWN], since=now - timedelta(minutes=3), until=now + timedelta(minutes=2), period=60
    )
    assert series[UNKNOWN] == []
    for instance_id in ids:
        points = series[instance_id]
        assert 1 <= len(points) <= 3
        assert points == sorted(points, key=lambda point: point.at)
        assert all(point.cpu is not None and 0 < point.cpu < 100 for point in points)
        assert all(point.network_in and point.network_out and point.checks_failed == 0 for point in points)
        assert all(point.at.utcoffset() == timedelta(0) and point.at.timestamp() % 60 == 0 for point in points)


def test_traffic_is_told_in_bytes_per_second_and_failing_checks_as_one(simulated_aws: SimulatedAws) -> None:
    well, ill = simulated_aws.launch("ap-northeast-1", 2)
    simulated_aws.impair(ill)
    now = datetime.now(UTC)
    dimensions = [{"Name": "InstanceId", "Value": well}]
    asked = {
        "StartTime": now - timedelta(minutes=3),
        "EndTime": now + timedelta(minutes=2),
        "Period": 60,
        "Statistics": ["Sum"],
    }
    sums = simulated_aws.client("cloudwatch", "ap-northeast-1").get_metric_statistics(
        Namespace="AWS/EC2", MetricName="NetworkOut", Dimensions=dimensions, **asked
    )["Datapoints"]

    series = reader(simulated_aws, "ap-northeast-1").measurements(
        [well, ill], since=asked["StartTime"], until=asked["EndTime"], period=60
    )

    rates = {point.at: point.network_out for point in series[well]}
    assert sums
    assert all(rates[point["Timestamp"].astimezone(UTC)] == pytest.approx(point["Sum"] / 60) for point in sums)
    assert {point.checks_failed for point in series[well]} == {0}
    assert series[ill][-1].checks_failed == 1


def test_a_thousand_workers_cost_a_handful_of_calls(simulated_aws: SimulatedAws, hour: dict[str, datetime]) -> None:
    ids = simulated_aws.launch("us-east-2", 1000)
    client = reader(simulated_aws, "us-east-2")
    instances = client.describe_instances()
    assert len(instances) == 1000
    assert len(client.describe_status_checks()) == 1000
    client.describe_images({instance.image_id for instance in instances})
    assert set(client.measurements(ids, **hour)) == set(ids)
    assert client.calls == {"DescribeInstances": 1, "DescribeInstanceStatus": 1, "DescribeImages": 1, "GetMetricData": 8}


class OneDatapointAPage(aws.AwsClient):
    """Asks CloudWatch for pages so small that a short history takes several, as a long one does at 100,800 datapoints a page."""

    def _pages(self, service: str, action: str, key: str, **arguments: object) -> Iterator[dict[str, object]]:
        return super()._pages(service, action, key, MaxDatapoints=1, **arguments)


def test_a_long_history_is_read_over_pages(simulated_aws: SimulatedAws) -> None:
    ids = simulated_aws.launch("us-west-1", 3)
    client = OneDatapointAPage(region="us-west-1", endpoint_url=simulated_aws.endpoint_url, max_attempts=1)
    now = datetime.now(UTC)
    span = {"since": now - timedelta(minutes=1), "until": now + timedelta(minutes=1)}
    series = client.measurements(ids, **span)
    assert all(series[instance_id] for instance_id in ids)
    assert client.calls == {"GetMetricData": 12}
    simulated_aws.set_fault("throttled", operation="GetMetricData", after=1)
    with pytest.raises(aws.AwsThrottled):
        client.measurements(ids, **span)


@pytest.mark.parametrize(
    ("mode", "kind", "retryable", "says"),
    [
        ("throttled", aws.AwsThrottled, True, "limits the rate"),
        ("unauthorized", aws.AwsDenied, False, "allow {permission} in its IAM policy"),
        ("unreachable", aws.AwsUnreachable, True, "cannot be reached"),
        ("error", aws.AwsRejected, True, "failed inside"),
    ],
)
@pytest.mark.parametrize("action", ["ec2:DescribeInstances", "cloudwatch:GetMetricData"])
def test_misbehaviour_of_aws_becomes_a_sentence(
    simulated_aws: SimulatedAws,
    hour: dict[str, datetime],
    action: str,
    mode: str,
    kind: type[aws.AwsError],
    retryable: bool,
    says: str,
) -> None:
    simulated_aws.set_fault(mode)
    client = reader(simulated_aws, "us-gov-west-1")
    calls = {"ec2": client.describe_instances, "cloudwatch": lambda: client.measurements([UNKNOWN], **hour)}
    with pytest.raises(aws.AwsError) as caught:
        calls[action.partition(":")[0]]()
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert says.format(permission=action) in caught.value.sentence
    for name in ("us-gov-west-1", action.partition(":")[2]):
        assert name in caught.value.sentence
    assert caught.value.detail.startswith(action.partition(":")[2])
    assert "testing" not in caught.value.sentence + caught.value.detail


def test_a_failing_second_page_is_an_aws_error(simulated_aws: SimulatedAws) -> None:
    simulated_aws.launch("af-south-1", 6)
    simulated_aws.set_fault("throttled", operation="DescribeInstances", after=1)
    with pytest.raises(aws.AwsThrottled):
        reader(simulated_aws, "af-south-1", page_size=5).describe_instances()


def test_attempts_are_repeated_and_counted(simulated_aws: SimulatedAws) -> None:
    simulated_aws.set_fault("throttled", count=1)
    client = reader(simulated_aws, "us-east-1", max_attempts=2)
    client.describe_instances()
    assert client.calls == {"DescribeInstances": 2}


def test_a_slow_answer_times_out(simulated_aws: SimulatedAws) -> None:
    simulated_aws.set_fault("slow", seconds=1)
    with pytest.raises(aws.AwsUnreachable, match="took too long to answer DescribeInstances") as caught:
        reader(simulated_aws, "us-east-1", read_timeout=0.1).describe_instances()
    assert "ReadTimeoutError" in caught.value.detail


def test_a_refused_connection_is_unreachable(simulated_aws: SimulatedAws) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = aws.AwsClient(region="us-east-1", endpoint_url=f"http://127.0.0.1:{closed.getsockname()[1]}", max_attempts=1)
        with pytest.raises(aws.AwsUnreachable, match="EC2 in us-east-1 cannot be reached for DescribeInstances"):
            client.describe_instances()
        assert client.calls == {"DescribeInstances": 1}


def test_something_else_than_aws_is_unreachable(simulated_aws: SimulatedAws) -> None:
    with web_page() as url, pytest.raises(aws.AwsUnreachable):
        aws.AwsClient(region="us-east-1", endpoint_url=url, max_attempts=1).describe_instances()


@pytest.mark.parametrize("broken", [{"endpoint_url": "not a url"}, {"region": "no such region!"}])
def test_a_setting_that_cannot_be_used_says_so(simulated_aws: SimulatedAws, broken: dict[str, str]) -> None:
    options = {"region": "us-east-1", "endpoint_url": simulated_aws.endpoint_url, **broken}
    with pytest.raises(aws.AwsRejected, match="check the region's name and AWS_ENDPOINT_URL") as caught:
        aws.AwsClient(**options).describe_instances()
    assert not caught.value.retryable


def test_what_aws_rejects_is_quoted(simulated_aws: SimulatedAws) -> None:
    with pytest.raises(
        aws.AwsRejected, match=r"EC2 in us-east-1 rejected DescribeInstances \(InvalidParameterValue\): Value \( 4 \)"
    ):
        reader(simulated_aws, "us-east-1", page_size=4).describe_instances()


def test_missing_credentials_are_told_and_looked_for_again(
    simulated_aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = reader(simulated_aws, "us-east-1")
    with monkeypatch.context() as environment:
        environment.delenv("AWS_ACCESS_KEY_ID")
        environment.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(
            aws.AwsUnauthorized, match="The portal has no usable AWS credentials for DescribeInstances in us-east-1"
        ):
            client.describe_instances()
    client.describe_instances()


@pytest.mark.parametrize(
    ("code", "status", "kind", "retryable"),
    [
        ("RequestLimitExceeded", 503, aws.AwsThrottled, True),
        ("Throttling", 400, aws.AwsThrottled, True),
        ("ThrottlingException", 400, aws.AwsThrottled, True),
        ("TooManyRequestsException", 429, aws.AwsThrottled, True),
        ("AuthFailure", 401, aws.AwsUnauthorized, False),
        ("ExpiredToken", 403, aws.AwsUnauthorized, False),
        ("ExpiredTokenException", 403, aws.AwsUnauthorized, False),
        ("InvalidClientTokenId", 403, aws.AwsUnauthorized, False),
        ("SignatureDoesNotMatch", 403, aws.AwsUnauthorized, False),
        ("UnauthorizedOperation", 403, aws.AwsDenied, False),
        ("AccessDenied", 403, aws.AwsDenied, False),
        ("OptInRequired", 401, aws.AwsUnauthorized, False),
        ("InvalidInstanceID.NotFound", 400, aws.AwsNotFound, False),
        ("InvalidInstanceID.Malformed", 400, aws.AwsRejected, False),
        ("InternalError", 500, aws.AwsRejected, True),
        ("ServiceUnavailable", 503, aws.AwsRejected, True),
    ],
)
def test_each_error_code_has_its_kind(code: str, status: int, kind: type[aws.AwsError], retryable: bool) -> None:
    mapped = aws.aws_error(
        refusal(code, "no {braces} break this", status), service="ec2", action="StopInstances", region="us-east-1"
    )
    assert type(mapped) is kind
    assert mapped.retryable is retryable
    assert "StopInstances" in mapped.sentence
    assert "us-east-1" in mapped.sentence
    assert mapped.detail == f"StopInstances: {code}: no {{braces}} break this (request 8f3a)"


def test_an_access_key_id_never_leaves_the_client() -> None:
    error = refusal("InvalidParameter", "The key AKIAIOSFODNN7EXAMPLE\nand ASIAIOSFODNN7EXAMPLE " + "are wrong " * 200, 400)
    mapped = aws.aws_error(error, service="ec2", action="StopInstances", region="us-east-1")
    for text in (mapped.sentence, mapped.detail):
        assert "IOSFODNN7" not in text
        assert "[key id] and [key id] are wrong" in text
        assert "\n" not in text
    assert len(mapped.detail) <= aws.LONGEST_DETAIL


def test_a_thread_keeps_its_client_and_shares_it_with_none() -> None:
    options = {"endpoint_url": "http://127.0.0.1:1", "page_size": 7}
    mine = aws.client_for(region="us-east-1", **options)
    theirs: list[aws.AwsClient] = []
    other = threading.Thread(target=lambda: theirs.append(aws.client_for(region="us-east-1", **options)))
    other.start()
    other.join(10)
    assert aws.client_for(region="us-east-1", **options) is mine
    assert aws.client_for(region="us-west-2", **options) is not mine
    assert aws.client_for(region="us-east-1", endpoint_url="http://127.0.0.1:1") is not mine
    assert theirs[0] is not mine


def refusal(code: str, message: str, status: int) -> ClientError:
    metadata = {"RequestId": "8f3a", "HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "StopInstances")  # type: ignore[typeddict-item]


@contextlib.contextmanager
def web_page() -> Iterator[str]:
    """A server that answers everything with a page of HTML."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b"<html><body>Sign in to the hotel's network<br></html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
