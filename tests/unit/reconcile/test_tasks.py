"""What the task reconciler makes of what it saw."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.plane.containers.test_bundle import CONTAINER, TASK

from hiyoko.plane.containers.directory import LOST, ContainerState, Progress
from hiyoko.plane.containers.task_states import TaskState
from hiyoko.plane.world import this_world
from hiyoko.reconcile.tasks import sight

PULLED = Progress(TASK.arn, pull_stopped_at=1.0)
KEPT = replace(TASK, containers=(replace(CONTAINER, restart_period_s=60),))


def seen(state: ContainerState, progress: Progress = PULLED) -> tuple[str, float | None]:
    row = sight(KEPT, TaskState(progress, {"web": state}), None, gone=False)
    assert row is not None
    return row.containers[0].status, row.containers[0].started_at


def test_between_two_runs_a_container_goes_on() -> None:
    ended = ContainerState("web", "STOPPED", exit_code=1, started_at=10.0, finished_at=70.0)
    assert seen(ended) == ("RUNNING", 10.0)
    waiting = ContainerState("web", restarts=1, first_started_at=10.0)
    assert seen(waiting) == ("RUNNING", 10.0)
    second = ContainerState("web", "RUNNING", started_at=71.0, restarts=1, first_started_at=10.0)
    assert seen(second) == ("RUNNING", 10.0)


def test_a_container_that_is_not_started_again_has_stopped() -> None:
    early = ContainerState("web", "STOPPED", exit_code=1, started_at=10.0, finished_at=69.0)
    assert seen(early)[0] == "STOPPED"
    ended = replace(early, finished_at=70.0)
    assert seen(ended, replace(PULLED, failure="it cannot be started"))[0] == "STOPPED"
    waiting = ContainerState("web", restarts=1, first_started_at=10.0)
    assert seen(waiting, replace(PULLED, stopped=True))[0] == "STOPPED"


def test_what_ended_with_another_world_was_lost_with_it() -> None:
    ended = ContainerState("web", "STOPPED", exit_code=LOST, started_at=10.0, lost=True)
    for progress, lost in (
        (replace(PULLED, world="another"), True),
        (replace(PULLED, world=this_world()), False),
    ):
        row = sight(TASK, TaskState(progress, {"web": ended}), None, gone=False)
        assert row is not None
        assert row.containers[0].lost == lost
    killed = TaskState(replace(PULLED, world="another"), {"web": replace(ended, lost=False)})
    row = sight(TASK, killed, None, gone=False)
    assert row is not None
    assert not row.containers[0].lost
