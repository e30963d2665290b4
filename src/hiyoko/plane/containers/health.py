"""A container's health check, as its task definition asks for it.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html: failures in the
start period don't count, a success there ends it; UNKNOWN until the first success or the last
retry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hiyoko.blueprint.tasks import Container
from hiyoko.clock import Clock
from hiyoko.plane.containers.directory import ContainerDirectory
from hiyoko.plane.containers.runtime import Runtime


def health_arguments(command: tuple[str, ...]) -> tuple[str, ...]:
    """``CMD`` is run as it stands, ``CMD-SHELL`` by the container's shell."""
    if command[0] == "CMD":
        return command[1:]
    if command[0] == "CMD-SHELL":
        return ("/bin/sh", "-c", " ".join(command[1:]))
    return command


def next_health(
    health: str, failures: int, healthy: bool, retries: int, lenient: bool
) -> tuple[str, int]:
    """The health and the count of failures in a row after one more check."""
    if healthy:
        return "HEALTHY", 0
    if lenient and health == "UNKNOWN":
        return health, 0
    failures += 1
    return ("UNHEALTHY" if failures >= retries else health), failures


async def watch_health(
    runtime: Runtime,
    container: Container,
    files: ContainerDirectory,
    wake: Callable[[], None],
    clock: Clock,
) -> None:
    """Check on and on; ``wake`` is called when the result changes. Ends when it is cancelled."""
    started = files.state().started_at or clock.now()
    failures = 0
    while True:
        # The interval is the promise itself, not a guess: there is no event to wait for.
        await asyncio.sleep(container.health_interval_s)
        healthy = await runtime.exec(
            files, health_arguments(container.health_command), container.health_timeout_s
        )
        if files.state().status != "RUNNING":
            return
        lenient = clock.now() - started < container.health_start_period_s
        health, failures = next_health(
            files.health(), failures, healthy, container.health_retries, lenient
        )
        if files.write_health(health):
            wake()
