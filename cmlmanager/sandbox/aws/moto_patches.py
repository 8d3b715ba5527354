"""Everything that is changed inside moto 5.2, with why. Nothing else of the sandbox reaches into its classes."""

from __future__ import annotations

import inspect
import re
import socket
import time
from typing import Any

from flask import request
from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, Statistics
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError, InvalidInstanceIdError, MalformedAMIIdError
from moto.ec2.models import ec2_backends
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses._base_response import EC2BaseResponse
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.monitoring import Monitoring
from moto.ec2.responses.tags import TagResponse

from cmlmanager.sandbox.aws.account import Account, epoch_of, moto_time
from cmlmanager.sandbox.aws.faults import REFUSALS, Fault, Switchboard
from cmlmanager.sandbox.aws.launches import Launches
from cmlmanager.sandbox.aws.measures import UNITS, level_of, periods
from cmlmanager.sandbox.fleet import ACCOUNT_ID

ANY_IMAGE = "ami-12345678"  # can be launched in every region without being registered, for tests that do not care
_IMAGE_ID = re.compile(r"ami-([0-9a-f]{8}|[0-9a-f]{17})")
_NEVER_DRY = {"DescribeInstanceStatus", "DescribeInstanceAttribute"}  # moto carries them out, as if nobody had said DryRun
_MOST_DATAPOINTS = 100_800  # in one answer (CloudWatch API reference, GetMetricData)
_STATISTICS = {
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
    "Sum": sum,
    "SampleCount": len,
}


def install(account: Account, switchboard: Switchboard, launches: Launches) -> None:
    """Change moto for this process. To be called once, before the first request."""
    _calls(account, switchboard)
    _tags(account)
    _instances(account, launches)
    _launch_answers()
    _instance_answers(account)
    _pages()
    _monitoring(account)
    _metrics(account)


def _calls(account: Account, switchboard: Switchboard) -> None:
    """Every operation of every service passes `call_action`, in whatever protocol it came: faults, counts, the clock and the lock."""
    original = BaseResponse.call_action

    def call_action(self: Any) -> Any:
        operation = self._get_action() or "unknown"
        tagging = "CreateTags" if operation == "RunInstances" and self._get_param("TagSpecifications", []) else ""
        fault = switchboard.arrived(operation, self.region, self.current_account, also=tagging)
        if self.region not in ec2_backends[ACCOUNT_ID]:  # moto answers 500
            fault = Fault(mode="not_enabled")
        elif fault.mode == "none" and operation in _NEVER_DRY and self._get_param("DryRun", False):
            fault = Fault(mode="dry_run")
        if fault.mode in REFUSALS:
            return _refuse(self, fault, fault.operation or operation)
        if fault.mode == "unreachable":
            # What is written after this goes nowhere; the client sees the connection close without an answer.
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return 503, {}, ""
        time.sleep(fault.seconds if fault.mode == "slow" else 0)
        account.settle()
        answer = act(self, operation)
        time.sleep(fault.seconds if fault.mode == "slow_after" else 0)
        return answer

    def act(response: Any, operation: str) -> Any:
        if operation.startswith(("Describe", "Get", "List")):
            return original(response)
        # moto locks nothing, and what changes must not change while it is written to disk.
        with account.lock:
            account.changed.set()
            return original(response)

    BaseResponse.call_action = call_action


class _Refused(ServiceException):
    """An ordered error. Its own class: moto takes the service's model from the module of the exception, and knows none for its base."""


def _refuse(response: Any, fault: Fault, operation: str) -> Any:
    known = REFUSALS[fault.mode]
    refusal = known.get(operation) or known.get(response.service_name) or known["ec2"]
    message = refusal.message.replace("{permission}", f"{response.service_name}:{operation}")
    _, headers, body = response.serialized(ActionResult(_Refused(refusal.code, message)))
    headers["status"] = str(refusal.status)
    return refusal.status, headers, body


def _tags(account: Account) -> None:
    """moto matches the tags of all resources with a pattern to find those of one: a page of 1,000 instances takes seconds.
    It also tags instances that do not exist, and takes any key and value.
    """
    originals = {name: getattr(TagResponse, name) for name in ("create_tags", "delete_tags")}

    def get_tags(self: Any) -> list[dict[str, str]]:
        tags = self.ec2_backend.tags.get(self.id) or {}
        return [{"resource_id": self.id, "key": key, "value": value, "resource_type": ""} for key, value in tags.copy().items()]

    def checked(name: str) -> Any:
        def method(self: Any) -> ActionResult:
            named = [resource for resource in self._get_param("Resources", []) if resource.startswith("i-")]
            unknown = [resource for resource in named if resource not in account.instances]
            if unknown:
                raise InvalidInstanceIdError(unknown)
            for tag in self._get_param("Tags", []):
                _check_tag(tag["Key"], tag.get("Value") or "")
            return originals[name](self)

        method.__name__ = name
        return method

    TaggedEC2Resource.get_tags = get_tags
    for name in originals:
        setattr(TagResponse, name, checked(name))


