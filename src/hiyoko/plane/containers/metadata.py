"""What a task may read of itself, as Fargate's agent tells it (metadata version 4).   (pure)

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-response.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

from hiyoko.blueprint.tasks import Container, LogTarget, Task
from hiyoko.plane.containers.directory import ContainerState, Progress, runtime_id

Shape = dict[str, Any]
CPU_UNITS = 1024


def container_metadata(
    task: Task, container: Container, progress: Progress, state: ContainerState
) -> Shape:
    """One container."""
    image = progress.image(container.reference)
    known = {"PENDING": "RUNNING" if state.restarts else "PULLED", "RUNNING": "RUNNING"}.get(
        state.status, "STOPPED"
    )
    shape: Shape = {
        "DockerId": runtime_id(task.arn, container.name),
        "Name": container.name,
        "DockerName": container.name,
        "Image": container.image,
        "ImageID": image.digest if image is not None else "",
        "Labels": {
            "com.amazonaws.ecs.cluster": task.identity.cluster,
            "com.amazonaws.ecs.container-name": container.name,
            "com.amazonaws.ecs.task-arn": task.arn,
            "com.amazonaws.ecs.task-definition-family": task.identity.family,
            "com.amazonaws.ecs.task-definition-version": str(task.identity.revision),
        },
        "DesiredStatus": "RUNNING" if task.run else "STOPPED",
        "KnownStatus": known,
        "Limits": {"CPU": container.cpu_shares},
        "CreatedAt": moment(progress.pull_stopped_at),
        "StartedAt": moment(state.started_at),
        "FinishedAt": moment(state.finished_at),
        "ExitCode": state.exit_code,
        "Type": "NORMAL",
        "ContainerARN": container.arn,
        "Networks": [_network(task)],
        "Snapshotter": "overlayfs",
    }
    if container.restart_period_s is not None:
        shape["RestartCount"] = state.restarts
    if container.memory_mib:
        shape["Limits"]["Memory"] = container.memory_mib
    if container.health_command:
        shape["Health"] = {"status": state.health}
    if isinstance(container.log, LogTarget):
        shape["LogDriver"] = "awslogs"
        shape["LogOptions"] = {
            "awslogs-group": container.log.group,
            "awslogs-region": container.log.region,
            "awslogs-stream": container.log.stream,
        }
    elif container.log is not None:
        shape["LogDriver"] = "awsfirelens"
    return _present(shape)


def _network(task: Task) -> Shape:
    shape: Shape = {
        "NetworkMode": "awsvpc",
        "IPv4Addresses": [str(task.address)],
        "AttachmentIndex": 0,
        "MACAddress": task.identity.mac,
        "DomainNameServers": [str(task.resolver)],
        "PrivateDNSName": task.hostname,
    }
    if task.search_domain:
        shape["DomainNameSearchList"] = [task.search_domain]
    if task.identity.subnet_cidr:
        subnet = IPv4Network(task.identity.subnet_cidr)
        shape["IPv4SubnetCIDRBlock"] = str(subnet)
        shape["SubnetGatewayIpv4Address"] = f"{subnet.network_address + 1}/{subnet.prefixlen}"
    return shape


def task_metadata(
    task: Task,
    progress: Progress,
    states: Mapping[str, ContainerState],
    *,
    tags: bool,
    now: float,
    storage_mib: tuple[int, int] | None = None,
) -> Shape:
    """The task with its containers; ``tags`` with its tags too.

    ``storage_mib``: how much of its ephemeral storage is used, and how much there is, if counted.
    """
    running = any(state.status == "RUNNING" for state in states.values())
    shape: Shape = {
        "Cluster": task.identity.cluster,
        "TaskARN": task.arn,
        "Family": task.identity.family,
        "Revision": str(task.identity.revision),
        "DesiredStatus": "RUNNING" if task.run else "STOPPED",
        "KnownStatus": "RUNNING" if running else "PENDING",
        "Limits": {"CPU": task.cpu_units / CPU_UNITS, "Memory": task.memory_mib},
        "PullStartedAt": moment(progress.pull_started_at),
        "PullStoppedAt": moment(progress.pull_stopped_at),
        "AvailabilityZone": task.zone,
        "LaunchType": task.identity.launch_type,
        "VPCID": task.vpc_id,
        "ServiceName": task.identity.service or None,
        "Containers": [
            container_metadata(task, one, progress, states.get(one.name, ContainerState(one.name)))
            for one in task.containers
        ],
        "EphemeralStorageMetrics": (
            {"Utilized": storage_mib[0], "Reserved": storage_mib[1]} if storage_mib else None
        ),
        "ClockDrift": {
            "ClockErrorBound": 0.0,
            "ReferenceTimestamp": moment(now),
            "ClockSynchronizationStatus": "SYNCHRONIZED",
        },
    }
    if tags:
        shape["TaskTags"] = dict(task.identity.tags)
    return _present(shape)


NEW_IN_4 = (
    *("Snapshotter", "LogDriver", "LogOptions", "ContainerARN", "RestartCount"),
    *("AvailabilityZone", "LaunchType", "VPCID", "ServiceName"),
    *("EphemeralStorageMetrics", "ClockDrift"),
)


def version_3(shape: Shape) -> Shape:
    """The same as version 3 of the endpoint tells it: less, above all of networks.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v3-fargate.html
    """
    older = {name: value for name, value in shape.items() if name not in NEW_IN_4}
    if "Networks" in older:
        older["Networks"] = [
            {name: network[name] for name in ("NetworkMode", "IPv4Addresses")}
            for network in older["Networks"]
        ]
    if "Containers" in older:
        older["Containers"] = [version_3(one) for one in older["Containers"]]
    return older


def _present(shape: Shape) -> Shape:
    return {name: value for name, value in shape.items() if value is not None}


def moment(seconds: float | None) -> str | None:
    """RFC 3339 with nanoseconds, as Go writes it."""
    if seconds is None:
        return None
    at = datetime.fromtimestamp(seconds, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"
