"""The numbers of a task definition: how large each may be, and all of them together.

The ranges are those of https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ (HealthCheck,
ContainerDefinition, ContainerRestartPolicy); AWS's words are known where it is said.
"""

from __future__ import annotations

from collections.abc import Sequence

from hiyoko.services.ecs.errors import ClientException
from hiyoko.services.ecs.model import ContainerDefinition, HealthCheck

MEMORY_MIB_MIN = 6
PORT_MAX = 65535


def check_limits(one: ContainerDefinition) -> None:
    """What a container says of itself."""
    _check_times(one)
    if one.health is not None:
        _check_health(one.health)
    if one.cpu < 0:
        raise ClientException(f"Invalid 'cpu' setting for container '{one.name}'.")
    for member, mib in (("memory", one.memory), ("memoryReservation", one.memory_reservation)):
        if mib is not None and mib < MEMORY_MIB_MIN:
            raise ClientException(
                f"Invalid '{member}' setting for container '{one.name}': it must be at least"
                f" {MEMORY_MIB_MIN} MiB."
            )
    if one.memory is not None and (one.memory_reservation or 0) > one.memory:
        raise ClientException(
            f"Invalid setting for container '{one.name}'. 'memory' must be greater than or equal to"
            " 'memoryReservation'."
        )
    for port in one.ports:
        if not 1 <= port.container_port <= PORT_MAX:
            raise ClientException(
                f"Invalid containerPort {port.container_port}: it must be between 1 and {PORT_MAX}."
            )
    for limit in one.ulimits:
        if limit.soft > limit.hard >= 0:
            raise ClientException(
                f"Invalid ulimit {limit.name}: the soft limit is higher than the hard limit."
            )


def _check_times(one: ContainerDefinition) -> None:
    if one.stop_timeout_s is not None and not 0 <= one.stop_timeout_s <= 120:
        raise ClientException(
            "Tasks using the Fargate launch type must have a container stop timeout of less than"
            " 120 seconds."
        )
    if one.start_timeout_s is not None and not 2 <= one.start_timeout_s <= 120:
        raise ClientException(
            "Tasks using the Fargate launch type must have a container start timeout between 2 and"
            " 120 seconds."
        )
    if one.restart is not None:
        if not 60 <= one.restart.period_s <= 1800:
            raise ClientException("The restartAttemptPeriod must be between 60 and 1800 seconds.")
        if len(one.restart.ignored_exit_codes) > 50:
            raise ClientException("The maximum number of ignoredExitCodes is 50.")


def _check_health(health: HealthCheck) -> None:
    if health.command[:1] not in (("CMD",), ("CMD-SHELL",)) or len(health.command) < 2:
        raise ClientException("Health check command must start with CMD or CMD-SHELL.")
    for member, value, low, high in (
        ("interval", health.interval_s, 5, 300),
        ("timeout", health.timeout_s, 2, 60),
        ("retries", health.retries, 1, 10),
        ("startPeriod", health.start_period_s or 0, 0, 300),
    ):
        if not low <= value <= high:
            raise ClientException(
                f"Health check {member} must be between {low} and {high}, it is {value}."
            )


def check_parts(containers: Sequence[ContainerDefinition], cpu: int, memory: int) -> None:
    """No container is larger than its task (in AWS's words), nor are all of them together."""
    for one in containers:
        if max(one.memory or 0, one.memory_reservation or 0) > memory:
            raise ClientException(
                f"The 'memory' setting for container '{one.name}' is greater than for the task."
            )
        if one.cpu > cpu:
            raise ClientException(
                f"The 'cpu' setting for container '{one.name}' is greater than for the task."
            )
    if sum(one.memory_reservation or one.memory or 0 for one in containers) > memory:
        raise ClientException("The containers' 'memory' is together greater than the task's.")
    if sum(one.cpu for one in containers) > cpu:
        raise ClientException("The containers' 'cpu' is together greater than the task's.")
