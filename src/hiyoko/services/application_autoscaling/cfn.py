"""CloudFormation's scalable target and scaling policy, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ApplicationAutoScaling.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces

SERVICE = "application-autoscaling"
_PLACE = ("ResourceId", "ScalableDimension", "ServiceNamespace")
_BOUNDS = ("MaxCapacity", "MinCapacity", "RoleARN", "SuspendedState")
_CONFIGURATIONS = (
    "StepScalingPolicyConfiguration",
    "TargetTrackingScalingPolicyConfiguration",
    "PredictiveScalingPolicyConfiguration",
)


def _call(handle: Handle, operation: str, **request: Any) -> dict[str, Any]:
    return handle.invoke(SERVICE, operation, request)


def _place(physical_id: str) -> dict[str, str]:
    """What a scalable target's physical id names: ``service/c/web|ecs:...|ecs``."""
    return dict(zip(_PLACE, physical_id.split("|"), strict=True))


def _register(handle: Handle) -> Made:
    place = handle.given(*_PLACE)
    _call(handle, "RegisterScalableTarget", **place, **handle.given(*_BOUNDS))
    physical_id = "|".join(place[name] for name in _PLACE)
    _put_schedules(handle, physical_id)
    return Made(physical_id, {"Id": physical_id})


def _reregister(handle: Handle) -> None:
    place = _place(handle.physical_id)
    given = handle.given(*_BOUNDS)
    if handle.changed("SuspendedState"):
        states = ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")
        rest = {f"{name}Suspended": False for name in states}
        given["SuspendedState"] = rest | dict(handle.properties.get("SuspendedState", {}))
    _call(handle, "RegisterScalableTarget", **place, **given)
    _put_schedules(handle, handle.physical_id)


def _put_schedules(handle: Handle, physical_id: str) -> None:
    """Put the scheduled actions that differ; delete those that the template has no more."""
    place = _place(physical_id)
    old = {one["ScheduledActionName"]: one for one in handle.old.get("ScheduledActions", [])}
    new = {one["ScheduledActionName"]: one for one in handle.properties.get("ScheduledActions", [])}
    for name in old.keys() - new.keys():
        _call(handle, "DeleteScheduledAction", **place, ScheduledActionName=name)
    for name, action in new.items():
        if action != old.get(name):
            _call(handle, "PutScheduledAction", **place, **action)


def _deregister(handle: Handle) -> None:
    _call(handle, "DeregisterScalableTarget", **_place(handle.physical_id))


def _target(handle: Handle) -> dict[str, str]:
    """The scalable target that a policy is for: by its id, or by its three parts."""
    given = handle.properties.get("ScalingTargetId")
    if given is not None:
        return _place(str(given))
    return {name: str(value) for name, value in handle.given(*_PLACE).items()}


def _put_policy(handle: Handle) -> str:
    answer = _call(
        handle,
        "PutScalingPolicy",
        PolicyName=handle.properties["PolicyName"],
        PolicyType=handle.properties["PolicyType"],
        **_target(handle),
        **handle.given(*_CONFIGURATIONS),
    )
    return str(answer["PolicyARN"])


def _create_policy(handle: Handle) -> Made:
    arn = _put_policy(handle)
    return Made(arn, {"Arn": arn})


def _update_policy(handle: Handle) -> None:
    _put_policy(handle)


def _delete_policy(handle: Handle) -> None:
    # It is gone already when its scalable target went first.
    _call(
        handle,
        "DeleteScalingPolicy",
        PolicyName=handle.properties["PolicyName"],
        **_target(handle),
    )


_GONE = frozenset({"ObjectNotFoundException"})

register(
    ResourceType(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        {**in_place(*_BOUNDS, "ScheduledActions"), **replaces(*_PLACE)},
        _register,
        _deregister,
        _reregister,
        attributes=frozenset({"Id"}),
        required=frozenset({*_PLACE, "MaxCapacity", "MinCapacity"}),
        missing=_GONE,
    ),
    ResourceType(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        {
            **in_place("PolicyType", *_CONFIGURATIONS),
            **replaces("PolicyName", "ScalingTargetId", *_PLACE),
        },
        _create_policy,
        _delete_policy,
        _update_policy,
        attributes=frozenset({"Arn"}),
        required=frozenset({"PolicyName", "PolicyType"}),
        named="PolicyName",
        missing=_GONE,
    ),
)
