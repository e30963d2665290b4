"""Service deployments and service revisions as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiyoko.services.ecs import connect_views, service_views, views
from hiyoko.services.ecs.model import Deployment, Service, ServiceRevision, TaskView
from hiyoko.services.ecs.rollout import Pause, ServiceDeployment

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
        "deploymentConfiguration": service_views.deployment_configuration(service),
        "deploymentCircuitBreaker": _breaker(one, service),
        "alarms": _alarms(one, service),
    }
    if one.stage:
        shape["lifecycleStage"] = one.stage
        shape["targetServiceRevision"] |= _weights(one.weight, one.test_weight)
        for source in shape["sourceServiceRevisions"]:
            source |= _weights(100.0 - one.weight, 100.0 - one.test_weight)
    primary = service.primary
    if primary.record == one.arn and primary.pauses and not one.ended:
        shape["lifecycleHookDetails"] = [_pause(pause) for pause in primary.pauses]
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
    running, pending = service_views.counts([view for view in tasks if view.task.deployment in ids])
    wanted = service.primary.revision == arn
    return {
        "arn": arn,
        "requestedTaskCount": service.desired_count if wanted and not ended else requested,
        "runningTaskCount": running,
        "pendingTaskCount": pending,
    }


def _weights(production: float, test: float) -> Shape:
    return {
        "requestedProductionTrafficWeight": production,
        "requestedTestTrafficWeight": test,
    }


def _pause(one: Pause) -> Shape:
    return {
        "hookId": one.id,
        "targetType": "PAUSE",
        "status": one.status,
        "expiresAt": one.expires_at,
        "timeoutAction": one.action,
    }


def _alarms(one: ServiceDeployment, service: Service) -> Shape:
    watched = service.deployment_strategy.alarms
    if watched is None or not watched.enabled:
        return {"status": "DISABLED", "alarmNames": [], "triggeredAlarmNames": []}
    status = "MONITORING_COMPLETE" if one.ended else "MONITORING"
    return {
        "status": "TRIGGERED" if one.alarmed else status,
        "alarmNames": list(watched.names),
        "triggeredAlarmNames": list(one.alarmed),
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
        "loadBalancers": service_views.load_balancers(one.load_balancers),
        "serviceRegistries": service_views.registries(one.registries),
        "serviceConnectConfiguration": connect_views.shown(one.connect),
        "networkConfiguration": service_views.network(one.network),
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
    if any(balancer.advanced for balancer in one.load_balancers):
        shape["resolvedConfiguration"] = {"loadBalancers": _resolved(one)}
    return shape


def _resolved(one: ServiceRevision) -> list[Shape]:
    return [
        {
            "targetGroupArn": group,
            "productionListenerRule": balancer.advanced.production_rule,
        }
        for balancer, group in zip(one.load_balancers, one.groups, strict=True)
        if balancer.advanced is not None
    ]


def current_revisions(service: Service, tasks: Sequence[TaskView]) -> list[Shape]:
    """The revisions that a service has tasks of, the newest first."""
    shown: list[Shape] = []
    deployments: tuple[Deployment, ...] = service.deployments
    for one in deployments:
        if one.revision and one.revision not in [shape["arn"] for shape in shown]:
            requested = service.desired_count if one.id in service.kept else 0
            shown.append(_summary(service, one.revision, requested, tasks, ended=False))
    return shown
