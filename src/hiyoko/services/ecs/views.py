"""Models as the API shows them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hiyoko.services.ecs import connect_views, exec_logging
from hiyoko.services.ecs.model import (
    Cluster,
    ContainerDefinition,
    ContainerOverride,
    Deployment,
    Event,
    HealthCheck,
    LoadBalancer,
    Network,
    Overrides,
    Registry,
    RestartPolicy,
    Service,
    Tags,
    TaskDefinition,
    TaskView,
)
from hiyoko.services.ecs.names import tags_out

if TYPE_CHECKING:
    from hiyoko.services.ecs.rollout import DeploymentStrategy
    from hiyoko.services.ecs.seen import ContainerSeen
    from hiyoko.services.ecs.sight import Counts

Shape = dict[str, Any]
PLATFORM = "1.4.0"
"""What LATEST means on Linux."""
EPHEMERAL_GIB = 20


def missing(arn: str) -> Shape:
    """A failure entry of a describe operation."""
    return {"arn": arn, "reason": "MISSING"}


def _pairs(tags: Tags) -> list[Shape]:
    return [{"name": key, "value": value} for key, value in tags]


def _without_none(shape: Mapping[str, Any]) -> Shape:
    return {key: value for key, value in shape.items() if value is not None}


def strategy(items: tuple[tuple[str, int, int], ...]) -> list[Shape]:
    """A capacity provider strategy."""
    return [
        {"capacityProvider": name, "weight": weight, "base": base} for name, weight, base in items
    ]


def cluster(one: Cluster, counts: Counts, include: Container[str]) -> Shape:
    """A cluster with what ``include`` names."""
    return {
        "clusterArn": one.arn,
        "clusterName": one.name,
        "status": "ACTIVE" if one.deleted_at is None else "INACTIVE",
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": counts.running,
        "pendingTasksCount": counts.pending,
        "activeServicesCount": counts.active_services,
        "statistics": [],
        "tags": tags_out(one.tags) if "TAGS" in include else [],
        "settings": [{"name": "containerInsights", "value": one.container_insights}]
        if "SETTINGS" in include
        else [],
        "capacityProviders": list(one.capacity_providers),
        "defaultCapacityProviderStrategy": strategy(one.strategy),
        **_connect_defaults(one),
        **(exec_logging.configuration(one) if "CONFIGURATIONS" in include else {}),
    }


def _connect_defaults(one: Cluster) -> Shape:
    if not one.connect_namespace:
        return {}
    return {"serviceConnectDefaults": {"namespace": one.connect_namespace}}


def definition(one: TaskDefinition) -> Shape:
    """A task definition."""
    shape: Shape = {
        "taskDefinitionArn": one.arn,
        "containerDefinitions": [_container_definition(container) for container in one.containers],
        "family": one.family,
        "networkMode": "awsvpc",
        "revision": one.revision,
        "volumes": [{"name": name, "host": {}} for name in one.volumes],
        "status": one.status,
        "requiresAttributes": [{"name": name} for name in _attributes(one)],
        "placementConstraints": [],
        "compatibilities": ["EC2", "FARGATE"],
        "cpu": one.cpu,
        "memory": one.memory,
        "registeredAt": one.registered_at,
        "registeredBy": one.registered_by,
        "taskRoleArn": one.task_role or None,
        "executionRoleArn": one.execution_role or None,
        "requiresCompatibilities": list(one.requires) or None,
        "deregisteredAt": one.deregistered_at,
        "deleteRequestedAt": one.delete_requested_at,
        "pidMode": one.pid_mode or None,
        "ephemeralStorage": {"sizeInGiB": one.ephemeral_gib} if one.ephemeral_gib else None,
    }
    platform = {
        "cpuArchitecture": one.cpu_architecture or None,
        "operatingSystemFamily": one.operating_system or None,
    }
    if any(platform.values()):
        shape["runtimePlatform"] = _without_none(platform)
    return _without_none(shape)


def _attributes(one: TaskDefinition) -> list[str]:
    names = ["com.amazonaws.ecs.capability.docker-remote-api.1.18", "ecs.capability.task-eni"]
    if one.task_role:
        names.append("com.amazonaws.ecs.capability.task-iam-role")
    if any(container.secrets for container in one.containers):
        names.append("ecs.capability.secrets.asm.environment-variables")
        names.append("ecs.capability.secrets.ssm.environment-variables")
    if any(container.environment_files for container in one.containers):
        names.append("ecs.capability.env-files.s3")
    names += _log_attributes(one)
    return names


def _log_attributes(one: TaskDefinition) -> list[str]:
    logs = [container.log for container in one.containers if container.log is not None]
    names = []
    if any(not log.routed for log in logs):
        names.append("com.amazonaws.ecs.capability.logging-driver.awslogs")
        names.append("ecs.capability.execution-role-awslogs")
    if any(log.routed for log in logs):
        names.append("com.amazonaws.ecs.capability.logging-driver.awsfirelens")
    if any(log.secrets for log in logs):
        names.append("ecs.capability.secrets.asm.bootstrap.log-driver")
        names.append("ecs.capability.secrets.ssm.bootstrap.log-driver")
    router = one.router
    if router is not None and router.firelens is not None:
        names.append(f"ecs.capability.firelens.{router.firelens.kind}")
        if router.firelens.option("config-file-type"):
            names.append("ecs.capability.firelens.options.config.file")
    return names


def _container_definition(one: ContainerDefinition) -> Shape:
    shape: Shape = {
        "name": one.name,
        "image": one.image,
        "cpu": one.cpu,
        "memory": one.memory,
        "memoryReservation": one.memory_reservation,
        "portMappings": [
            {
                "containerPort": port.container_port,
                "hostPort": port.container_port,
                "protocol": port.protocol,
                **({"name": port.name} if port.name else {}),
                **({"appProtocol": port.app_protocol} if port.app_protocol else {}),
            }
            for port in one.ports
        ],
        "essential": one.essential,
        "entryPoint": list(one.entry_point) or None,
        "command": list(one.command) or None,
        "environment": _pairs(one.environment),
        "mountPoints": [
            {"sourceVolume": m.volume, "containerPath": m.path, "readOnly": m.read_only}
            for m in one.mounts
        ],
        "volumesFrom": [
            {"sourceContainer": name, "readOnly": read_only} for name, read_only in one.volumes_from
        ],
        "systemControls": [
            {"namespace": name, "value": value} for name, value in one.system_controls
        ],
        "secrets": [{"name": n, "valueFrom": source} for n, source in one.secrets] or None,
        "environmentFiles": [{"value": arn, "type": "s3"} for arn in one.environment_files] or None,
        "ulimits": [
            {"name": limit.name, "softLimit": limit.soft, "hardLimit": limit.hard}
            for limit in one.ulimits
        ]
        or None,
        "linuxParameters": _linux(one),
        "user": one.user or None,
        "workingDirectory": one.working_directory or None,
        "readonlyRootFilesystem": one.read_only_root,
        "stopTimeout": one.stop_timeout_s,
        "dockerLabels": dict(one.docker_labels) or None,
        "dependsOn": [
            {"containerName": name, "condition": condition} for name, condition in one.depends_on
        ]
        or None,
        "healthCheck": _health(one.health) if one.health else None,
        "startTimeout": one.start_timeout_s,
        "restartPolicy": _restart(one.restart) if one.restart else None,
        "versionConsistency": one.version_consistency or None,
        "interactive": one.interactive,
        "pseudoTerminal": one.pseudo_terminal,
    }
    if one.log is not None:
        shape["logConfiguration"] = {
            "logDriver": one.log.driver,
            "options": dict(one.log.options),
            "secretOptions": [
                {"name": name, "valueFrom": source} for name, source in one.log.secrets
            ],
        }
    if one.firelens is not None:
        shape["firelensConfiguration"] = _without_none(
            {"type": one.firelens.kind, "options": dict(one.firelens.options) or None}
        )
    return _without_none(shape)


def _linux(one: ContainerDefinition) -> Shape | None:
    shape: Shape = {}
    if one.init_process:
        shape["initProcessEnabled"] = True
    if one.capabilities or one.dropped:
        shape["capabilities"] = {
            **({"add": list(one.capabilities)} if one.capabilities else {}),
            **({"drop": list(one.dropped)} if one.dropped else {}),
        }
    return shape or None


def _restart(one: RestartPolicy) -> Shape:
    return {
        "enabled": one.enabled,
        "ignoredExitCodes": list(one.ignored_exit_codes),
        "restartAttemptPeriod": one.period_s,
    }


def _health(one: HealthCheck) -> Shape:
    return _without_none(
        {
            "command": list(one.command),
            "interval": one.interval_s,
            "timeout": one.timeout_s,
            "retries": one.retries,
            "startPeriod": one.start_period_s,
        }
    )


def task(view: TaskView, include: Container[str] = ()) -> Shape:
    """A task with the status that wish and sighting give."""
    one, stop, seen = view.task, view.stop, view.seen
    shape: Shape = {
        "attachments": [_attachment(view)],
        "attributes": [{"name": "ecs.cpu-architecture", "value": view.architecture}],
        "availabilityZone": one.zone,
        "clusterArn": one.cluster,
        "connectivity": "CONNECTED" if view.attached_at is not None else None,
        "connectivityAt": view.attached_at,
        "containers": [
            *(_container(view, container, sight) for container, sight in view.pairs),
            *_proxy(view),
        ],
        "cpu": one.cpu,
        "createdAt": one.created_at,
        "desiredStatus": view.desired_status,
        "enableExecuteCommand": one.exec_enabled,
        "ephemeralStorage": {"sizeInGiB": view.ephemeral_gib or EPHEMERAL_GIB},
        "fargateEphemeralStorage": {"sizeInGiB": view.ephemeral_gib or EPHEMERAL_GIB},
        "group": one.group,
        "healthStatus": view.health,
        "lastStatus": view.status,
        "memory": one.memory,
        "overrides": _overrides(view.definition, one.overrides),
        "platformVersion": PLATFORM,
        "platformFamily": "Linux",
        "pullStartedAt": seen.pull_started_at if seen else None,
        "pullStoppedAt": seen.pull_stopped_at if seen else None,
        "executionStoppedAt": view.executed_until,
        "startedAt": view.started_at,
        "startedBy": one.started_by or None,
        "stopCode": stop.code if stop else None,
        "stoppedReason": stop.reason if stop else None,
        "stoppingAt": stop.at if stop else None,
        "stoppedAt": one.ended_at,
        "tags": tags_out(one.tags) if "TAGS" in include else [],
        "taskArn": one.arn,
        "taskDefinitionArn": one.definition_arn,
        "version": _version(view),
    }
    shape.update(_launched(one.launched_by, task=True))
    return _without_none(shape)


def _launched(launched_by: str, *, task: bool) -> Shape:
    if launched_by.startswith("provider:"):
        provider = launched_by.removeprefix("provider:")
        return {"capacityProviderName": provider, "launchType": "FARGATE"} if task else {}
    return {"launchType": launched_by}


def _version(view: TaskView) -> int:
    """Grows with each state that a task has reached."""
    if view.version is not None:
        return view.version
    order = ("PROVISIONING", "PENDING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING")
    return order.index(view.status) + 1 if view.status in order else len(order) + 1


def _attachment(view: TaskView) -> Shape:
    one = view.task
    status = "ATTACHING" if view.attached_at is None else "ATTACHED"
    if one.ended_at is not None:
        status = "DELETED"
    return {
        "id": one.attachment_id,
        "type": "ElasticNetworkInterface",
        "status": status,
        "details": _pairs(
            (
                ("subnetId", one.subnet_id),
                ("networkInterfaceId", one.eni_id),
                ("macAddress", one.mac),
                ("privateDnsName", one.private_dns),
                ("privateIPv4Address", one.address),
            )
        ),
    }


def agent_status(view: TaskView, seen: ContainerSeen | None) -> str:
    """How the agent of ECS Exec is in a container: PENDING, RUNNING or STOPPED."""
    if view.status in ("STOPPED", "DEPROVISIONING") or (seen and seen.status == "STOPPED"):
        return "STOPPED"
    return "PENDING" if seen is None or seen.agent_at is None else "RUNNING"


def _agents(view: TaskView, seen: ContainerSeen | None) -> list[Shape] | None:
    if not view.task.exec_enabled:
        return None
    return [
        _without_none(
            {
                "name": "ExecuteCommandAgent",
                "lastStatus": agent_status(view, seen),
                "lastStartedAt": seen.agent_at if seen else None,
            }
        )
    ]


def _container(view: TaskView, one: ContainerDefinition, seen: ContainerSeen | None) -> Shape:
    task_row = view.task
    override = task_row.overrides.container(one.name)
    cpu = one.cpu if override.cpu is None else override.cpu
    memory = one.memory if override.memory is None else override.memory
    reservation = override.memory_reservation or one.memory_reservation
    status = seen.status if seen is not None else "PENDING"
    shape: Shape = {
        "containerArn": task_row.container_arn(one.name),
        "taskArn": task_row.arn,
        "name": one.name,
        "image": one.image,
        "imageDigest": (seen.image_digest or None) if seen else None,
        "runtimeId": (seen.runtime_id or None) if seen else None,
        "lastStatus": "STOPPED" if view.status in ("STOPPED", "DEPROVISIONING") else status,
        "exitCode": seen.exit_code if seen else None,
        "reason": (seen.reason or None) if seen else None,
        "networkBindings": [],
        "networkInterfaces": [
            {"attachmentId": task_row.attachment_id, "privateIpv4Address": task_row.address}
        ],
        "healthStatus": seen.health if seen is not None and one.health else "UNKNOWN",
        "managedAgents": _agents(view, seen),
        "cpu": str(cpu),
        "memory": str(memory) if memory is not None else None,
        "memoryReservation": str(reservation) if reservation is not None else None,
    }
    return _without_none(shape)


def _proxy(view: TaskView) -> list[Shape]:
    """Service Connect's container. It has no image that anybody could pull."""
    one = view.task
    if not one.proxy:
        return []
    running = "RUNNING" if view.proxy is not None else "PENDING"
    shape: Shape = {
        "containerArn": one.container_arn(one.proxy),
        "taskArn": one.arn,
        "name": one.proxy,
        "lastStatus": "STOPPED" if view.status in ("STOPPED", "DEPROVISIONING") else running,
        "networkBindings": [],
        "networkInterfaces": [
            {"attachmentId": one.attachment_id, "privateIpv4Address": one.address}
        ],
        "healthStatus": "HEALTHY" if view.proxy is not None else "UNKNOWN",
        "cpu": "0",
    }
    return [shape]


def _overrides(definition_row: TaskDefinition, one: Overrides) -> Shape:
    return _without_none(
        {
            "containerOverrides": [
                _override(one.container(container.name)) for container in definition_row.containers
            ],
            "inferenceAcceleratorOverrides": [],
            "cpu": one.cpu or None,
            "memory": one.memory or None,
            "taskRoleArn": one.task_role or None,
            "executionRoleArn": one.execution_role or None,
            "ephemeralStorage": {"sizeInGiB": one.ephemeral_gib} if one.ephemeral_gib else None,
        }
    )


def _override(one: ContainerOverride) -> Shape:
    return _without_none(
        {
            "name": one.name,
            "command": list(one.command) if one.command is not None else None,
            "environment": _pairs(one.environment) or None,
            "cpu": one.cpu,
            "memory": one.memory,
            "memoryReservation": one.memory_reservation,
        }
    )


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
        shape["advancedConfiguration"] = _without_none(advanced)
    return shape


def registries(items: tuple[Registry, ...]) -> list[Shape]:
    """A service's ``serviceRegistries``."""
    return [
        _without_none(
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
    return _without_none(shape)


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
