"""A policy is triggered by an alarm: looked up, reckoned, done.

An alarm in the state of its action triggers the policy once a minute, for as long as it stays.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
"""

from __future__ import annotations

from collections.abc import Sequence

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.application_autoscaling import rows
from hiyoko.services.application_autoscaling.adjusting import (
    base_of,
    may_scale_in,
    next_capacity,
    tracked,
)
from hiyoko.services.application_autoscaling.changing import (
    Change,
    Scaled,
    change,
    find_scaled,
    note_not_scaled,
)
from hiyoko.services.application_autoscaling.model import (
    DEFAULT_COOLDOWN_S,
    Activity,
    Policy,
    ScalableTarget,
    Tracking,
)


@operation("_ExecutePolicy")
def execute_policy(call: Call, request: Request) -> Response:
    """An alarm has triggered a policy; ``{PolicyARN, AlarmName}``."""
    policy = rows.POLICIES.find(call.tx, arn=request["PolicyARN"])
    if policy is None:
        raise AwsError(
            "ObjectNotFoundException", f"No scaling policy found: {request['PolicyARN']}"
        )
    target = rows.get_target(call.tx, call.account, call.region, policy.resource_id)
    scaled = find_scaled(call, policy.resource_id)
    seen = _seen(call, request["AlarmName"])
    if scaled is None or not seen.values:
        return {}
    history = rows.list_activities(call.tx, target)
    wanted = _wanted(call, target, policy, seen, scaled, history)
    if wanted is not None:
        cause = f"monitor alarm {seen.name} in state {seen.state} triggered policy {policy.name}"
        _do(call, target, policy, scaled, wanted, cause, history)
    return {}


class _Seen:
    """An alarm as it stands: the datapoints that decided, the oldest first."""

    def __init__(self, name: str, answer: Response) -> None:
        self.name = name
        self.state: str = answer["StateValue"]
        self.threshold: float = answer["Threshold"]
        self.values: Sequence[float] = answer["Values"]


def _seen(call: Call, name: str) -> _Seen:
    return _Seen(name, call.invoke("cloudwatch", "_AlarmDatapoints", {"AlarmName": name}))


def _wanted(
    call: Call,
    target: ScalableTarget,
    policy: Policy,
    seen: _Seen,
    scaled: Scaled,
    history: Sequence[Activity],
) -> int | None:
    """The capacity that a policy calls for; None when it calls for nothing."""
    base = base_of(scaled.desired, history, call.now)
    if policy.stepping is not None:
        breach = seen.values[-1] - seen.threshold
        return next_capacity(policy.stepping, breach, scaled.desired, base)
    assert policy.tracking is not None
    if seen.name == policy.high_alarm:
        return max(scaled.desired, tracked(base, seen.values[-1], policy.tracking.target))
    if seen.name == policy.low_alarm:
        return _lower(call, target, scaled)
    return None  # an alarm that somebody else has pointed at it


def _lower(call: Call, target: ScalableTarget, scaled: Scaled) -> int | None:
    """What a scale-in by tracking leaves: only when all tracking policies are ready for it.

    The highest of the low datapoints counts, so that what the last minutes needed stays.
    """
    needed = [0]
    for one in rows.list_policies(call.tx, target):
        if one.tracking is None or one.tracking.no_scale_in:
            continue
        low = _low(call, one)
        if low is None:
            return None
        needed.append(tracked(scaled.desired, max(low.values), one.tracking.target))
    return min(scaled.desired, max(needed))


def _low(call: Call, policy: Policy) -> _Seen | None:
    try:
        seen = _seen(call, policy.low_alarm)
    except AwsError:
        return None  # somebody has deleted the alarm, AWS's warning notwithstanding
    return seen if seen.state == "ALARM" and seen.values else None


def _do(
    call: Call,
    target: ScalableTarget,
    policy: Policy,
    scaled: Scaled,
    wanted: int,
    cause: str,
    history: Sequence[Activity],
) -> None:
    """Carry it out within the bounds, unless something speaks against that direction."""
    after = target.clamp(wanted)
    base = base_of(scaled.desired, history, call.now)
    outward = after > scaled.desired
    if not outward:
        base = scaled.desired
    planned = Change(
        cause, scaled.desired, after, base, _cooldown_s(policy, outward=outward), by_policy=True
    )
    if after == scaled.desired:
        if wanted > after:
            note_not_scaled(call, target, planned, "AlreadyAtMaxCapacity")
        elif wanted < after:
            note_not_scaled(call, target, planned, "AlreadyAtMinCapacity")
        return
    if outward and target.out_suspended:
        return
    if not outward and (
        target.in_suspended or scaled.deploying or not may_scale_in(history, call.now)
    ):
        return
    change(call, target, planned)


def _cooldown_s(policy: Policy, *, outward: bool) -> float:
    match policy:
        case Policy(tracking=Tracking() as one):
            given = one.out_cooldown_s if outward else one.in_cooldown_s
        case _:
            given = policy.stepping.cooldown_s if policy.stepping is not None else None
    return float(DEFAULT_COOLDOWN_S if given is None else given)
