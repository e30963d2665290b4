from __future__ import annotations

from dataclasses import replace

from tests.unit.plane.containers.test_bundle import CONTAINER, TASK

from hiyoko.blueprint.tasks import Tasks
from hiyoko.plane.containers.dependencies import timeout_left_s
from hiyoko.plane.containers.directory import ContainerState, Progress, runtime_id
from hiyoko.plane.containers.steps import ContainersState, FailTask, steps
from hiyoko.plane.containers.task_states import TaskState

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


def test_a_dependency_is_not_waited_for_beyond_its_start_timeout() -> None:
    first = replace(CONTAINER, name="first", essential=False, start_timeout_s=30)
    running = {"first": ContainerState("first", "RUNNING", started_at=100.0)}
    for condition, left in (("HEALTHY", 30.0), ("SUCCESS", 30.0), ("COMPLETE", 30.0)):
        web = replace(CONTAINER, depends_on=(("first", condition),))
        task = replace(TASK, containers=(first, web))
        assert timeout_left_s(task, running, 100.0) == left
        seen = ContainersState({"1": TaskState(PULLED, running)}, SPACES)
        assert list(steps(Tasks((task,)), seen, now=129.0)) == []
        assert list(steps(Tasks((task,)), seen, now=130.0)) == [
            FailTask(
                task,
                "dependency graph: container ordering dependency [first] for target [web] has"
                " timed out.",
            )
        ]
    web = replace(CONTAINER, depends_on=(("first", "HEALTHY"),))
    task = replace(TASK, containers=(first, web))
    # Who has started needs no dependency any more, and what nobody waits for has no limit.
    both = running | {"web": ContainerState("web", "RUNNING", started_at=101.0)}
    seen = ContainersState({"1": TaskState(PULLED, both)}, SPACES)
    assert list(steps(Tasks((task,)), seen, now=999.0)) == []
    assert timeout_left_s(task, both, 100.0) is None


def test_a_container_is_started_again_once_a_period() -> None:
    kept = replace(CONTAINER, restart_period_s=60, restart_ignores=(3,))
    for ran_s, code, container, expected in (
        (60.0, 1, kept, True),
        (60.0, 0, kept, True),
        (59.0, 1, kept, False),
        (60.0, 3, kept, False),
        (60.0, 1, CONTAINER, False),
    ):
        ended = ContainerState(
            "web", "STOPPED", exit_code=code, started_at=10.0, finished_at=10.0 + ran_s
        )
        found = said(TaskState(PULLED, {"web": ended}), task=replace(TASK, containers=(container,)))
        assert found == (["start container web of task 1"] if expected else [])


def test_runtime_ids_are_stable_and_of_fargates_form() -> None:
    one = runtime_id("a/b/" + "0" * 32, "web")
    assert one == runtime_id("a/b/" + "0" * 32, "web")
    assert one != runtime_id("a/b/" + "0" * 32, "other")
    task, _, digits = one.partition("-")
    assert task == "0" * 32
    assert len(digits) == 10
    assert digits.isdigit()