def _check_tag(key: str, value: str) -> None:
    """Raises InvalidParameterValue for what no tag can be (EC2 User Guide, tag restrictions)."""
    wrong = ""
    if key.lower().startswith("aws:"):
        wrong = "Tag keys starting with 'aws:' are reserved for internal use"
    elif not 1 <= len(key) <= 128:
        wrong = "Tag keys must have 1 to 128 characters"
    elif len(value) > 256:
        wrong = "Tag values must have at most 256 characters"
    if wrong:
        raise EC2ClientError("InvalidParameterValue", wrong)


def _instances(account: Account, launches: Launches) -> None:
    """moto's transitions take no time, its rules allow any, its addresses do not exist here, and it ignores ClientToken."""
    original_init = Instance.__init__
    original_run = InstanceBackend.run_instances
    original_dns = Instance.private_dns_name.fget

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original_init(self, *args, **kwargs)
        self.cpu_options = None
        account.launched(self)

    def run_instances(self: Any, image_id: str, count: int, user_data: Any, groups: Any, **kwargs: Any) -> Any:
        with account.lock:
            return launches.once(
                self,
                (image_id, count, user_data, groups),
                kwargs,
                lambda: original_run(self, image_id, count, user_data, groups, **kwargs),
            )

    Instance.__init__ = init
    Instance.system_status = Instance.instance_status = property(lambda self: _status(account.checks_of(self)))
    # moto cannot name an instance without an address, as a terminated one is.
    Instance.private_dns_name = property(lambda self: original_dns(self) if self.private_ip else "")
    InstanceBackend.run_instances = run_instances
    InstanceBackend.start_instances = lambda self, ids: account.start(self.get_multi_instances_by_id(ids))
    InstanceBackend.stop_instances = lambda self, ids: account.stop(self.get_multi_instances_by_id(ids))
    InstanceBackend.terminate_instances = lambda self, ids: account.terminate(self.get_multi_instances_by_id(ids))
    InstanceBackend.reboot_instances = lambda self, ids: account.reboot(self.get_multi_instances_by_id(ids))


def _status(status: str) -> dict[str, Any]:
    details = {"ok": "passed", "initializing": "initializing"}
    if status not in details:
        return {"Status": status}
    return {"Status": status, "Details": [{"Name": "reachability", "Status": details[status]}]}


def _launch_answers() -> None:
    """moto launches images that do not exist, forgets CpuOptions, and says that everything is pending, also what a token launched before."""
    original = InstanceResponse.run_instances
    del EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER["RunInstances.Reservation.Instances.Instance.State"]

    def run_instances(self: Any) -> ActionResult:
        image_id = str(self._get_param("ImageId") or "")
        if not _IMAGE_ID.fullmatch(image_id):
            raise MalformedAMIIdError([image_id])
        if image_id != ANY_IMAGE and image_id not in self.ec2_backend.amis:
            raise InvalidAMIIdError(image_id)
        answer = original(self)
        for instance in answer.result.instances:
            instance.cpu_options = self._get_param("CpuOptions", None) or None
        return answer

    InstanceResponse.run_instances = run_instances


def _instance_answers(account: Account) -> None:
    """moto answers the same new state whatever it was before: "stopping" for what is stopped already."""

    def answer(act: str, key: str) -> Any:
        def method(self: Any) -> ActionResult:
            ids = self._get_param("InstanceIds", [])
            self.error_on_dryrun()
            changes = getattr(account, act)(self.ec2_backend.get_multi_instances_by_id(ids))
            states = [{"InstanceId": i.id, "CurrentState": i.instance_state, "PreviousState": before} for i, before in changes]
            return ActionResult({key: states})

        method.__name__ = f"{act}_instances"
        return method

    for act, key in (("start", "StartingInstances"), ("stop", "StoppingInstances"), ("terminate", "TerminatingInstances")):
        setattr(InstanceResponse, f"{act}_instances", answer(act, key))


def _pages() -> None:
    """moto counts reservations where EC2 counts instances, and gives all status checks in one page."""
    original_instances = InstanceResponse.describe_instances
    original_status = InstanceResponse.describe_instance_status

    def describe_instances(self: Any) -> ActionResult:
        if self._get_param("InstanceIds", []):
            return original_instances(self)
        self.error_on_dryrun()
        reservations = self.ec2_backend.describe_instances(filters=self._filters_from_querystring())
        instances = [(reservation, instance) for reservation in reservations for instance in reservation.instances]
        page, token = _page(self, instances)
        shown: dict[str, Any] = {}
        for reservation, instance in page:
            if reservation.id not in shown:
                shown[reservation.id] = reservation  # a copy of moto's, made for this answer
                reservation.instances = []
            reservation.instances.append(instance)
        return ActionResult({"Reservations": list(shown.values()), "NextToken": token})

    def describe_instance_status(self: Any) -> ActionResult:
        answer = original_status(self).result
        page, token = _page(self, answer["InstanceStatuses"])
        return ActionResult({"InstanceStatuses": page, "NextToken": token})

    InstanceResponse.describe_instances = describe_instances
    InstanceResponse.describe_instance_status = describe_instance_status


