from __future__ import annotations

from dataclasses import replace

from tests.unit.plane.containers.test_bundle import CONTAINER, TASK

from hiyoko.blueprint.tasks import Tasks
from hiyoko.plane.containers.directory import ContainerState, Progress, runtime_id
from hiyoko.plane.containers.plane import ContainersState, TaskState, steps

SPACES = frozenset({"eni-1"})
PULLED = Progress(TASK.arn, pull_stopped_at=1.0)


def said(
    state: TaskState | None = None,
    *,
    run: bool = True,
    busy: bool = False,
    task: object = None,
    **more: object,
) -> list[str]:
    wished = replace(TASK, run=run) if task is None else task
    seen = ContainersState(
        {} if state is None else {"1": state},
        SPACES,
        busy=frozenset({TASK.arn}) if busy else frozenset(),
        **more,  # type: ignore[arg-type]
    )
    return [str(step) for step in steps(Tasks((wished,)), seen)]  # type: ignore[arg-type]


def test_a_task_waits_for_its_interface() -> None:
    assert list(steps(Tasks((TASK,)), ContainersState({}, frozenset()))) == []


def test_a_task_is_pulled_then_started_then_left_alone() -> None:
    assert said() == ["pull images of task 1"]
    assert said(TaskState(Progress(TASK.arn, pull_started_at=1.0))) == ["pull images of task 1"]
    assert said(TaskState(PULLED)) == ["start container web of task 1"]
    running = ContainerState("web", "RUNNING", started_at=2.0)
    assert said(TaskState(PULLED, {"web": running})) == []
    assert said(TaskState(PULLED), busy=True) == []


def test_a_failed_task_is_not_tried_again() -> None:
    assert said(TaskState(replace(PULLED, failure="no"))) == []


def test_a_task_is_stopped_then_removed() -> None:
    assert said(TaskState(PULLED), run=False) == ["stop task 1"]
    assert said(TaskState(PULLED), run=False, stopping=frozenset({TASK.arn})) == []
    assert said(TaskState(replace(PULLED, stopped=True)), run=False) == ["remove task 1"]
    assert said(run=False) == []


def test_what_nobody_wishes_goes() -> None:
    seen = ContainersState(
        {"9": TaskState(replace(PULLED, arn="x/9")), "8": TaskState(None)}, SPACES
    )
    assert [str(step) for step in steps(Tasks(), seen)] == ["stop task 9", "remove task 8"]


def test_a_log_that_is_not_delivered_keeps_the_directory() -> None:
    seen = ContainersState({"1": TaskState(replace(PULLED, stopped=True))}, SPACES)
    assert list(steps(Tasks(), seen, frozenset({"1"}))) == []


def test_dependencies_are_waited_for_or_given_up() -> None:
    first = replace(CONTAINER, name="first", essential=False)
    for condition, state, expected in (
        ("START", ContainerState("first", "RUNNING", started_at=1.0), "start container web"),
        ("SUCCESS", ContainerState("first", "RUNNING", started_at=1.0), ""),
        ("SUCCESS", ContainerState("first", "STOPPED", exit_code=0), "start container web"),
        ("SUCCESS", ContainerState("first", "STOPPED", exit_code=1), "give up task 1"),
        ("COMPLETE", ContainerState("first", "STOPPED", exit_code=1), "start container web"),
        ("HEALTHY", ContainerState("first", "RUNNING", started_at=1.0), ""),
        ("HEALTHY", ContainerState("first", "STOPPED", exit_code=0), "give up task 1"),
    ):
        web = replace(CONTAINER, depends_on=(("first", condition),))
        task = replace(TASK, containers=(web, first))
        found = said(TaskState(PULLED, {"first": state}), task=task)
        assert "".join(found).startswith(expected), (condition, found)
        assert bool(found) == bool(expected)


def test_runtime_ids_are_stable_and_of_fargates_form() -> None:
    one = runtime_id("a/b/" + "0" * 32, "web")
    assert one == runtime_id("a/b/" + "0" * 32, "web")
    assert one != runtime_id("a/b/" + "0" * 32, "other")
    task, _, digits = one.partition("-")
    assert task == "0" * 32
    assert len(digits) == 10
    assert digits.isdigit()
