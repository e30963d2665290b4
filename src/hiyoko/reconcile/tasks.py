"""Tasks: what ECS wishes becomes containers; what containers do becomes a sighting.

Waits for the task's interface to stand with both its gates; pulls and stops go on beside everything
else, and wake us when they end. Only this module writes ``ecs_task_seen``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hiyoko.blueprint.tasks import Container, Task, Tasks
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.containers.dependencies import restarts, timeout_left_s
from hiyoko.plane.containers.directory import ContainerState, Progress, runtime_id, task_id
from hiyoko.plane.containers.plane import ContainerPlane
from hiyoko.plane.containers.steps import ContainersState, steps
from hiyoko.plane.containers.task_states import TaskState
from hiyoko.plane.error import PlaneError
from hiyoko.plane.world import this_world
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.task_drawing import TaskDrawing
from hiyoko.services.ec2.seen import INTERFACES_SEEN
from hiyoko.services.ecs.seen import PROXIES_SEEN, TASKS_SEEN, ContainerSeen, TaskSeen
from hiyoko.store.database import Store, Transaction


def _proxyless(tx: Transaction, desired: Tasks) -> frozenset[str]:
    """Interfaces of tasks whose Service Connect proxy does not run: it starts before them."""
    wanted = {task.eni_id for task in desired.tasks if task.proxy}
    return frozenset(wanted - {row.eni_id for row in PROXIES_SEEN.list(tx)})


@dataclass(frozen=True, slots=True)
class _Noted:
    """What a sighting was told from, and that row: the same things tell the same."""

    task: Task
    state: TaskState | None
    gone: bool
    row: TaskSeen | None

    def holds(
        self, task: Task, state: TaskState | None, row: TaskSeen | None, *, gone: bool
    ) -> bool:
        """Whether it is of this very task, state and row."""
        return self.task is task and self.state is state and self.row is row and self.gone == gone


@dataclass(frozen=True, slots=True)
class TaskReconciler:
    """Holds no state of its own: the plane's files and processes are the memory.

    What it keeps is what was drawn from rows that are still the same ones, and which of these
    say already what is seen.
    """

    store: Store
    plane: ContainerPlane
    clock: Clock = field(default_factory=SystemClock)
    _drawing: TaskDrawing = field(default_factory=TaskDrawing)
    _noted: dict[str, _Noted] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The module's name."""
        return "tasks"

    async def activate(self) -> Report:
        """Compare all with all, take the steps, record what is there."""
        report = Report()
        with self.store.reading() as tx:
            desired = self._drawing.read(tx)
            standing = frozenset([row.eni_id for row in INTERFACES_SEEN.whole(tx)])
            standing -= _proxyless(tx, desired)
        after = await self.plane.observe()
        seen = replace(after, namespaces=after.namespaces & standing)
        keep = await self._deliver(desired, seen, report)
        now = self.clock.now()
        todo = list(steps(desired, seen, keep, now))
        for step in todo:
            with report.attempt(step):
                await self.plane.apply(step)
        if todo:
            after = await self.plane.observe()
        self.plane.check_health(desired.tasks, after)
        self.plane.check_agents(desired.tasks, after)
        await self.plane.tell_tasks(desired.tasks, after.namespaces)
        self._wake_for_timeouts(desired, after, report)
        report.refusals.update(self.plane.refusals(desired))
        self._record(desired, seen, after, report)
        return report

    async def _deliver(
        self, desired: Tasks, seen: ContainersState, report: Report
    ) -> frozenset[str]:
        """The tasks whose directories are still needed for their logs."""
        try:
            return await self.plane.deliver_logs(desired.tasks, seen)
        except PlaneError as error:
            report.refusals["send logs"] = str(error)
            return frozenset(seen.tasks)

    def _wake_for_timeouts(self, desired: Tasks, seen: ContainersState, report: Report) -> None:
        """A start timeout ends by itself: nobody else would wake us."""
        now = self.clock.now()
        for task in desired.tasks:
            state = seen.tasks.get(task_id(task.arn))
            if not task.run or state is None or state.progress is None or state.progress.failure:
                continue
            left = timeout_left_s(task, state.containers, now)
            if left is not None:
                report.again_s = left if report.again_s is None else min(left, report.again_s)

    def _record(
        self, desired: Tasks, before: ContainersState, after: ContainersState, report: Report
    ) -> None:
        """Write what was seen, in one transaction, when it differs from what is written."""
        with self.store.reading() as tx:
            known = {row.task_arn: row for row in TASKS_SEEN.whole(tx)}
        noted, news = dict(self._noted), []
        self._noted.clear()
        for task in desired.tasks:
            name = task_id(task.arn)
            old = known.get(task.arn)
            state = after.tasks.get(name) or before.tasks.get(name)
            gone = name not in after.tasks and not task.run
            last = noted.get(task.arn)
            if last is None or not last.holds(task, state, old, gone=gone):
                row = sight(task, state, old, gone=gone)
                if row is not None and (old is None or replace(row, seen_at=old.seen_at) != old):
                    news.append(replace(row, seen_at=self.clock.now()))
                    continue
                last = _Noted(task, state, gone, old)
            self._noted[task.arn] = last
        if not news:
            return
        with self.store.transaction() as tx:
            for row in news:
                report.saw_change = TASKS_SEEN.put(tx, row) or report.saw_change


def sight(
    task: Task, state: TaskState | None, old: TaskSeen | None, *, gone: bool
) -> TaskSeen | None:
    """What was seen of a task; None while there is nothing to tell."""
    progress = state.progress if state is not None else None
    if progress is None or state is None:
        if not gone:
            return None
        old = old or TaskSeen(task.arn, tuple(_never(one) for one in task.containers))
        return replace(old, gone=True)
    containers = tuple(_container(task, one, progress, state.containers) for one in task.containers)
    return TaskSeen(
        task_arn=task.arn,
        containers=containers,
        pull_started_at=progress.pull_started_at,
        pull_stopped_at=progress.pull_stopped_at,
        failure=progress.failure,
        gone=gone,
    )


def _never(container: Container) -> ContainerSeen:
    """A container of a task that was stopped before anything was begun."""
    return ContainerSeen(container.name, "STOPPED")


def _container(
    task: Task, container: Container, progress: Progress, states: Mapping[str, ContainerState]
) -> ContainerSeen:
    state = states.get(container.name, ContainerState(container.name))
    image = progress.image(container.reference)
    ended = progress.stopped and state.status == "PENDING"
    going_on = task.run and not progress.failure and not progress.stopped
    if going_on and (restarts(container, state) or (state.restarts and state.status == "PENDING")):
        # Between two runs: to the task, and to ECS, the container goes on.
        state = replace(state, status="RUNNING", exit_code=None, reason="", finished_at=None)
    # A pull's failure is the reason of the container too (see AWS's stopped-task-error-codes).
    reason = state.reason or (progress.failure if state.status == "PENDING" else "")
    return ContainerSeen(
        name=container.name,
        status="STOPPED" if ended else state.status,
        runtime_id=runtime_id(task.arn, container.name),
        image_digest=image.digest if image is not None else "",
        pid=state.pid,
        exit_code=state.exit_code,
        reason=reason[:1024],
        health=state.health,
        started_at=state.first_started_at or state.started_at,
        finished_at=state.finished_at,
        agent_at=state.agent_at,
        lost=state.lost and progress.world != this_world(),
    )