def _page(response: Any, items: list[Any]) -> tuple[list[Any], str | None]:
    """The page that was asked for, and the token of the next one."""
    most = response._get_param("MaxResults")
    token = response._get_param("NextToken")
    if most is not None and not 5 <= int(most) <= 1000:
        raise EC2ClientError(
            "InvalidParameterValue", f"Value ( {most} ) for parameter maxResults is invalid. Expecting 5 to 1000."
        )
    if token and not token.isdecimal():
        raise EC2ClientError("InvalidNextToken", f"The token '{token}' is invalid.")
    start = int(token or 0)
    end = start + int(most) if most is not None else len(items)
    return items[start:end], str(end) if end < len(items) else None


def _monitoring(account: Account) -> None:
    """moto answers 500."""

    def switch(shown: str, kept: str) -> Any:
        def method(self: Any) -> ActionResult:
            self.error_on_dryrun()
            instances = self.ec2_backend.get_multi_instances_by_id(self._get_param("InstanceIds", []))
            for instance in instances:
                instance.monitoring_state = kept
            return ActionResult(
                {"InstanceMonitorings": [{"InstanceId": i.id, "Monitoring": {"State": shown}} for i in instances]}
            )

        return method

    Monitoring.monitor_instances = switch("pending", "enabled")
    Monitoring.unmonitor_instances = switch("disabling", "disabled")


def _metrics(account: Account) -> None:
    """moto has no metrics of EC2; and it goes through every datapoint for every period of every query."""
    original_data = CloudWatchResponse.get_metric_data
    original_statistics = CloudWatchBackend.get_metric_statistics
    signature = inspect.signature(original_statistics)

    def get_metric_data(self: Any) -> ActionResult:
        queries = self._get_param("MetricDataQueries", [])
        if not all(_is_known(query.get("MetricStat", {}).get("Metric", {})) for query in queries):
            return original_data(self)
        return ActionResult(_metric_page(self, account, queries))

    def get_metric_statistics(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked = signature.bind(self, *args, **kwargs).arguments
        metric = {
            "Namespace": asked["namespace"],
            "MetricName": asked["metric_name"],
            "Dimensions": asked["dimensions"] or [],
        }
        if not _is_known(metric):
            return original_statistics(self, *args, **kwargs)
        found = []
        start, end = epoch_of(asked["start_time"]), epoch_of(asked["end_time"])
        for begin, values in _values(account, metric, start, end, int(asked["period"])):
            name, unit = metric["MetricName"], UNITS[metric["MetricName"]]
            statistics = Statistics(asked["stats"], moto_time(begin), unit)
            statistics.metric_data = [MetricDatum("AWS/EC2", name, value, metric["Dimensions"], None, unit) for value in values]
            found.append(statistics)
        return found

    CloudWatchResponse.get_metric_data = get_metric_data
    CloudWatchBackend.get_metric_statistics = get_metric_statistics


def _is_known(metric: dict[str, Any]) -> bool:
    names = [dimension["Name"] for dimension in metric.get("Dimensions", [])]
    return metric.get("Namespace") == "AWS/EC2" and metric.get("MetricName") in UNITS and names == ["InstanceId"]


def _metric_page(response: Any, account: Account, queries: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of GetMetricData: as many whole series as fit."""
    start, end = epoch_of(response._get_param("StartTime")), epoch_of(response._get_param("EndTime"))
    if start >= end:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    room = int(response._get_param("MaxDatapoints") or _MOST_DATAPOINTS)
    position = int(response._get_param("NextToken") or 0)
    results: list[dict[str, Any]] = []
    for query in queries[position:]:
        stat = query["MetricStat"]
        points = list(_values(account, stat["Metric"], start, end, int(stat["Period"])))
        room -= len(points)
        if room < 0 and results:
            break
        if response._get_param("ScanBy") != "TimestampAscending":
            points.reverse()
        results.append(
            {
                "id": query["Id"],
                "label": query.get("Label") or stat["Metric"]["MetricName"],
                "timestamps": [moto_time(begin) for begin, _ in points],
                "values": [_STATISTICS[stat["Stat"]](values) for _, values in points],
                "status_code": "Complete",
            }
        )
    position += len(results)
    return {"MetricDataResults": results, "NextToken": str(position) if position < len(queries) else None}


def _values(account: Account, metric: dict[str, Any], start: float, end: float, period: int) -> list[tuple[int, list[float]]]:
    instance_id = metric["Dimensions"][0]["Value"]
    instance, timeline = account.instances.get(instance_id), account.timelines.get(instance_id)
    if instance is None or timeline is None:
        return []
    level = level_of(instance_id, account.demo_of(instance))
    found = periods(
        metric["MetricName"],
        instance_id,
        level,
        timeline.runs,
        impaired_since=account.impaired.get(instance_id),
        start=start,
        end=end,
        period=period,
        now=time.time(),
    )
    return list(found)
