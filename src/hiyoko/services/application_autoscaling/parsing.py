"""What requests say, checked: which service, and a policy's configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from hiyoko.api import Request, unsupported
from hiyoko.services.application_autoscaling.errors import invalid_next_token, validation
from hiyoko.services.application_autoscaling.model import (
    DIMENSION,
    StepAdjustment,
    Stepping,
    Tracking,
)

PAGE = 50
STEPS_MAX = 20
CPU, MEMORY = "ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization"
REQUESTS = "ALBRequestCountPerTarget"
_RESOURCE = re.compile(r"service/[A-Za-z0-9_-]{1,255}/[A-Za-z0-9_-]{1,255}")
_LABEL = re.compile(r"app/[\w-]+/[0-9a-f]+/targetgroup/[\w-]+/[0-9a-f]+")

T = TypeVar("T")


def namespace_in(request: Request) -> None:
    """Refuse every namespace and dimension but that of ECS services, by name."""
    if request["ServiceNamespace"] != "ecs":
        raise unsupported("ServiceNamespace", request["ServiceNamespace"])
    if (request.get("ScalableDimension") or DIMENSION) != DIMENSION:
        raise validation(
            "Unsupported service namespace, resource type or scalable dimension: ecs,"
            f" {request['ScalableDimension']}"
        )


def resource_in(request: Request) -> str:
    """``service/CLUSTER/NAME``."""
    namespace_in(request)
    resource: str = request["ResourceId"]
    if not _RESOURCE.fullmatch(resource):
        raise validation(
            f"Invalid resource ID: {resource}. It must be of the form service/CLUSTER/SERVICE."
        )
    return resource


def page(items: Sequence[T], request: Request) -> tuple[Sequence[T], dict[str, str]]:
    """A page of a list, and the token of the next one."""
    limit, token = request.get("MaxResults") or PAGE, request.get("NextToken") or "0"
    if not 1 <= limit <= PAGE:
        raise validation(f"MaxResults must be between 1 and {PAGE}.")
    if not token.isdecimal() or int(token) > len(items):
        raise invalid_next_token()
    start = int(token)
    more = {"NextToken": str(start + limit)} if start + limit < len(items) else {}
    return items[start : start + limit], more


def tracking_in(config: Mapping[str, Any]) -> Tracking:
    """TargetTrackingScalingPolicyConfiguration."""
    predefined = config.get("PredefinedMetricSpecification") or {}
    customized = config.get("CustomizedMetricSpecification") or {}
    if bool(predefined) == bool(customized):
        raise validation(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must"
            " be specified."
        )
    target = float(config["TargetValue"])
    if not (target > 0 and math.isfinite(target)):
        raise validation("TargetValue must be greater than 0.")
    if predefined:
        _check_predefined(predefined)
    elif not customized.get("Metrics"):
        for name in ("MetricName", "Namespace", "Statistic"):
            if not customized.get(name):
                raise validation(f"{name} must be specified in CustomizedMetricSpecification.")
    return Tracking(
        target,
        predefined.get("PredefinedMetricType", ""),
        predefined.get("ResourceLabel", ""),
        dict(customized),
        _cooldown(config, "ScaleOutCooldown"),
        _cooldown(config, "ScaleInCooldown"),
        bool(config.get("DisableScaleIn")),
    )


def _check_predefined(given: Mapping[str, Any]) -> None:
    kind, label = given["PredefinedMetricType"], given.get("ResourceLabel")
    if kind in (f"{CPU}HighResolution", f"{MEMORY}HighResolution"):
        raise unsupported("PredefinedMetricType", kind)
    if kind not in (CPU, MEMORY, REQUESTS):
        raise validation(f"PredefinedMetricType {kind} is not available for {DIMENSION}.")
    if kind != REQUESTS:
        if label:
            raise validation(f"ResourceLabel must not be specified for {kind}.")
    elif not label or not _LABEL.fullmatch(label):
        raise validation(
            "ResourceLabel must be specified for ALBRequestCountPerTarget, in the format"
            " app/<load-balancer-name>/<load-balancer-id>/targetgroup/<target-group-name>/"
            "<target-group-id>."
        )


def _cooldown(config: Mapping[str, Any], name: str) -> int | None:
    seconds: int | None = config.get(name)
    if seconds is not None and seconds < 0:
        raise validation(f"{name} must not be negative.")
    return seconds


def stepping_in(config: Mapping[str, Any]) -> Stepping:
    """StepScalingPolicyConfiguration."""
    for name in ("AdjustmentType", "StepAdjustments"):
        if not config.get(name):
            raise validation(f"{name} must be specified.")
    kind, least = config["AdjustmentType"], config.get("MinAdjustmentMagnitude")
    if config.get("MetricAggregationType") not in (None, "Average"):
        raise unsupported("MetricAggregationType", config["MetricAggregationType"])
    if least is not None and kind != "PercentChangeInCapacity":
        raise validation("MinAdjustmentMagnitude is only for PercentChangeInCapacity.")
    if least is not None and least < 1:
        raise validation("MinAdjustmentMagnitude must be at least 1.")
    steps = tuple(
        StepAdjustment(
            one["ScalingAdjustment"],
            one.get("MetricIntervalLowerBound"),
            one.get("MetricIntervalUpperBound"),
        )
        for one in config["StepAdjustments"]
    )
    _check_steps(kind, steps)
    return Stepping(
        kind,
        steps,
        least,
        _cooldown(config, "Cooldown"),
        config.get("MetricAggregationType") or "",
    )


def _check_steps(kind: str, steps: Sequence[StepAdjustment]) -> None:
    """The intervals follow each other without a gap; at most one is open at each end."""
    if len(steps) > STEPS_MAX:
        raise validation(f"StepAdjustments can have at most {STEPS_MAX} items.")
    if kind == "ExactCapacity" and any(step.adjustment < 0 for step in steps):
        raise validation("ScalingAdjustment must not be negative for ExactCapacity.")
    bounds = sorted(
        (
            -math.inf if step.lower is None else step.lower,
            math.inf if step.upper is None else step.upper,
        )
        for step in steps
    )
    if any(lower >= upper for lower, upper in bounds):
        raise validation("MetricIntervalLowerBound must be less than MetricIntervalUpperBound.")
    for (_, end), (start, _) in pairwise(bounds):
        if start != end:
            what = "overlap" if start < end else "have a gap between them"
            raise validation(f"The intervals of StepAdjustments must not {what}.")
