"""Service deployments and service revisions as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiyoko.services.ecs import connect_views, views
from hiyoko.services.ecs.model import (
    Deployment,
    Service,
    ServiceDeployment,
    ServiceRevision,
    TaskView,
)

Shape = dict[str, Any]


def _present(shape: Shape) -> Shape:
    return {name: value for name, value in shape.items() if value is not None}


def brief(one: ServiceDeployment) -> Shape:
    """A line of ListServiceDeployments."""
    return _present(
        {
            "serviceDeploymentArn": one.arn,
            "serviceArn": one.service,
            "clusterArn": one.cluster,
            "createdAt": one.created_at,
            "startedAt": one.started_at,
            "finishedAt": one.finished_at,
            "targetServiceRevisionArn": one.target,
            "status": one.status,
            "statusReason": one.reason or None,
        }
    )


def record(one: ServiceDeployment, service: Service, tasks: Sequence[TaskView]) -> Shape:
    """A service deployment. While it lasts, its counts are those of the tasks there are."""
    shape = brief(one)
    del shape["targetServiceRevisionArn"]
    shape |= {
        "updatedAt": one.updated_at,
        "stoppedAt": one.stopped_at,
        "sourceServiceRevisions": [
            _summary(service, arn, requested, tasks, ended=one.ended)
            for arn, requested in one.sources
            if arn
        ],
        "targetServiceRevision": _summary(
            service, one.target, one.requested, tasks, ended=one.ended
        ),
        "deploymentConfiguration": views.deployment_configuration(service),
        "deploymentCircuitBreaker": _breaker(one, service),
        "alarms": {"status": "DISABLED", "alarmNames": [], "triggeredAlarmNames": []},
    }
    if one.rollback is not None:
        shape["rollback"] = _present(
            {
                "reason": f"Service deployment rolled back {one.rollback.why}",
                "startedAt": one.rollback.at,
                "serviceRevisionArn": one.rollback.revision or None,
            }
        )
    return _present(shape)


def _summary(
    service: Service, arn: str, requested: int, tasks: Sequence[TaskView], *, ended: bool
) -> Shape:
    ids = {one.id for one in service.deployments if one.revision == arn}
    running, pending = views.counts([view for view in tasks if view.task.deployment in ids])
    wanted = service.primary.revision == arn
    return {
        "arn": arn,
        "requestedTaskCount": service.desired_count if wanted and not ended else requested,
        "runningTaskCount": running,
        "pendingTaskCount": pending,
    }


def _breaker(one: ServiceDeployment, service: Service) -> Shape:
    if not service.breaker:
        status = "DISABLED"
    elif one.triggered:
        status = "TRIGGERED"
    else:
        status = "MONITORING_COMPLETE" if one.ended else "MONITORING"
    lasting = one.rollback is None and not one.ended and service.primary.record == one.arn
    failures = service.primary.failed_tasks if lasting else one.failures
    return {"status": status, "failureCount": failures, "threshold": service.breaker_threshold}


def revision(one: ServiceRevision) -> Shape:
    """A service revision. A container whose tag is not resolved shows no digest."""
    shape: Shape = {
        "serviceRevisionArn": one.arn,
        "serviceArn": one.service,
        "clusterArn": one.cluster,
        "taskDefinition": one.definition_arn,
        "platformVersion": views.PLATFORM,
        "platformFamily": "Linux",
        "loadBalancers": views.load_balancers(one.load_balancers),
        "serviceRegistries": views.registries(one.registries),
        "serviceConnectConfiguration": connect_views.shown(one.connect),
        "networkConfiguration": views.network(one.network),
        "containerImages": [
            _present(
                {
                    "containerName": image.container,
                    "image": image.image,
                    "imageDigest": image.digest or image.image.partition("@")[2] or None,
                }
            )
            for image in one.images
        ],
        "guardDutyEnabled": False,
        "createdAt": one.created_at,
    }
    if one.strategy:
        shape["capacityProviderStrategy"] = views.strategy(one.strategy)
    else:
        shape["launchType"] = one.launched_by
    return shape


def current_revisions(service: Service, tasks: Sequence[TaskView]) -> list[Shape]:
    """The revisions that a service has tasks of, the newest first."""
    shown: list[Shape] = []
    deployments: tuple[Deployment, ...] = service.deployments
    for one in deployments:
        if one.revision and one.revision not in [shape["arn"] for shape in shown]:
            requested = service.desired_count if one.revision == service.primary.revision else 0
            shown.append(_summary(service, one.revision, requested, tasks, ended=False))
    return shown
