"""What botocore raises, as an AwsError with a sentence that helps."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

import botocore.session
from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from workers.clients.aws.errors import LONGEST_DETAIL, AwsError, AwsRejected, AwsUnauthorized, AwsUnreachable
from workers.clients.aws.meanings import MEANINGS

_PERMISSION = re.compile(r"is not authorized to perform: (\w+:\w+)")  # RunInstances may lack ec2:CreateTags, for one
_KEY_ID = re.compile(r"\bA[A-Z]IA[A-Z0-9]{12,}\b")  # long-term AKIA…, temporary ASIA…

_NAMES = {"ec2": "EC2", "cloudwatch": "CloudWatch", "sts": "STS"}

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
    """The AwsError for what botocore raised while calling `action` of `service` ("ec2", "cloudwatch" or "sts") in `region`."""
    where = f"{_NAMES.get(service, service)} in {region}"
    if isinstance(error, botocore_errors.ClientError):
        return _refusal(error, where=where, action=action, permission=f"{service}:{action}", region=region)
    kind: type[AwsError] = AwsUnreachable
    if isinstance(error, _NO_CREDENTIALS):
        kind = AwsUnauthorized
        sentence = f"The portal has no usable AWS credentials for {action} in {region}: give it an IAM role or an access key."
    elif isinstance(error, botocore_errors.ParamValidationError):
        kind, sentence = AwsRejected, f"{action} was not sent to {where}: {_clean(str(error.kwargs.get('report')))}."
    elif _is_of_no_region(error, region):
        kind = AwsRejected
        sentence = f"{where} has no address, so {action} could not be sent: {region} is no region of AWS. Check its name in the settings."
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
    missing = _PERMISSION.search(message)
    words = {
        "where": where,
        "action": action,
        "region": region,
        "code": code,
        "permission": missing[1] if missing else permission,
        "message": message.rstrip(".") or "it does not say why",
    }
    for meaning in MEANINGS:
        if meaning.codes.search(code) and meaning.says.search(message):
            return meaning.kind(meaning.sentence.format(**words), detail)
    if int(metadata.get("HTTPStatusCode") or 0) >= 500:
        return AwsRejected(f"{where} failed inside on {action} ({code}): try again later.", detail, True)
    return AwsRejected("{where} rejected {action} ({code}): {message}.".format(**words), detail)


def _is_of_no_region(error: Exception, region: str) -> bool:
    """Whether a connection failed because AWS has no such region, rather than because of the network."""
    if not isinstance(error, botocore_errors.EndpointConnectionError):
        return False
    host = urlsplit(str(error.kwargs.get("endpoint_url"))).hostname or ""
    return ".amazonaws.com" in host and region not in _regions()


@lru_cache(maxsize=1)
def _regions() -> frozenset[str]:
    """Every region of EC2 that this version of botocore knows, in all partitions."""
    core = botocore.session.Session()
    partitions = core.get_available_partitions()
    return frozenset(region for partition in partitions for region in core.get_available_regions("ec2", partition))


def _clean(text: str, end: str = "") -> str:
    """One line of bounded length, without access key ids, which some messages quote."""
    return _KEY_ID.sub("[key id]", " ".join(text.split()))[: LONGEST_DETAIL - len(end)] + end
