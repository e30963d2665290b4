"""Scalable targets: which services follow, within which bounds."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.application_autoscaling import rows, views
from hiyoko.services.application_autoscaling.changing import bring_within_bounds, get_scaled
from hiyoko.services.application_autoscaling.errors import no_resource, not_found, validation
from hiyoko.services.application_autoscaling.model import ScalableTarget
from hiyoko.services.application_autoscaling.parsing import namespace_in, page, resource_in
from hiyoko.services.application_autoscaling.policies import delete_alarms

TAGS_MAX = 50
_ROLE = (
    "aws-service-role/ecs.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_ECSService"
)


@operation("RegisterScalableTarget")
def register_scalable_target(call: Call, request: Request) -> Response:
    """Register a service, or change its bounds; its count is brought within them."""
    resource = resource_in(request)
    old = rows.find_target(call.tx, call.account, call.region, resource)
    if old is None:
        get_scaled(call, resource)
    target = _suspended(request, _bounded(call, request, resource, old))
    rows.TARGETS.put(call.tx, target)
    bring_within_bounds(call, target)
    return {"ScalableTargetARN": target.arn}


def _bounded(
    call: Call, request: Request, resource: str, old: ScalableTarget | None
) -> ScalableTarget:
    least, most = request.get("MinCapacity"), request.get("MaxCapacity")
    if old is None:
        if least is None or most is None:
            raise validation(
                "MinCapacity and MaxCapacity must be specified when a scalable target is"
                " registered."
            )
        old = ScalableTarget(
            call.account,
            call.region,
            resource,
            call.arn("application-autoscaling", f"scalable-target/{call.ids.hex(32)}"),
            request.get("RoleARN") or f"arn:aws:iam::{call.account}:role/{_ROLE}",
            least,
            most,
            call.now,
            tags=tuple((request.get("Tags") or {}).items()),
        )
    elif request.get("Tags"):
        raise validation("Tags can only be specified when a scalable target is registered.")
    least, most = old.minimum if least is None else least, old.maximum if most is None else most
    if least < 0:
        raise validation("MinCapacity must not be negative.")
    if least > most:
        raise validation("Maximum capacity cannot be less than minimum capacity")
    return replace(old, minimum=least, maximum=most, role=request.get("RoleARN") or old.role)


def _suspended(request: Request, target: ScalableTarget) -> ScalableTarget:
    """What a SuspendedState leaves out stays as it was."""
    state = request.get("SuspendedState") or {}
    return replace(
        target,
        in_suspended=state.get("DynamicScalingInSuspended", target.in_suspended),
        out_suspended=state.get("DynamicScalingOutSuspended", target.out_suspended),
        schedules_suspended=state.get("ScheduledScalingSuspended", target.schedules_suspended),
    )


@operation("DescribeScalableTargets")
def describe_scalable_targets(call: Call, request: Request) -> Response:
    """The scalable targets, all or by resource id."""
    namespace_in(request)
    wanted = request.get("ResourceIds")
    found = [
        one
        for one in rows.TARGETS.list(call.tx, account=call.account, region=call.region)
        if not wanted or one.resource_id in wanted
    ]
    shown, more = page(found, request)
    return {"ScalableTargets": [views.target(one) for one in shown], **more}


@operation("DeregisterScalableTarget")
def deregister_scalable_target(call: Call, request: Request) -> Response:
    """Let a service go, with its policies, their alarms and its scheduled actions."""
    resource = resource_in(request)
    target = rows.find_target(call.tx, call.account, call.region, resource)
    if target is None:
        raise not_found("scalable target found", resource)
    for policy in rows.list_policies(call.tx, target):
        delete_alarms(call, policy)
    for table in (rows.POLICIES, rows.SCHEDULES, rows.TARGETS):
        table.delete(call.tx, **rows.place(target))
    return {}


def _tagged(call: Call, request: Request) -> ScalableTarget:
    target = rows.TARGETS.find(call.tx, arn=request["ResourceARN"])
    if target is None or (target.account, target.region) != (call.account, call.region):
        raise no_resource(request["ResourceARN"])
    return target


@operation("TagResource")
def tag_resource(call: Call, request: Request) -> Response:
    """Add tags to a scalable target, or give present ones a new value."""
    target = _tagged(call, request)
    tags = {**dict(target.tags), **request["Tags"]}
    if len(tags) > TAGS_MAX:
        raise AwsError(
            "TooManyTagsException",
            f"A resource can have at most {TAGS_MAX} tags.",
            fields={"ResourceName": target.arn},
        )
    rows.TARGETS.put(call.tx, replace(target, tags=tuple(tags.items())))
    return {}


@operation("UntagResource")
def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags of a scalable target."""
    target = _tagged(call, request)
    kept = tuple(tag for tag in target.tags if tag[0] not in request["TagKeys"])
    rows.TARGETS.put(call.tx, replace(target, tags=kept))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """A scalable target's tags."""
    return {"Tags": dict(_tagged(call, request).tags)}
