"""What lies between the tasks wished and the tasks seen: one step at a time for each task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hiyoko.blueprint.step import Step
from hiyoko.blueprint.tasks import Container, Task, Tasks
from hiyoko.plane.containers.dependencies import outlook, restarts
from hiyoko.plane.containers.directory import (
    task_id,
)
from hiyoko.plane.containers.task_states import TaskState


@dataclass(frozen=True, slots=True)
class PullImages(Step):
    """Pull the task's images through its own interface."""

    task: Task

    def __str__(self) -> str:
        return f"pull images of task {task_id(self.task.arn)}"


@dataclass(frozen=True, slots=True)
class StartContainer(Step):
    """Make and start one container."""

    task: Task
    container: Container

    def __str__(self) -> str:
        return f"start container {self.container.name} of task {task_id(self.task.arn)}"


@dataclass(frozen=True, slots=True)
class FailTask(Step):
    """The task can never start; the reason is AWS's."""

    task: Task
    reason: str

    def __str__(self) -> str:
        return f"give up task {task_id(self.task.arn)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class StopTask(Step):
    """Stop every container: its signal, its time, then SIGKILL; no mount is left."""

    arn: str

    def __str__(self) -> str:
        return f"stop task {task_id(self.arn)}"


@dataclass(frozen=True, slots=True)
class RemoveTask(Step):
    """Remove what a stopped task left on disk."""

    directory: str

    def __str__(self) -> str:
        return f"remove task {self.directory}"


ContainerStep = PullImages | StartContainer | FailTask | StopTask | RemoveTask


@dataclass(frozen=True, slots=True)
class ContainersState:
    """Everything observed: tasks by directory name, namespaces, and tasks with a step under way."""

    tasks: Mapping[str, TaskState]
    namespaces: frozenset[str]
    busy: frozenset[str] = frozenset()
    stopping: frozenset[str] = frozenset()


def steps(
    desired: Tasks,
    seen: ContainersState,
    keep: frozenset[str] = frozenset(),
    now: float = 0.0,
) -> Iterator[ContainerStep]:
    """What lies between the tasks wished and the tasks seen.

    ``keep`` names stopped tasks whose directory is still needed (their log is not delivered yet).
    ``now`` is the time by which start timeouts are judged.
    """
    wished = {task_id(task.arn): task for task in desired.tasks}
    for name, task in wished.items():
        if task.run and task.arn not in seen.busy:
            yield from _forward(task, seen.tasks.get(name), seen.namespaces, now)
    for name, state in seen.tasks.items():
        known = wished.get(name)
        if known is not None and known.run:
            continue
        if state.progress is None or state.progress.stopped:
            if name not in keep:
                yield RemoveTask(name)
        elif state.progress.arn not in seen.stopping:
            yield StopTask(state.progress.arn)


def _forward(
    task: Task, state: TaskState | None, namespaces: frozenset[str], now: float
) -> Iterator[ContainerStep]:
    """The next steps of a task that shall run."""
    progress = state.progress if state is not None else None
    if progress is not None and (progress.failure or progress.stopped):
        return
    if task.eni_id not in namespaces:
        return
    if progress is None or progress.pull_stopped_at is None:
        yield PullImages(task)
        return
    assert state is not None
    for container in task.containers:
        found = state.containers.get(container.name)
        if found is not None and found.status != "PENDING":
            if restarts(container, found):
                yield StartContainer(task, container)
                return
            continue
        ahead = outlook(task, container, state.containers, now)
        if ahead.never:
            yield FailTask(task, ahead.never)
            return
        if not ahead.wait:
            # One at a time: a task's steps don't overlap.
            yield StartContainer(task, container)
            return
