"""Services and their deployments as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hiyoko.services.ecs import connect_views
from hiyoko.services.ecs.model import (
    Deployment,
    Event,
    LoadBalancer,
    Network,
    Registry,
    Service,
    TaskView,
)

if TYPE_CHECKING:
    from hiyoko.services.ecs.rollout import DeploymentStrategy
from hiyoko.services.ecs.views import PLATFORM, Shape, strategy, without_none


def network(one: Network) -> Shape:
    """A networkConfiguration."""
    return {
        "awsvpcConfiguration": {
            "subnets": list(one.subnets),
            "securityGroups": list(one.groups),
            "assignPublicIp": "ENABLED" if one.public_ip else "DISABLED",
        }
    }


def load_balancers(items: tuple[LoadBalancer, ...]) -> list[Shape]:
    """A service's ``loadBalancers``."""
    return [_load_balancer(one) for one in items]


def _load_balancer(one: LoadBalancer) -> Shape:
    shape: Shape = {
        "targetGroupArn": one.group_arn,
        "containerName": one.container,
        "containerPort": one.port,
    }
    if one.advanced is not None:
        advanced = {
            "alternateTargetGroupArn": one.advanced.alternate_arn,
            "productionListenerRule": one.advanced.production_rule,
            "testListenerRule": one.advanced.test_rule or None,
            "roleArn": one.advanced.role,
        }
        shape["advancedConfiguration"] = without_none(advanced)
    return shape


def registries(items: tuple[Registry, ...]) -> list[Shape]:
    """A service's ``serviceRegistries``."""
    return [
        without_none(
            {
                "registryArn": one.arn,
                "port": one.port or None,
                "containerName": one.container or None,
                "containerPort": one.container_port or None,
            }
        )
        for one in items
    ]


def service(one: Service, status: str, tasks: Sequence[TaskView], events: Sequence[Event]) -> Shape:
    """A service; counts and statuses come from its tasks."""
    primary = one.primary
    running, pending = counts(tasks)
    shape: Shape = {
        "serviceArn": one.arn,
        "serviceName": one.name,
        "clusterArn": one.cluster,
        "loadBalancers": load_balancers(primary.load_balancers),
        "serviceRegistries": registries(primary.registries),
        "status": status,
        "desiredCount": one.desired_count,
        "runningCount": running,
        "pendingCount": pending,
        "platformVersion": one.platform_version,
        "platformFamily": "Linux",
        "taskDefinition": primary.definition_arn,
        "deploymentConfiguration": deployment_configuration(one),
        "deployments": [
            _deployment(one, item, tasks) for item in one.deployments if status != "INACTIVE"
        ],
        "roleArn": f"arn:aws:iam::{one.account}:role/aws-service-role/ecs.amazonaws.com/"
        "AWSServiceRoleForECS",
        "events": [
            {"id": event.id, "createdAt": event.created_at, "message": event.message}
            for event in events
        ],
        "createdAt": one.created_at,
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": network(primary.network),
        "healthCheckGracePeriodSeconds": one.grace_s,
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "createdBy": one.created_by,
        "enableECSManagedTags": one.managed_tags,
        "propagateTags": one.propagate_tags,
        "enableExecuteCommand": one.exec_enabled,
        "availabilityZoneRebalancing": "ENABLED" if one.rebalancing else "DISABLED",
    }
    if one.strategy:
        shape["capacityProviderStrategy"] = strategy(one.strategy)
    else:
        shape["launchType"] = one.launched_by
    return without_none(shape)


def deployment_configuration(one: Service) -> Shape:
    """A service's ``deploymentConfiguration``."""
    breaker: Shape = {"enable": one.breaker, "rollback": one.rollback}
    if one.threshold is not None:
        kind, value = one.threshold
        breaker["thresholdConfiguration"] = {"type": kind, "value": value}
    if one.reset_on_healthy is not None:
        breaker["resetOnHealthyTask"] = one.reset_on_healthy
    return {
        "deploymentCircuitBreaker": breaker,
        "maximumPercent": one.maximum_percent,
        "minimumHealthyPercent": one.minimum_percent,
        **_strategy(one.deployment_strategy),
    }


def _strategy(one: DeploymentStrategy) -> Shape:
    shape: Shape = {"strategy": one.kind, "bakeTimeInMinutes": one.bake_min or 0}
    if one.alarms is not None:
        shape["alarms"] = {
            "alarmNames": list(one.alarms.names),
            "enable": one.alarms.enabled,
            "rollback": one.alarms.rollback,
        }
    if one.step is not None:
        name = "step" if one.kind == "LINEAR" else "canary"
        shape[f"{one.kind.lower()}Configuration"] = {
            f"{name}Percent": one.step.percent,
            f"{name}BakeTimeInMinutes": one.step.bake_min,
        }
    if one.hooks:
        shape["lifecycleHooks"] = [
            {
                "targetType": "PAUSE",
                "lifecycleStages": list(hook.stages),
                "timeoutConfiguration": {
                    "timeoutInMinutes": hook.timeout_min,
                    "action": hook.action,
                },
            }
            for hook in one.hooks
        ]
    if one.early is not None:
        shape["earlySuccessCriteria"] = {
            "enable": True,
            "healthyPercent": one.early.percent,
            "sourceServiceRevisionCleanup": "DEFERRED" if one.early.deferred else "BLOCKING",
        }
    return shape


def counts(tasks: Sequence[TaskView]) -> tuple[int, int]:
    """How many tasks run, and how many are on their way there."""
    states = [view.status for view in tasks]
    pending = sum(states.count(state) for state in ("PROVISIONING", "PENDING", "ACTIVATING"))
    return states.count("RUNNING"), pending


def _deployment(one: Service, item: Deployment, tasks: Sequence[TaskView]) -> Shape:
    running, pending = counts([view for view in tasks if view.task.deployment == item.id])
    primary = item is one.primary
    shape: Shape = {
        "id": item.id,
        "status": "PRIMARY" if primary else "ACTIVE",
        "taskDefinition": item.definition_arn,
        "desiredCount": one.desired_count if item.id in one.kept else 0,
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": item.failed_tasks,
        "createdAt": item.created_at,
        "updatedAt": item.updated_at,
        "platformVersion": PLATFORM,
        "platformFamily": "Linux",
        "networkConfiguration": network(item.network),
        "rolloutState": item.rollout,
        "rolloutStateReason": rollout_reason(item),
    }
    if item.connect is not None:
        shape["serviceConnectConfiguration"] = connect_views.shown(item.connect)
        shape["serviceConnectResources"] = connect_views.resources(item.connect)
    if one.strategy:
        shape["capacityProviderStrategy"] = strategy(one.strategy)
    else:
        shape["launchType"] = one.launched_by
    return shape


def rollout_reason(item: Deployment) -> str:
    """A deployment's rolloutStateReason."""
    match item.rollout:
        case "FAILED" if item.why:
            return f"ECS deployment failed: {item.why}"
        case "FAILED":
            return "ECS deployment circuit breaker: tasks failed to start."
        case "COMPLETED":
            return f"ECS deployment {item.id} completed."
        case _ if item.rolling_back_to:
            cause = "ECS deployment rollback" if item.why else "ECS deployment circuit breaker"
            return f"{cause}: rolling back to deploymentId {item.rolling_back_to}."
        case _:
            return f"ECS deployment {item.id} in progress."
