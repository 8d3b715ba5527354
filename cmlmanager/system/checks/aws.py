"""AWS, a check for each region of each account: does it answer, and may the portal do there what its buttons offer?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cmlmanager.system import health
from workers import aws_accounts
from workers.models import RegionCheck
from workers.services import places, rights

EVERY = 900  # seconds: rights change seldom, and each look is a dozen requests
# Without these the portal is blind in the region; without another it cannot do one thing.
NEEDED = ("ec2:DescribeInstances", "ec2:DescribeInstanceStatus")


@health.register_many
def regions() -> Iterator[health.Check]:
    """One check for each region of each account of the settings."""
    for account, region in places.configured():
        yield health.Check(
            name=f"aws.{aws_accounts.place(account, region)}",
            label=f"AWS {aws_accounts.in_words(account, region)}",
            group=health.Group.AWS,
            look=partial(_look, account, region),
            every=EVERY,
            slow=True,
        )


def _look(account: str, region: str, context: health.Context) -> health.Said:
    tested = rights.look(region=region, account=account)
    refreshed = RegionCheck.objects.filter(account=account, region=region).first()
    if tested.error:
        since = refreshed.failing_since if refreshed else None
        return health.failing(
            tested.error,
            "Until AWS answers, no worker of this region changes in the portal, and nothing can be done to one.",
            since=since,
            latency_ms=tested.latency_ms,
        )
    denied, untested = tested.of("denied"), tested.of("untested")
    facts = {right.action: _words(right) for right in tested.rights}
    if denied:
        missing = ", ".join(right.action for right in denied)
        blind = [right.action for right in denied if right.action in NEEDED]
        sentence = f"The portal may not: {missing}. Nobody can {_purposes(denied)}."
        where = aws_accounts.in_words(account, region)
        advice = (
            f"Allow {missing} in the IAM policy of the portal’s role, for {where}; manage.py check_aws --policy prints one."
        )
        say = health.failing if blind else health.warning
        return say(sentence, advice, latency_ms=tested.latency_ms, facts=facts)
    known = len(tested.rights) - len(untested)
    said = f"All {known} IAM rights that could be tested are there."
    if untested:
        said += f" Not tested: {', '.join(right.action for right in untested[:3])}{' and others' if len(untested) > 3 else ''}."
    return health.ok(said, latency_ms=tested.latency_ms, facts=facts)


def _words(right: rights.RightTested) -> str:
    return "allowed" if right.verdict == "allowed" else right.sentence


def _purposes(denied: list[rights.RightTested]) -> str:
    purposes = list(dict.fromkeys(right.purpose for right in denied))
    return "; ".join(purposes[:3]) + ("; and more" if len(purposes) > 3 else "")
