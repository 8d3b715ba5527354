"""What the AWS client makes of the error codes that the simulated AWS has no reason to give."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from workers.clients import aws


def mapped(code: str, message: str = "Because.", status: int = 400, action: str = "RunInstances") -> aws.AwsError:
    metadata = {"RequestId": "8f3a", "HTTPStatusCode": status}
    error = ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, action)  # type: ignore[typeddict-item]
    return aws.aws_error(error, service="ec2", action=action, region="us-east-1")


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        ("InsufficientInstanceCapacity", aws.AwsNoCapacity, "another instance type"),
        ("InsufficientHostCapacity", aws.AwsNoCapacity, "another zone"),
        ("InsufficientCapacityOnHost", aws.AwsNoCapacity, "the same again later"),
        ("InstanceLimitExceeded", aws.AwsLimitReached, "“Running On-Demand Standard instances”"),
        ("VcpuLimitExceeded", aws.AwsLimitReached, "Service Quotas"),
        ("MaxSpotInstanceCountExceeded", aws.AwsLimitReached, "“All Standard Spot Instance Requests”"),
        ("VolumeLimitExceeded", aws.AwsLimitReached, "“Storage for General Purpose SSD (gp3) volumes”"),
        ("NetworkInterfaceLimitExceeded", aws.AwsLimitReached, "Because."),
        ("RequestLimitExceeded", aws.AwsThrottled, "limits the rate"),
        ("TagLimitExceeded", aws.AwsRejected, "50 tags"),
        ("IncorrectInstanceState", aws.AwsWrongState, "(Because)"),
        ("IncorrectState", aws.AwsWrongState, "settled"),
        ("InvalidAMIID.NotFound", aws.AwsInvalidImage, "exist in another region"),
        ("InvalidAMIID.Malformed", aws.AwsInvalidImage, "one looks like ami-"),
        ("InvalidAMIID.Unavailable", aws.AwsInvalidImage, "wait until it is available"),
        ("OperationNotPermitted", aws.AwsRejected, "(OperationNotPermitted): Because."),
        ("IdempotentParameterMismatch", aws.AwsRejected, "look whether the instance exists"),
        ("IdempotentInstanceTerminated", aws.AwsRejected, "ask for a new one"),
        ("InvalidKeyPair.NotFound", aws.AwsNotFound, "(Because)"),
        ("Unsupported", aws.AwsRejected, "rejected RunInstances (Unsupported): Because."),
    ],
)
@pytest.mark.parametrize("status", [400, 500])
def test_each_code_has_its_kind_and_words(code: str, kind: type[aws.AwsError], says: str, status: int) -> None:
    error = mapped(code, status=status)
    assert type(error) is kind
    assert error.sentence.endswith(".")
    assert ".." not in error.sentence
    own_failure = status == 500 and code in ("OperationNotPermitted", "Unsupported")  # nothing known of the code but the status
    assert error.retryable is (kind is aws.AwsThrottled or own_failure)
    assert own_failure or says in error.sentence


def test_an_image_that_is_not_shared_is_no_matter_of_credentials() -> None:
    error = mapped("AuthFailure", "Not authorized for images: [ami-0123456789abcdef0]")
    assert type(error) is aws.AwsInvalidImage
    assert "ami-0123456789abcdef0" in error.sentence
    assert "ask its owner to share it" in error.sentence


def test_refused_credentials_may_mean_that_the_region_is_not_enabled() -> None:
    error = mapped("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    assert type(error) is aws.AwsUnauthorized
    assert "enable us-east-1 for the AWS account" in error.sentence


def test_the_permission_that_is_missing_is_the_one_that_ec2_names() -> None:
    said = (
        "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/portal is not authorized to perform:"
        " ec2:CreateTags on resource: arn:aws:ec2:us-east-1:123456789012:instance/* because no identity-based policy allows it."
    )
    assert "allow ec2:CreateTags in its IAM policy" in mapped("UnauthorizedOperation", said, 403).sentence


@pytest.mark.parametrize(
    ("region", "host", "kind"),
    [
        ("eu-mars-1", "ec2.eu-mars-1.amazonaws.com", aws.AwsRejected),
        ("eu-central-1", "ec2.eu-central-1.amazonaws.com", aws.AwsUnreachable),
        ("cn-north-1", "ec2.cn-north-1.amazonaws.com.cn", aws.AwsUnreachable),
        ("eu-mars-1", "127.0.0.1:5000", aws.AwsUnreachable),
    ],
)
def test_a_region_without_an_address_is_told_from_a_broken_network(region: str, host: str, kind: type[aws.AwsError]) -> None:
    error = aws.aws_error(
        EndpointConnectionError(endpoint_url=f"https://{host}/"), service="ec2", action="DescribeInstances", region=region
    )
    assert type(error) is kind
    assert error.retryable is (kind is aws.AwsUnreachable)
    assert ("is no region of AWS" in error.sentence) is (kind is aws.AwsRejected)
