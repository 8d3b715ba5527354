"""The one list of the IAM rights that the portal needs, what for, and whether it has them: asked of AWS itself, changing nothing.

EC2 checks a request with DryRun as it would check the real one, and answers DryRunOperation or UnauthorizedOperation (EC2 API reference,
common parameters). Reads are made really, and small; CloudWatch has no dry run.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from workers.clients.aws.errors import AwsDenied, AwsError, AwsThrottled, AwsUnauthorized, AwsUnreachable, AwsWouldSucceed
from workers.clients.aws.identity import Identities
from workers.clients.aws.metrics import Metrics
from workers.clients.aws.reads import Reads
from workers.clients.aws.writes import Writes

# The least that EC2 gives in a page (EC2 API reference, DescribeInstances, MaxResults).
SMALLEST_PAGE = 5


class Scope(StrEnum):
    """How far a policy can limit a right (Service Authorization Reference: Amazon EC2, Amazon CloudWatch, AWS STS)."""

    ANYBODY = "anybody"  # nothing to allow: everybody with credentials may do it
    ROLE = "role"  # on certain roles
    REGION = "region"  # in certain regions only: these reads know no resources
    LAUNCH = (
        "launch"  # on an instance and volumes that get our tag with the request; on what they are made from, in certain regions
    )
    LAUNCHED = "launched"  # on what this very RunInstances makes
    OURS = "ours"  # on instances that carry our tag


@dataclass(frozen=True, kw_only=True)
class Right:
    """One IAM action that the portal uses. `needs` is what a dry run of it needs: "", "instance" or "launch"."""

    action: str  # as in a policy: ec2:RunInstances
    purpose: str  # completes "Without it nobody can …"
    scopes: tuple[Scope, ...] = (Scope.REGION,)
    needs: str = ""

    @property
    def service(self) -> str:
        """The service of the API: ec2."""
        return self.action.partition(":")[0]

    @property
    def operation(self) -> str:
        """The operation of the API: RunInstances."""
        return self.action.partition(":")[2]

    @property
    def changes(self) -> bool:
        """Whether it changes something."""
        return self.service == "ec2" and Scope.REGION not in self.scopes


_OURS: dict[str, Any] = {"scopes": (Scope.OURS,), "needs": "instance"}
# What is asked once for an account, and then of each of its regions. A test holds these to what the clients really call.
ACCOUNT_RIGHTS: tuple[Right, ...] = (
    Right(action="sts:GetCallerIdentity", purpose="see whose credentials the portal has", scopes=(Scope.ANYBODY,)),
    Right(action="sts:AssumeRole", purpose="see or change anything in other accounts", scopes=(Scope.ROLE,)),
)
RIGHTS: tuple[Right, ...] = (
    Right(action="ec2:DescribeInstances", purpose="see what the machines do"),
    Right(action="ec2:DescribeInstanceStatus", purpose="see EC2's status checks"),
    Right(action="ec2:DescribeImages", purpose="choose an AMI, or find workers by theirs"),
    Right(action="ec2:DescribeInstanceAttribute", purpose="see termination protection before a terminate", needs="instance"),
    Right(action="cloudwatch:GetMetricData", purpose="see CPU and network of machines"),
    Right(action="ec2:RunInstances", purpose="create workers", scopes=(Scope.LAUNCH,), needs="launch"),
    Right(action="ec2:StartInstances", purpose="start workers", **_OURS),
    Right(action="ec2:StopInstances", purpose="stop workers", **_OURS),
    Right(action="ec2:TerminateInstances", purpose="terminate workers", **_OURS),
    Right(
        action="ec2:CreateTags", purpose="create workers, or tag them", scopes=(Scope.LAUNCHED, Scope.OURS), needs="instance"
    ),
    Right(action="ec2:DeleteTags", purpose="remove tags", **_OURS),
    Right(action="ec2:MonitorInstances", purpose="switch detailed monitoring on", **_OURS),
    Right(action="ec2:UnmonitorInstances", purpose="switch detailed monitoring off", **_OURS),
)


class Verdict(StrEnum):
    """What AWS said of one right."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNTESTED = "untested"  # there was nothing to try it on, or AWS answered something else


