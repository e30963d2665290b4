"""A task's status is told from wish and sighting."""

from dataclasses import replace

import pytest

from hiyoko.services.ecs.model import (
    ContainerDefinition,
    HealthCheck,
    Stop,
    Task,
    TaskDefinition,
    TaskView,
)
from hiyoko.services.ecs.seen import ContainerSeen, TaskSeen

STOP = Stop(5.0, "UserInitiated", "enough")
RUNNING = ContainerSeen("web", "RUNNING", started_at=2.0)
STOPPED = ContainerSeen("web", "STOPPED", exit_code=0, started_at=2.0, finished_at=4.0)
PENDING = ContainerSeen("web", "PENDING")


def view(
    *containers: ContainerSeen,
    attached: bool = True,
    stop: Stop | None = None,
    gone: bool = False,
    ended: bool = False,
    failure: str = "",
) -> TaskView:
    row = Task(
        "1", "r", "t", "t", "c", "d", "app", "g", 1.0, "eni", "subnet", "vpc", "a", "10.0.0.1",
        "", "", "", "256", "512", (), stop=stop, ended_at=9.0 if ended else None,
    )  # fmt: skip
    definition = TaskDefinition(
        "1", "r", "app", 1, "d", 0.0, "me", "256", "512", (ContainerDefinition("web", "nginx"),)
    )
    seen = TaskSeen("t", containers, failure=failure, gone=gone, seen_at=3.0)
    return TaskView(row, definition, seen, 1.5 if attached else None)


@pytest.mark.parametrize(
    ("seen", "status", "desired"),
    [
        (view(attached=False), "PROVISIONING", "RUNNING"),
        (view(), "PENDING", "RUNNING"),
        (view(PENDING), "PENDING", "RUNNING"),
        (view(RUNNING), "RUNNING", "RUNNING"),
        (view(STOPPED), "STOPPING", "STOPPED"),
        (view(failure="CannotPullContainerError"), "STOPPING", "STOPPED"),
        (view(RUNNING, stop=STOP), "STOPPING", "STOPPED"),
        (view(RUNNING, stop=replace(STOP, drain=True)), "DEACTIVATING", "STOPPED"),
        (view(STOPPED, stop=STOP, gone=True), "DEPROVISIONING", "STOPPED"),
        (view(STOPPED, stop=STOP, gone=True, ended=True), "STOPPED", "STOPPED"),
        (view(attached=False, stop=STOP), "STOPPING", "STOPPED"),
    ],
)
def test_status_follows_wish_and_sighting(seen: TaskView, status: str, desired: str) -> None:
    assert (seen.status, seen.desired_status) == (status, desired)


def test_a_container_that_may_end_does_not_end_the_task() -> None:
    web = view(RUNNING)
    first = ContainerDefinition("init", "busybox", essential=False)
    definition = replace(web.definition, containers=(first, *web.definition.containers))
    done = ContainerSeen("init", "STOPPED", exit_code=0, started_at=1.0, finished_at=1.5)
    assert web.seen is not None
    seen = replace(web.seen, containers=(done, RUNNING))
    both = replace(web, definition=definition, seen=seen)
    assert (both.status, both.started_at) == ("RUNNING", 2.0)


def test_health_is_that_of_essential_containers_with_a_check() -> None:
    plain = view(replace(RUNNING, health="UNHEALTHY"))
    assert plain.health == "UNKNOWN"
    checked = replace(plain.definition.containers[0], health=HealthCheck(("CMD", "true")))
    with_check = replace(plain, definition=replace(plain.definition, containers=(checked,)))
    assert with_check.health == "UNHEALTHY"
