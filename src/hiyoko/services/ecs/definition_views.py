"""Task definitions as the API shows them."""

from __future__ import annotations

from hiyoko.services.ecs.model import (
    ContainerDefinition,
    HealthCheck,
    RestartPolicy,
    TaskDefinition,
)
from hiyoko.services.ecs.views import Shape, files_out, pairs, without_none


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
        shape["runtimePlatform"] = without_none(platform)
    return without_none(shape)


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
        "environment": pairs(one.environment),
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
        "environmentFiles": files_out(one.environment_files) or None,
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
        shape["firelensConfiguration"] = without_none(
            {"type": one.firelens.kind, "options": dict(one.firelens.options) or None}
        )
    return without_none(shape)


def _linux(one: ContainerDefinition) -> Shape | None:
    shape: Shape = {}
    if one.init_process is not None:
        shape["initProcessEnabled"] = one.init_process
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
    return without_none(
        {
            "command": list(one.command),
            "interval": one.interval_s,
            "timeout": one.timeout_s,
            "retries": one.retries,
            "startPeriod": one.start_period_s,
        }
    )
