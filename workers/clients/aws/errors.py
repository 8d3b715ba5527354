"""How a call to AWS fails, as far as the portal's behaviour and words depend on it.

Retryable, so that the same call may succeed without anybody doing anything: AwsUnreachable, AwsThrottled, and an AwsRejected that
is AWS's own failure. All others end what was asked for, and their sentence says who has to do what.
"""

from __future__ import annotations

from typing import ClassVar

LONGEST_DETAIL = 500


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
    """No answer that could be read: unknown host, refused, cut, timed out, or something else than AWS answered.

    A request that changes something may have been carried out all the same.
    """

    retryable_by_default = True


class AwsThrottled(AwsError):
    """AWS answers, but limits the rate of our requests."""

    retryable_by_default = True


class AwsUnauthorized(AwsError):
    """There are no credentials, AWS does not accept them, or they lack the right for this call or this region."""


class AwsDenied(AwsUnauthorized):
    """The credentials are good, but lack the right for this call."""


class AwsWouldSucceed(AwsError):
    """A dry run: AWS would have done it, and did not. No failure at all."""


class AwsNotFound(AwsError):
    """AWS does not know the object asked for. Just after RunInstances this may be said of the new instance, for seconds."""


class AwsInvalidImage(AwsError):
    """The AMI cannot be launched: unknown in this region, not shared with us, malformed or not available."""


class AwsNoCapacity(AwsError):
    """AWS has no machine of this type free in this zone: normal for bare metal.

    Not retryable, for it may last for hours; another zone or type often works at once. AWS calls it a failure of its own (HTTP 500), so
    botocore has by then tried `max_attempts` times.
    """


class AwsLimitReached(AwsError):
    """The account's quota is used up."""


class AwsProtected(AwsError):
    """Somebody protected the instance against being terminated or stopped."""


class AwsRejected(AwsError):
    """AWS refused the call for any other reason, or failed inside; the latter is retryable."""


class AwsWrongState(AwsRejected):
    """The instance is not in a state that allows this; its state has changed since we last looked, or is about to."""
