"""AWS as the portal uses it, one region of one account at a time: EC2's instances, status checks, images and tags, and CloudWatch's figures.

    client = client_for(region="eu-central-1")
    instances = client.describe_instances()

Every call costs as few requests as AWS allows, whatever the size of the fleet, has explicit time-outs, and raises nothing but
AwsError, which carries a sentence for the operator and the technical detail apart. Only this package imports boto3.
"""

from workers.clients.aws.answers import Image, Instance, Measurement, StateChange, StatusChecks
from workers.clients.aws.client import AwsClient, client_for
from workers.clients.aws.connection import PAGE_SIZE
from workers.clients.aws.errors import (
    LONGEST_DETAIL,
    AwsDenied,
    AwsError,
    AwsInvalidImage,
    AwsLimitReached,
    AwsNoCapacity,
    AwsNotFound,
    AwsProtected,
    AwsRejected,
    AwsThrottled,
    AwsUnauthorized,
    AwsUnreachable,
    AwsWouldSucceed,
    AwsWrongState,
)
from workers.clients.aws.identity import Identity
from workers.clients.aws.mapping import aws_error
from workers.clients.aws.rights import ACCOUNT_RIGHTS, RIGHTS, Right, RightCheck, Scope, Verdict
from workers.clients.aws.roles import Role

__all__ = [
    "ACCOUNT_RIGHTS",
    "LONGEST_DETAIL",
    "PAGE_SIZE",
    "RIGHTS",
    "AwsClient",
    "AwsDenied",
    "AwsError",
    "AwsInvalidImage",
    "AwsLimitReached",
    "AwsNoCapacity",
    "AwsNotFound",
    "AwsProtected",
    "AwsRejected",
    "AwsThrottled",
    "AwsUnauthorized",
    "AwsUnreachable",
    "AwsWouldSucceed",
    "AwsWrongState",
    "Identity",
    "Image",
    "Instance",
    "Measurement",
    "Right",
    "RightCheck",
    "Role",
    "Scope",
    "StateChange",
    "StatusChecks",
    "Verdict",
    "aws_error",
    "client_for",
]
