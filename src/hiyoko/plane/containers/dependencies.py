"""When a container may start, and when it may start again.   (pure)

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDependency.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-restart-policy.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hiyoko.blueprint.tasks import Container, Task
from hiyoko.plane.containers.directory import ContainerState


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a container that has not started has to expect.

    ``wait``: for another one; ``never``: why it cannot start at all; ``left_s``: how long it may
    still wait.
    """

    wait: bool = False
    never: str = ""
    left_s: float | None = None


def outlook(
    task: Task, container: Container, states: Mapping[str, ContainerState], now: float
) -> Outlook:
    """Look at all that the container depends on."""
    wait, left = False, None
    for name, condition in container.depends_on:
        other = states.get(name, ContainerState(name))
        if _met(condition, other):
            continue
        if other.status == "STOPPED":
            return Outlook(
                True,
                f"ResourceInitializationError: container {container.name} depends on {name}"
                f" ({condition}), which stopped with exit code {other.exit_code}",
            )
        wait = True
        remaining = _remaining_s(task, name, condition, other, now)
        if remaining is None:
            continue
        if remaining <= 0:
            return Outlook(
                True,
                f"dependency graph: container ordering dependency [{name}] for target"
                f" [{container.name}] has timed out.",
            )
        left = remaining if left is None else min(left, remaining)
    return Outlook(wait, "", left)


def _met(condition: str, other: ContainerState) -> bool:
    ended = other.status == "STOPPED"
    match condition:
        case "START":
            return other.status != "PENDING" or other.restarts > 0
        case "COMPLETE":
            return ended
        case "SUCCESS":
            return ended and other.exit_code == 0
        case _:
            return other.health == "HEALTHY"


def _remaining_s(
    task: Task, name: str, condition: str, other: ContainerState, now: float
) -> float | None:
    """The rest of the other one's startTimeout, which counts from its own start."""
    limits = {one.name: one.start_timeout_s for one in task.containers}
    limit, started = limits.get(name), other.first_started_at or other.started_at
    if condition == "START" or limit is None or started is None:
        return None
    return started + limit - now


def timeout_left_s(task: Task, states: Mapping[str, ContainerState], now: float) -> float | None:
    """When the task has to be looked at again though nothing happens, in seconds from now."""
    waits = [
        outlook(task, one, states, now).left_s
        for one in task.containers
        if (state := states.get(one.name)) is None or state.status == "PENDING"
    ]
    known = [wait for wait in waits if wait is not None]
    return min(known) if known else None


def restarts(container: Container, state: ContainerState) -> bool:
    """Whether its restart policy starts this container again.

    It must have run for the whole period since its last start: so it is restarted once a period.
    """
    if container.restart_period_s is None or state.status != "STOPPED":
        return False
    if state.started_at is None or state.finished_at is None:
        return False
    ran_s = state.finished_at - state.started_at
    return ran_s >= container.restart_period_s and state.exit_code not in container.restart_ignores
