"""What values must be like beyond their kind, alone and together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workers import aws_accounts, finding, provisioning

Values = Mapping[str, Any]


def _sentence(by: finding.By) -> Callable[[Any], str]:
    def problem(value: Any) -> str:
        try:
            if value:
                finding.question(by, value)
        except ValueError as error:
            return str(error)
        return ""

    return problem


def _templates(value: Any) -> str:
    accounts = [account.name for account in aws_accounts.configured()]
    return " ".join(provisioning.problems(value, aws_accounts.regions(), accounts)[:3])


# Name → why a value is refused, or "".
ALONE: dict[str, Callable[[Any], str]] = {
    "DISCOVERY_AMI_NAME": _sentence(finding.By.IMAGE_NAME),
    "DISCOVERY_TAG": _sentence(finding.By.TAG),
    "PROVISIONING": _templates,
}


def _hours_outlive_readings(values: Values) -> str:
    if values["SAMPLE_HOURLY_DAYS"] >= values["SAMPLE_DAYS"]:
        return ""
    return f"Means of hours must be kept at least as long as the readings: {values['SAMPLE_DAYS']} days."


def _gone_outlive_versions(values: Values) -> str:
    if values["LAB_GONE_DAYS"] >= values["LAB_VERSION_DAYS"]:
        return ""
    return f"The last version of a lab must be kept at least as long as older ones: {values['LAB_VERSION_DAYS']} days."


def _discovery_knows_what(values: Values) -> str:
    if not values["DISCOVERY"] or values["DISCOVERY_AMI_NAME"] or values["DISCOVERY_TAG"]:
        return ""
    return "Give a pattern of AMI names or a tag first: without one, nothing is looked for."


# The setting that the sentence stands beside, the settings that it is about, and the rule.
TOGETHER: tuple[tuple[str, frozenset[str], Callable[[Values], str]], ...] = (
    ("SAMPLE_HOURLY_DAYS", frozenset({"SAMPLE_DAYS", "SAMPLE_HOURLY_DAYS"}), _hours_outlive_readings),
    ("LAB_GONE_DAYS", frozenset({"LAB_VERSION_DAYS", "LAB_GONE_DAYS"}), _gone_outlive_versions),
    ("DISCOVERY", frozenset({"DISCOVERY", "DISCOVERY_AMI_NAME", "DISCOVERY_TAG"}), _discovery_knows_what),
)


def problems(changed: Values, then: Values) -> dict[str, str]:
    """Name → why not, when `changed` are the new values, and `then` is what every setting would be. A rule about none of them is not asked."""
    found = {name: sentence for name, value in changed.items() if name in ALONE and (sentence := ALONE[name](value))}
    for name, about, rule in TOGETHER:
        if about & changed.keys() and name not in found and (sentence := rule(then)):
            found[name] = sentence
    return found


def advice(values: Values) -> str:
    """What is allowed and odd, as a sentence; "" for nothing."""
    if values["STATE_INTERVAL"] > values["CML_INTERVAL"]:
        return "Machine states are read less often than CML servers: a page may show what CML says of a machine that is gone."
    return ""
