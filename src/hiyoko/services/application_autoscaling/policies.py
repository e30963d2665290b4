"""Scaling policies, and the alarms that target tracking makes for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.application_autoscaling import rows, views
from hiyoko.services.application_autoscaling.errors import not_found, too_many, validation
from hiyoko.services.application_autoscaling.model import Policy, ScalableTarget, Tracking
from hiyoko.services.application_autoscaling.parsing import (
    CPU,
    MEMORY,
    REQUESTS,
    namespace_in,
    page,
    resource_in,
    stepping_in,
    tracking_in,
)

POLICIES_MAX = 50
HIGH_PERIODS, LOW_PERIODS = 3, 15
"""So many minutes above the target scale out, so many below scale in."""
LOW_SHARE = 0.9
"""The low alarm's threshold: a tenth below the target, so that the two do not swing."""
_WARNING = "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy"


@operation("PutScalingPolicy")
def put_scaling_policy(call: Call, request: Request) -> Response:
    """Create or change a policy; target tracking's alarms come with it."""
    resource = resource_in(request)
    target = rows.get_target(call.tx, call.account, call.region, resource)
    name = request["PolicyName"]
    old = rows.POLICIES.find(call.tx, **rows.place(target), name=name)
    if old is None and len(rows.list_policies(call.tx, target)) >= POLICIES_MAX:
        raise too_many("scaling policies for a scalable target")
    policy = _configured(request, old or _new(call, target, name), old)
    if old is not None and (old.tracking is None) != (policy.tracking is None):
        delete_alarms(call, old)
        policy = replace(policy, high_alarm="", low_alarm="")
    if policy.tracking is not None:
        policy = _put_alarms(call, policy, policy.tracking)
    rows.POLICIES.put(call.tx, policy)
    return {"PolicyARN": policy.arn, "Alarms": _own_alarms(call, policy)}


def _new(call: Call, target: ScalableTarget, name: str) -> Policy:
    arn = call.arn(
        "autoscaling",
        f"scalingPolicy:{call.ids.uuid()}:resource/ecs/{target.resource_id}:policyName/{name}",
    )
    return Policy(call.account, call.region, target.resource_id, name, arn, call.now)


def _configured(request: Request, policy: Policy, old: Policy | None) -> Policy:
    """The policy as the request has it; what kind it is may be left out of an update."""
    kind = request.get("PolicyType") or (old.kind if old is not None else "StepScaling")
    if kind == "PredictiveScaling" or request.get("PredictiveScalingPolicyConfiguration"):
        raise unsupported("PolicyType", "PredictiveScaling")
    tracking = request.get("TargetTrackingScalingPolicyConfiguration")
    stepping = request.get("StepScalingPolicyConfiguration")
    mine, other = (tracking, stepping) if kind == "TargetTrackingScaling" else (stepping, tracking)
    if mine is None or other is not None:
        raise validation(f"{kind}PolicyConfiguration alone must be specified for {kind}.")
    if kind == "TargetTrackingScaling":
        return replace(policy, tracking=tracking_in(mine), stepping=None)
    return replace(policy, tracking=None, stepping=stepping_in(mine))


def _put_alarms(call: Call, policy: Policy, tracking: Tracking) -> Policy:
    """Make the alarms what the policy says; without scale-in there is no low one."""

    def named(old: str, which: str) -> str:
        return old or f"TargetTracking-{policy.resource_id}-Alarm{which}-{call.ids.uuid()}"

    policy = replace(policy, high_alarm=named(policy.high_alarm, "High"))
    _put_alarm(call, policy, policy.high_alarm, "GreaterThanThreshold", tracking.target)
    if not tracking.no_scale_in:
        policy = replace(policy, low_alarm=named(policy.low_alarm, "Low"))
        low = tracking.target * LOW_SHARE
        _put_alarm(call, policy, policy.low_alarm, "LessThanThreshold", low)
    elif policy.low_alarm:
        call.invoke("cloudwatch", "DeleteAlarms", {"AlarmNames": [policy.low_alarm]})
        policy = replace(policy, low_alarm="")
    return policy


def _put_alarm(call: Call, policy: Policy, name: str, comparison: str, threshold: float) -> None:
    assert policy.tracking is not None
    high = comparison == "GreaterThanThreshold"
    request = {
        "AlarmName": name,
        "AlarmDescription": f"{_WARNING} {policy.arn}.",
        "AlarmActions": [policy.arn],
        "ComparisonOperator": comparison,
        "EvaluationPeriods": HIGH_PERIODS if high else LOW_PERIODS,
        "Threshold": threshold,
        **_metric(policy.resource_id, policy.tracking),
    }
    call.invoke("cloudwatch", "PutMetricAlarm", request)


