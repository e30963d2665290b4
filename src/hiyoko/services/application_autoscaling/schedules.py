"""Scheduled actions: other bounds at a time, once or again and again."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.application_autoscaling import rows, views
from hiyoko.services.application_autoscaling.changing import bring_within_bounds
from hiyoko.services.application_autoscaling.errors import not_found, too_many, validation
from hiyoko.services.application_autoscaling.model import ScalableTarget, ScheduledAction
from hiyoko.services.application_autoscaling.parsing import namespace_in, page, resource_in
from hiyoko.services.application_autoscaling.timing import (
    Schedule,
    ScheduleError,
    parse_schedule,
)

SCHEDULES_MAX = 200


@operation("PutScheduledAction")
def put_scheduled_action(call: Call, request: Request) -> Response:
    """Create a scheduled action, or change what the request names of it."""
    resource, name = resource_in(request), request["ScheduledActionName"]
    target = rows.get_target(call.tx, call.account, call.region, resource)
    old = rows.SCHEDULES.find(call.tx, **rows.place(target), name=name)
    if old is None and len(rows.SCHEDULES.list(call.tx, **rows.place(target))) >= SCHEDULES_MAX:
        raise too_many("scheduled actions for a scalable target")
    action = _wanted(request, old or _new(call, request, target))
    schedule = _schedule(action)
    begins, ends = action.starts_at, action.ends_at
    if begins is not None and ends is not None and begins >= ends:
        raise validation("The start time must be before the end time.")
    if old is None and schedule.at is not None and _due_after(action, call.now) is None:
        raise validation("The scheduled action's time is in the past.")
    # Only what is due from now on is done: a changed schedule has no past.
    rows.SCHEDULES.put(call.tx, replace(action, ran_at=call.now))
    return {}


def _new(call: Call, request: Request, target: ScalableTarget) -> ScheduledAction:
    if not request.get("Schedule"):
        raise validation("Schedule must be specified when a scheduled action is created.")
    name = request["ScheduledActionName"]
    arn = call.arn(
        "autoscaling",
        f"scheduledAction:{call.ids.uuid()}:resource/ecs/{target.resource_id}"
        f":scheduledActionName/{name}",
    )
    return ScheduledAction(call.account, call.region, target.resource_id, name, arn, "", call.now)


def _wanted(request: Request, old: ScheduledAction) -> ScheduledAction:
    bounds = request.get("ScalableTargetAction") or {}
    least = bounds.get("MinCapacity", old.minimum)
    most = bounds.get("MaxCapacity", old.maximum)
    if least is None and most is None:
        raise validation("ScalableTargetAction must specify MinCapacity, MaxCapacity or both.")
    if least is not None and most is not None and least > most:
        raise validation("Maximum capacity cannot be less than minimum capacity")
    return replace(
        old,
        schedule=request.get("Schedule") or old.schedule,
        timezone=request.get("Timezone") or old.timezone,
        starts_at=request.get("StartTime") or old.starts_at,
        ends_at=request.get("EndTime") or old.ends_at,
        minimum=least,
        maximum=most,
    )


def _schedule(action: ScheduledAction) -> Schedule:
    try:
        return parse_schedule(action.schedule, action.timezone)
    except ScheduleError as error:
        raise validation(f"Invalid schedule {action.schedule}: {error}.") from None


def _due_after(action: ScheduledAction, moment: float) -> float | None:
    """When an action is due next, within its start and end."""
    begins = action.created_at if action.starts_at is None else action.starts_at
    due = _schedule(action).next_after(moment, begins)
    if due is None or (action.ends_at is not None and due > action.ends_at):
        return None
    return due


@operation("DescribeScheduledActions")
def describe_scheduled_actions(call: Call, request: Request) -> Response:
    """Scheduled actions by name or resource."""
    namespace_in(request)
    where = {"account": call.account, "region": call.region}
    if request.get("ResourceId"):
        where["resource_id"] = resource_in(request)
    names = request.get("ScheduledActionNames")
    found = [one for one in rows.SCHEDULES.list(call.tx, **where) if not names or one.name in names]
    shown, more = page(found, request)
    return {"ScheduledActions": [views.action(one) for one in shown], **more}


@operation("DeleteScheduledAction")
def delete_scheduled_action(call: Call, request: Request) -> Response:
    """Delete a scheduled action; the bounds stay as it has set them."""
    resource, name = resource_in(request), request["ScheduledActionName"]
    key = {"account": call.account, "region": call.region, "resource_id": resource, "name": name}
    if not rows.SCHEDULES.delete(call.tx, **key):
        raise not_found("scheduled action found", resource, f", scheduled action name: {name}")
    return {}


@operation("_RunScheduledActions")
def run_scheduled_actions(call: Call, request: Request) -> Response:
    """Carry out what is due: once, also when it was due several times while nobody looked.

    ``Ran`` names them; ``Next`` is when the next one is due, None when there is none.
    """
    del request
    ran, due_times = [], []
    for action in rows.SCHEDULES.list(call.tx):
        since = action.created_at if action.ran_at is None else action.ran_at
        due = _due_after(action, since)
        if due is not None and due <= call.now:
            place = replace(call, account=action.account, region=action.region)
            _run(place, action)
            rows.SCHEDULES.put(call.tx, replace(action, ran_at=call.now))
            ran.append(action.name)
            due = _due_after(action, call.now)
        if due is not None:
            due_times.append(due)
    return {"Ran": ran, "Next": min(due_times, default=None)}


def _run(call: Call, action: ScheduledAction) -> None:
    target = rows.get_target(call.tx, call.account, call.region, action.resource_id)
    if target.schedules_suspended:
        return
    least = target.minimum if action.minimum is None else action.minimum
    most = target.maximum if action.maximum is None else action.maximum
    # An action that sets one bound beyond the other takes that one with it.
    if action.minimum is None:
        least = min(least, most)
    most = max(least, most)
    target = replace(target, minimum=least, maximum=most)
    rows.TARGETS.put(call.tx, target)
    bring_within_bounds(call, target)
