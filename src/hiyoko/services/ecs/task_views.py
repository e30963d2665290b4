"""Tasks as the API shows them."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from hiyoko.services.ecs.model import (
    ContainerDefinition,
    ContainerOverride,
    Overrides,
    TaskDefinition,
    TaskView,
)
from hiyoko.services.ecs.names import tags_out

if TYPE_CHECKING:
    from hiyoko.services.ecs.seen import ContainerSeen
from hiyoko.services.ecs.views import PLATFORM, Shape, files_out, launched, pairs, without_none


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
        "ephemeralStorage": {"sizeInGiB": view.ephemeral_gib},
        "fargateEphemeralStorage": {"sizeInGiB": view.ephemeral_gib},
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
    shape.update(launched(one.launched_by, task=True))
    return without_none(shape)


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
        "details": pairs(
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
        without_none(
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
    return without_none(shape)


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
    return without_none(
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
    return without_none(
        {
            "name": one.name,
            "command": list(one.command) if one.command is not None else None,
            "environment": pairs(one.environment) or None,
            "cpu": one.cpu,
            "memory": one.memory,
            "memoryReservation": one.memory_reservation,
            "environmentFiles": files_out(one.environment_files or ()) or None,
        }
    )