def _metric(resource_id: str, tracking: Tracking) -> dict[str, Any]:
    """The metric of an alarm, by the minute."""
    if tracking.customized.get("Metrics"):
        return {"Metrics": [_query(dict(one)) for one in tracking.customized["Metrics"]]}
    metric: dict[str, Any] = {"Period": 60}
    if tracking.customized:
        names = ("MetricName", "Namespace", "Statistic", "Unit", "Dimensions")
        given = {name: tracking.customized.get(name) for name in names}
        return metric | {name: value for name, value in given.items() if value}
    if tracking.predefined == REQUESTS:
        balancer, _, group = tracking.label.partition("/targetgroup/")
        dimensions = {"LoadBalancer": balancer, "TargetGroup": f"targetgroup/{group}"}
        metric |= {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCountPerTarget"}
        metric["Statistic"] = "Sum"
    else:
        _, cluster, service = resource_id.split("/")
        dimensions = {"ClusterName": cluster, "ServiceName": service}
        names_of = {CPU: "CPUUtilization", MEMORY: "MemoryUtilization"}
        metric |= {"Namespace": "AWS/ECS", "MetricName": names_of[tracking.predefined]}
        metric["Statistic"] = "Average"
    metric["Dimensions"] = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return metric


def _query(one: dict[str, Any]) -> dict[str, Any]:
    """A query of metric math: CloudWatch wants a period, which is a minute here."""
    if stat := one.get("MetricStat"):
        one["MetricStat"] = {**stat, "Period": 60}
    return one


def delete_alarms(call: Call, policy: Policy) -> None:
    """Delete the alarms that a policy made, those that are still there."""
    made = [name for name in (policy.high_alarm, policy.low_alarm) if name]
    there = _alarms(call, made)
    if there:
        names = [one["AlarmName"] for one in there]
        call.invoke("cloudwatch", "DeleteAlarms", {"AlarmNames": names})


def _alarms(call: Call, names: list[str]) -> list[dict[str, Any]]:
    if not names:
        return []
    found: list[dict[str, Any]] = call.invoke(
        "cloudwatch", "DescribeAlarms", {"AlarmNames": names, "MaxRecords": 100}
    )["MetricAlarms"]
    return found


def _own_alarms(call: Call, policy: Policy) -> list[dict[str, str]]:
    made = [name for name in (policy.high_alarm, policy.low_alarm) if name]
    return [_alarm(one) for one in _alarms(call, made)]


def _alarm(one: dict[str, Any]) -> dict[str, str]:
    return {"AlarmName": one["AlarmName"], "AlarmARN": one["AlarmArn"]}


@operation("DescribeScalingPolicies")
def describe_scaling_policies(call: Call, request: Request) -> Response:
    """Policies with the alarms that trigger them."""
    namespace_in(request)
    where = {"account": call.account, "region": call.region}
    if request.get("ResourceId"):
        where["resource_id"] = resource_in(request)
    names = request.get("PolicyNames")
    found = [one for one in rows.POLICIES.list(call.tx, **where) if not names or one.name in names]
    shown, more = page(found, request)
    return {
        "ScalingPolicies": [views.policy(one, _triggers(call, one)) for one in shown],
        **more,
    }


def _triggers(call: Call, policy: Policy) -> list[dict[str, str]]:
    """Every alarm that has the policy among its actions, whoever made it."""
    request = {"ActionPrefix": policy.arn, "MaxRecords": 100}
    return [
        _alarm(one) for one in call.invoke("cloudwatch", "DescribeAlarms", request)["MetricAlarms"]
    ]


@operation("DeleteScalingPolicy")
def delete_scaling_policy(call: Call, request: Request) -> Response:
    """Delete a policy with its own alarms; those that a user made stay."""
    resource, name = resource_in(request), request["PolicyName"]
    key = {"account": call.account, "region": call.region, "resource_id": resource, "name": name}
    policy = rows.POLICIES.find(call.tx, **key)
    if policy is None:
        raise not_found("scaling policy found", resource, f", policy name: {name}")
    delete_alarms(call, policy)
    rows.POLICIES.delete(call.tx, **key)
    return {}
