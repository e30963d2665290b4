"""A change of a service's desired count, and its activity: for alarms, schedules and bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import hiyoko.services.ecs.rows as ecs
from hiyoko.api import AwsError, Call
from hiyoko.services.application_autoscaling import rows
from hiyoko.services.application_autoscaling.errors import validation
from hiyoko.services.application_autoscaling.model import Activity, ScalableTarget


@dataclass(frozen=True, slots=True)
class Scaled:
    """An ECS service as this service needs to know it."""

    desired: int
    deploying: bool


def find_scaled(call: Call, resource_id: str) -> Scaled | None:
    """The service behind a resource id; None when there is none, or no active one."""
    one = ecs.find_service(call.tx, call.arn("ecs", resource_id))
    if one is None or one.deleted_at is not None:
        return None
    deploying = len(one.deployments) > 1 or one.primary.rollout == "IN_PROGRESS"
    return Scaled(one.desired_count, deploying)


def get_scaled(call: Call, resource_id: str) -> Scaled:
    """The service behind a resource id. Raises ValidationException."""
    scaled = find_scaled(call, resource_id)
    if scaled is None:
        raise validation(f"ECS service doesn't exist: {resource_id}")
    return scaled


@dataclass(frozen=True, slots=True)
class Change:
    """What shall be done, and why: see ``Activity``."""

    cause: str
    before: int
    after: int
    base: int
    cooldown_s: float = 0.0
    by_policy: bool = False


def change(call: Call, target: ScalableTarget, wanted: Change) -> None:
    """Set the desired count as a client would; what goes on is overridden. A refusal is told."""
    for one in rows.ACTIVITIES.list(call.tx, **rows.place(target), unfulfilled=1):
        rows.put_activity(call.tx, replace(one, overridden_at=call.now))
    _, cluster, name = target.resource_id.split("/")
    request = {"cluster": cluster, "service": name, "desiredCount": wanted.after}
    failure = ""
    try:
        with call.tx.savepoint():
            call.invoke("ecs", "UpdateService", request)
    except AwsError as error:
        failure = error.message
    _note(call, target, wanted, failure=failure)


def note_not_scaled(call: Call, target: ScalableTarget, wanted: Change, code: str) -> None:
    """Tell why nothing was done, once for each reason in a row."""
    last = next(iter(rows.list_activities(call.tx, target)), None)
    if last is None or (last.not_scaled, last.cause) != (code, wanted.cause):
        limit = target.maximum if code == "AlreadyAtMaxCapacity" else target.minimum
        _note(call, target, wanted, not_scaled=code, limit=limit)


def _note(
    call: Call,
    target: ScalableTarget,
    wanted: Change,
    *,
    failure: str = "",
    not_scaled: str = "",
    limit: int = 0,
) -> None:
    rows.expire_activities(call.tx, target, call.now)
    activity = Activity(
        account=target.account,
        region=target.region,
        resource_id=target.resource_id,
        sequence=rows.next_sequence(call.tx, target),
        id=call.ids.uuid(),
        started_at=call.now,
        cause=wanted.cause,
        before=wanted.before,
        after=wanted.after,
        base=wanted.base,
        cooldown_s=wanted.cooldown_s,
        by_policy=wanted.by_policy,
        ended_at=call.now if failure or not_scaled else None,
        failure=failure,
        not_scaled=not_scaled,
        limit=limit,
    )
    rows.put_activity(call.tx, activity)


def bring_within_bounds(call: Call, target: ScalableTarget) -> None:
    """After the bounds were set: a count outside of them is moved to the nearer one."""
    scaled = find_scaled(call, target.resource_id)
    if scaled is None:
        return
    within = target.clamp(scaled.desired)
    if within != scaled.desired:
        which = "minimum" if within > scaled.desired else "maximum"
        cause = f"{which} capacity was set to {within}"
        change(call, target, Change(cause, scaled.desired, within, scaled.desired))
