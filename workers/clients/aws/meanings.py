"""What AWS's error codes mean for the portal (EC2 API reference, error codes; CloudWatch API reference, common errors)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workers.clients.aws.errors import (
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
    AwsWouldSucceed,
    AwsWrongState,
)

_ANYTHING = re.compile("")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """Errors whose code matches `codes`, and their message `says`. The sentence may use {where} {action} {region} {permission} {code}
    {message}; the latter has no full stop.
    """

    codes: re.Pattern[str]
    says: re.Pattern[str] = _ANYTHING
    kind: type[AwsError]
    sentence: str


# The first that matches counts.
MEANINGS: tuple[Meaning, ...] = (
    Meaning(codes=re.compile(r"^DryRunOperation$"), kind=AwsWouldSucceed, sentence="{where} would have done {action}."),
    Meaning(
        codes=re.compile(r"Throttl|^(RequestLimitExceeded|TooManyRequests.*|SlowDown|BandwidthLimitExceeded)$"),
        kind=AwsThrottled,
        sentence="{where} limits the rate of requests ({action}). The portal will try again; read AWS less often if this persists.",
    ),
    Meaning(
        codes=re.compile(r"^AccessDenied(Exception)?$"),
        says=re.compile(r"sts:AssumeRole\b"),
        kind=AwsDenied,
        sentence="AWS does not let the portal take on the role of this account ({message}): let the role’s trust policy name the portal’s"
        " own identity and the same external id as AWS_ACCOUNTS, and allow the portal’s identity sts:AssumeRole on it.",
    ),
    Meaning(
        codes=re.compile(r"^RegionDisabled(Exception)?$"),
        kind=AwsUnauthorized,
        sentence="STS is switched off in {region} for this AWS account ({code}): enable {region} in the account settings of IAM.",
    ),
    Meaning(
        codes=re.compile(r"^AuthFailure$"),
        says=re.compile(r"[Nn]ot authorized for images?"),
        kind=AwsInvalidImage,
        sentence="The AMI may not be used by this AWS account in {region} ({message}): ask its owner to share it, or choose another one.",
    ),
    Meaning(
        codes=re.compile(r"^(SignatureDoesNotMatch|InvalidSignature|RequestTimeTooSkewed)(Exception)?$"),
        says=re.compile(r"Signature (expired|not yet current)|[Tt]oo [Ss]kewed|request time and the current time"),
        kind=AwsUnauthorized,
        sentence="AWS refuses {action} in {region}, because this machine’s clock is more than five minutes off ({message}): have it set by NTP.",
    ),
    Meaning(
        codes=re.compile(
            r"^(AuthFailure|ExpiredToken|RequestExpired|InvalidClientTokenId|InvalidAccessKeyId|InvalidToken|InvalidSecurityToken"
            r"|UnrecognizedClient|MissingAuthenticationToken|SignatureDoesNotMatch|IncompleteSignature|InvalidSignature)(Exception)?$"
        ),
        kind=AwsUnauthorized,
        # A region that is not enabled for the account refuses credentials that are good elsewhere.
        sentence="AWS does not accept the portal's credentials for {action} in {region} ({code}): renew or replace them;"
        " if they work in other regions, enable {region} for the AWS account.",
    ),
    Meaning(
        codes=re.compile(r"^(UnauthorizedOperation|UnauthorizedAccess|NotAuthorized|AccessDenied(Exception)?)$"),
        kind=AwsDenied,
        sentence="The portal may not call {action} in {region}: allow {permission} in its IAM policy.",
    ),
    Meaning(
        codes=re.compile(r"^(OptInRequired|Blocked|PendingVerification|SubscriptionRequired(Exception)?)$"),
        kind=AwsUnauthorized,
        sentence="The AWS account may not use {where} ({code}, on {action}): enable the region or the service for the account.",
    ),
    Meaning(
        codes=re.compile(r"^Insufficient(Instance|Host|ReservedInstance)?Capacity(OnHost)?$"),
        kind=AwsNoCapacity,
        sentence="{where} has no machine of this type free in that zone at the moment ({code}, on {action}), which is usual for bare metal:"
        " try another zone, by another subnet, or another instance type, or the same again later.",
    ),
    Meaning(
        codes=re.compile(r"^VcpuLimitExceeded$"),
        kind=AwsLimitReached,
        sentence="The AWS account has used up its vCPUs in {region} ({code}, on {action}): stop other instances, or raise the quota"
        " “Running On-Demand Standard instances” for Amazon EC2 in Service Quotas. {message}.",
    ),
    Meaning(
        codes=re.compile(r"^MaxSpotInstanceCountExceeded$"),
        kind=AwsLimitReached,
        sentence="The AWS account has used up its Spot instances in {region} ({code}, on {action}): stop others, or raise the quota"
        " “All Standard Spot Instance Requests” for Amazon EC2 in Service Quotas.",
    ),
    Meaning(
        codes=re.compile(r"^(Volume|MaxIOPS|PendingSnapshot|Snapshot)LimitExceeded$"),
        kind=AwsLimitReached,
        sentence="The AWS account has used up its storage in {region} ({code}, on {action}): delete volumes that nobody needs, or raise the"
        " quota “Storage for General Purpose SSD (gp3) volumes” for Amazon EBS in Service Quotas. {message}.",
    ),
    Meaning(
        codes=re.compile(r"^TagLimitExceeded$"),
        kind=AwsRejected,
        sentence="{where} rejected {action} ({code}): an instance can have 50 tags. Remove some first.",
    ),
    Meaning(
        codes=re.compile(r"LimitExceeded$|^ResourceCountExceeded$"),
        kind=AwsLimitReached,
        sentence="A limit of the AWS account in {region} is reached ({code}, on {action}): free something, or raise the quota in Service"
        " Quotas, Amazon EC2; for instances it is “Running On-Demand Standard instances”. {message}.",
    ),
    Meaning(
        codes=re.compile(r"^Incorrect(Instance)?State$"),
        kind=AwsWrongState,
        sentence="{where} refused {action}, because the instance's state does not allow it now ({message}):"
        " look again when its state has settled.",
    ),
    Meaning(
        codes=re.compile(r"^OperationNotPermitted$"),
        says=re.compile(r"disableApiTermination", re.IGNORECASE),
        kind=AwsProtected,
        sentence="Termination protection keeps {where} from {action} ({message}): whoever protected the instance, or an administrator of"
        " the AWS account, has to switch the protection off in EC2 first.",
    ),
    Meaning(
        codes=re.compile(r"^OperationNotPermitted$"),
        says=re.compile(r"disableApiStop", re.IGNORECASE),
        kind=AwsProtected,
        sentence="Stop protection keeps {where} from {action} ({message}): whoever protected the instance, or an administrator of"
        " the AWS account, has to switch the protection off in EC2 first.",
    ),
    Meaning(
        codes=re.compile(r"^InvalidAMIID\.NotFound$"),
        kind=AwsInvalidImage,
        sentence="{where} does not know the AMI ({message}): it may have been deleted, or exist in another region. Each region has its own"
        " AMI ids: choose one of {region}, or copy the image there.",
    ),
    Meaning(
        codes=re.compile(r"^InvalidAMIID\.Malformed$"),
        kind=AwsInvalidImage,
        sentence="That is no AMI id ({message}): one looks like ami-0123456789abcdef0.",
    ),
    Meaning(
        codes=re.compile(r"^InvalidAMIID\."),
        kind=AwsInvalidImage,
        sentence="The AMI cannot be launched in {region} ({code}: {message}): wait until it is available, or choose another one.",
    ),
    Meaning(
        codes=re.compile(r"^IdempotentParameterMismatch$"),
        kind=AwsRejected,
        sentence="{where} has already seen this very request with other values ({code}, on {action}), so it did nothing now:"
        " look whether the instance exists, and ask for a new one if it does not.",
    ),
    Meaning(
        codes=re.compile(r"^IdempotentInstanceTerminated$"),
        kind=AwsRejected,
        sentence="The instance that this very request launched before is terminated ({code}, on {action}): ask for a new one.",
    ),
    Meaning(
        codes=re.compile(r"NotFound(Exception)?$"),
        kind=AwsNotFound,
        sentence="{where} does not know what {action} asked for ({message}): it may have been deleted in AWS, or exist in another region.",
    ),
)
