"""The history of a service: its deployments and revisions, and a deployment turned back."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ecs import deployment_views, deployments, names, rows, sight, views
from hiyoko.services.ecs.errors import (
    Conflict,
    InvalidParameter,
    ServiceDeploymentNotFound,
    ServiceNotFound,
)
from hiyoko.services.ecs.model import Service
from hiyoko.services.ecs.rollout import ServiceDeployment

DESCRIBED_MAX = 20


@operation("ListServiceDeployments")
def list_service_deployments(call: Call, request: Request) -> Response:
    """The deployments of a service, newest first, twenty a page."""
    cluster = names.cluster_of(call, request.get("cluster"))
    service = names.find_service(call, cluster, request["service"])
    if service is None:
        raise ServiceNotFound
    wanted = request.get("status") or ()
    created = request.get("createdAt") or {}
    found = {
        one.arn: one
        for one in rows.list_service_deployments(call.tx, service.arn)
        if (not wanted or one.status in wanted) and _created(one, created)
    }
    page = names.page(found, request, "serviceDeployments", size=20)
    shown = [deployment_views.brief(found[arn]) for arn in page["serviceDeployments"]]
    return {**page, "serviceDeployments": shown}


def _created(one: ServiceDeployment, asked: Request) -> bool:
    before, after = asked.get("before"), asked.get("after")
    return (before is None or one.created_at < names.seconds(before)) and (
        after is None or one.created_at > names.seconds(after)
    )


def _few(arns: list[str], member: str) -> list[str]:
    if not arns:
        raise InvalidParameter(f"{member} cannot be empty.")
    if len(arns) > DESCRIBED_MAX:
        raise InvalidParameter(f"{member} cannot have more than {DESCRIBED_MAX} items.")
    return arns


@operation("DescribeServiceDeployments")
def describe_service_deployments(call: Call, request: Request) -> Response:
    """Describe deployments; unknown ones are named in ``failures``."""
    shown, failures = [], []
    for arn in _few(request["serviceDeploymentArns"], "Service deployment ARNs"):
        one = rows.SERVICE_DEPLOYMENTS.find(call.tx, arn=arn)
        service = rows.find_service(call.tx, one.service) if one is not None else None
        if one is None or service is None or not _own(call, arn):
            failures.append(views.missing(arn))
            continue
        tasks = sight.service_views(call.tx, service.arn)
        shown.append(deployment_views.record(one, service, tasks))
    return {"serviceDeployments": shown, "failures": failures}


@operation("DescribeServiceRevisions")
def describe_service_revisions(call: Call, request: Request) -> Response:
    """Describe revisions; unknown ones are named in ``failures``."""
    shown, failures = [], []
    for arn in _few(request["serviceRevisionArns"], "Service revision ARNs"):
        one = rows.REVISIONS.find(call.tx, arn=arn)
        if one is None or not _own(call, arn):
            failures.append(views.missing(arn))
        else:
            shown.append(deployment_views.revision(one))
    return {"serviceRevisions": shown, "failures": failures}


def _own(call: Call, arn: str) -> bool:
    return arn.startswith(call.arn("ecs", ""))


@operation("StopServiceDeployment")
def stop_service_deployment(call: Call, request: Request) -> Response:
    """Wish that an ongoing deployment be rolled back; asking again changes nothing."""
    arn = request["serviceDeploymentArn"]
    if (request.get("stopType") or "ROLLBACK") != "ROLLBACK":
        raise unsupported("stopType", request["stopType"])
    one = rows.SERVICE_DEPLOYMENTS.find(call.tx, arn=arn)
    if one is None or not _own(call, arn):
        raise ServiceDeploymentNotFound
    if one.ended:
        raise Conflict(f"The service deployment is in the {one.status} state and can't be stopped.")
    service = rows.find_service(call.tx, one.service)
    assert service is not None, "a service's history goes with it"
    if one.rollback is None and service.primary.record == arn:
        _request_rollback(call, service, one)
    return {"serviceDeploymentArn": arn}


def _request_rollback(call: Call, service: Service, one: ServiceDeployment) -> None:
    rows.SERVICE_DEPLOYMENTS.put(
        call.tx, replace(one, rollback_requested_at=call.now, updated_at=call.now)
    )
    primary = replace(service.primary, rollback_requested=True, updated_at=call.now)
    rows.put_service(call.tx, replace(service, deployments=(primary, *service.deployments[1:])))


@operation("ContinueServiceDeployment")
def continue_service_deployment(call: Call, request: Request) -> Response:
    """Answer a deployment that waits at a pause hook: go on, or back."""
    arn = request["serviceDeploymentArn"]
    one = rows.SERVICE_DEPLOYMENTS.find(call.tx, arn=arn)
    if one is None or not _own(call, arn):
        raise ServiceDeploymentNotFound
    service = rows.find_service(call.tx, one.service)
    assert service is not None, "a service's history goes with it"
    pauses = service.primary.pauses if service.primary.record == arn and not one.ended else ()
    pause = next((p for p in pauses if p.id == request["hookId"]), None)
    if pause is None:
        raise InvalidParameter(f"The hook {request['hookId']} was not found.")
    if not pause.waits or one.status != "IN_PROGRESS":
        raise InvalidParameter(f"The hook {pause.id} is not in the AWAITING_ACTION status.")
    action = request.get("action") or "CONTINUE"
    status = "SUCCEEDED" if action == "CONTINUE" else "FAILED"
    deployments.answer_pause(call, service, pause, action, status)
    return {"serviceDeploymentArn": arn}
