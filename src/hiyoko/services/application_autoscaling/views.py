"""Scalable targets, policies, scheduled actions and activities as the API shows them."""

from __future__ import annotations

from typing import Any

from hiyoko.services.application_autoscaling.model import (
    DIMENSION,
    Activity,
    Policy,
    ScalableTarget,
    ScheduledAction,
    Stepping,
    Tracking,
)

Shape = dict[str, Any]


def _present(shape: Shape) -> Shape:
    return {name: value for name, value in shape.items() if value not in (None, "", {})}


def _place(resource_id: str) -> Shape:
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": resource_id,
        "ScalableDimension": DIMENSION,
    }


def target(row: ScalableTarget) -> Shape:
    """The API's ScalableTarget."""
    return {
        **_place(row.resource_id),
        "MinCapacity": row.minimum,
        "MaxCapacity": row.maximum,
        "RoleARN": row.role,
        "CreationTime": row.created_at,
        "SuspendedState": {
            "DynamicScalingInSuspended": row.in_suspended,
            "DynamicScalingOutSuspended": row.out_suspended,
            "ScheduledScalingSuspended": row.schedules_suspended,
        },
        "ScalableTargetARN": row.arn,
    }


def policy(row: Policy, alarms: list[Shape]) -> Shape:
    """The API's ScalingPolicy; ``alarms`` are those that trigger it."""
    shape: Shape = {
        "PolicyARN": row.arn,
        "PolicyName": row.name,
        **_place(row.resource_id),
        "PolicyType": row.kind,
        "CreationTime": row.created_at,
        "Alarms": alarms,
    }
    if row.tracking is not None:
        shape["TargetTrackingScalingPolicyConfiguration"] = _tracking(row.tracking)
    if row.stepping is not None:
        shape["StepScalingPolicyConfiguration"] = _stepping(row.stepping)
    return shape


def _tracking(one: Tracking) -> Shape:
    metric = {"PredefinedMetricType": one.predefined, "ResourceLabel": one.label}
    return _present(
        {
            "TargetValue": one.target,
            "PredefinedMetricSpecification": _present(metric),
            "CustomizedMetricSpecification": dict(one.customized),
            "ScaleOutCooldown": one.out_cooldown_s,
            "ScaleInCooldown": one.in_cooldown_s,
            "DisableScaleIn": one.no_scale_in,
        }
    )


def _stepping(one: Stepping) -> Shape:
    steps = [
        _present(
            {
                "MetricIntervalLowerBound": step.lower,
                "MetricIntervalUpperBound": step.upper,
                "ScalingAdjustment": step.adjustment,
            }
        )
        for step in one.steps
    ]
    return _present(
        {
            "AdjustmentType": one.kind,
            "StepAdjustments": steps,
            "MinAdjustmentMagnitude": one.least_magnitude,
            "Cooldown": one.cooldown_s,
            "MetricAggregationType": one.aggregation,
        }
    )


def action(row: ScheduledAction) -> Shape:
    """The API's ScheduledAction."""
    return _present(
        {
            "ScheduledActionName": row.name,
            "ScheduledActionARN": row.arn,
            **_place(row.resource_id),
            "Schedule": row.schedule,
            "Timezone": row.timezone,
            "StartTime": row.starts_at,
            "EndTime": row.ends_at,
            "ScalableTargetAction": _present(
                {"MinCapacity": row.minimum, "MaxCapacity": row.maximum}
            ),
            "CreationTime": row.created_at,
        }
    )


def activity(row: Activity) -> Shape:
    """The API's ScalingActivity."""
    shape: Shape = {
        "ActivityId": row.id,
        **_place(row.resource_id),
        "Description": f"Setting desired count to {row.after}.",
        "Cause": row.cause,
        "StartTime": row.started_at,
        "EndTime": row.ended_at,
        "StatusCode": row.status,
        "StatusMessage": message(row),
    }
    if row.not_scaled:
        bound = {"AlreadyAtMaxCapacity": "MaxCapacity", "AlreadyAtMinCapacity": "MinCapacity"}
        reason = {"Code": row.not_scaled, bound[row.not_scaled]: row.limit}
        shape |= {
            "Description": "Attempting to scale due to alarm triggered",
            "NotScaledReasons": [reason],
        }
    return _present(shape)


def message(row: Activity) -> str:
    """StatusMessage."""
    done = f"Successfully set desired count to {row.after}."
    match row.status:
        case "InProgress":
            return f"{done} Waiting for change to be fulfilled by ecs."
        case "Successful":
            return f"{done} Change successfully fulfilled by ecs."
        case "Overridden":
            return f"{done} Change was overridden by another one."
        case _ if row.failure:
            return f"Failed to set desired count to {row.after}. Reason: {row.failure}"
        case _:
            return ""
