"""Scaling activities: told, and ended when ECS has fulfilled them."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.application_autoscaling import rows, views
from hiyoko.services.application_autoscaling.changing import find_scaled
from hiyoko.services.application_autoscaling.errors import validation
from hiyoko.services.application_autoscaling.model import Activity
from hiyoko.services.application_autoscaling.parsing import namespace_in, page, resource_in


@operation("DescribeScalingActivities")
def describe_scaling_activities(call: Call, request: Request) -> Response:
    """What was done in the last six weeks, newest first; on request also what was not."""
    namespace_in(request)
    where = {"account": call.account, "region": call.region}
    if request.get("ResourceId"):
        where["resource_id"] = resource_in(request)
    elif request.get("ScalableDimension"):
        raise validation("ResourceId must be specified with ScalableDimension.")
    found = [
        one
        for one in rows.ACTIVITIES.list(call.tx, **where)
        if not one.not_scaled or request.get("IncludeNotScaledActivities")
    ]
    found.sort(key=lambda one: (one.started_at, one.sequence), reverse=True)
    shown, more = page(found, request)
    return {"ScalingActivities": [views.activity(one) for one in shown], **more}


@operation("_EndActivities")
def end_activities(call: Call, request: Request) -> Response:
    """Note which changes ECS has fulfilled by now, or somebody has undone; ``Ended``."""
    del request
    ended = []
    for activity in rows.ACTIVITIES.list(call.tx, unfulfilled=1):
        place = replace(call, account=activity.account, region=activity.region)
        over = _over(place, activity)
        if over is not None:
            rows.put_activity(call.tx, over)
            ended.append(activity.resource_id)
    return {"Ended": ended}


def _over(call: Call, activity: Activity) -> Activity | None:
    """The activity as it ended; None while it goes on."""
    scaled = find_scaled(call, activity.resource_id)
    if scaled is None or scaled.desired != activity.after:
        return replace(activity, overridden_at=call.now)
    _, cluster, name = activity.resource_id.split("/")
    request = {"cluster": cluster, "services": [name]}
    [shown] = call.invoke("ecs", "DescribeServices", request)["services"]
    if shown["runningCount"] != activity.after or shown["pendingCount"]:
        return None
    return replace(activity, ended_at=call.now)