@dataclass(frozen=True, kw_only=True)
class RightCheck:
    """The outcome for one right; `sentence` says why it is not allowed or not tested, "" when it is allowed."""

    right: Right
    verdict: Verdict
    sentence: str = ""


class Rights(Reads, Metrics, Writes, Identities):
    """The questions about rights."""

    def probe(self, *, instance_id: str = "", launch: Mapping[str, Any] | None = None) -> list[RightCheck]:
        """Every right of RIGHTS, tried in this region. Nothing is changed.

        `instance_id` is an instance of ours that is not terminated: policies with conditions on its tags are tried as they will be
        used. `launch` are keywords of `run_instance`, without client_token. What has neither is UNTESTED.
        Raises AwsUnreachable and AwsThrottled when AWS does not say, and AwsUnauthorized when it does not accept the credentials at all, or
        does not give the role's.
        """
        if self._credentials is not None:
            self.identity()  # a role that may not be assumed is one thing that is missing, not all
        untested = {
            "instance": "" if instance_id else "Not tested: there is no instance in this region to try it on.",
            "launch": "" if launch else "Not tested: no template names an AMI to try it with, and no worker here has one.",
        }
        dry = (
            "" if self._knows_dry_runs() else "Not tested: this endpoint does not know dry runs, and nothing is to be changed."
        )
        checks = []
        for right in RIGHTS:
            why = untested.get(right.needs) or (dry if right.changes else "")
            trial = self._trial(right, instance_id, launch or {})
            checks.append(RightCheck(right=right, verdict=Verdict.UNTESTED, sentence=why) if why else self._tried(right, trial))
        return checks

    def _knows_dry_runs(self) -> bool:
        """AWS does; another endpoint has to show it on a call that would change nothing anyway."""
        if self._endpoint_url is None:
            return True
        try:
            self._call("ec2", "DescribeInstances", DryRun=True)
        except (AwsWouldSucceed, AwsDenied):
            return True
        except (AwsUnreachable, AwsThrottled, AwsUnauthorized):
            raise
        except AwsError:
            return False
        return False

    def _tried(self, right: Right, trial: Callable[[], Any]) -> RightCheck:
        try:
            trial()
        except AwsWouldSucceed:
            pass
        except AwsDenied as denied:
            return RightCheck(right=right, verdict=Verdict.DENIED, sentence=denied.sentence)
        except (AwsUnreachable, AwsThrottled, AwsUnauthorized):
            raise
        except AwsError as error:
            return RightCheck(right=right, verdict=Verdict.UNTESTED, sentence=f"Not tested: {error.sentence}")
        return RightCheck(right=right, verdict=Verdict.ALLOWED)

    def _trial(self, right: Right, instance_id: str, launch: Mapping[str, Any]) -> Callable[[], Any]:
        """The call that tries it."""
        small = {"MaxResults": SMALLEST_PAGE}
        reads: dict[str, Callable[[], Any]] = {
            "DescribeInstances": lambda: self._call("ec2", "DescribeInstances", **small),
            "DescribeInstanceStatus": lambda: self._call("ec2", "DescribeInstanceStatus", **small),
            "DescribeImages": lambda: self._call("ec2", "DescribeImages", Owners=["self"], **small),
            "DescribeInstanceAttribute": lambda: self.termination_protection(instance_id),
            "GetMetricData": lambda: self._any_metric(instance_id or "i-00000000000000000"),
            "RunInstances": lambda: self.run_instance(**launch, client_token=str(uuid.uuid4()), dry_run=True),
        }
        if right.operation in reads:
            return reads[right.operation]
        tags = {"Resources": [instance_id], "Tags": [{"Key": "Name", "Value": "dry run"}]}
        arguments = tags if right.operation in {"CreateTags", "DeleteTags"} else {"InstanceIds": [instance_id]}
        return lambda: self._call("ec2", right.operation, DryRun=True, **arguments)

    def _any_metric(self, instance_id: str) -> Any:
        now = datetime.now(UTC)
        return self.measurements([instance_id], since=now - timedelta(minutes=10), until=now)
