"""Services become tasks: the ECS scheduler, and the end of every task.

An upper reconciler: it reads rows, decides by :func:`hiyoko.reconcile.ecs_plan.plan_service` and
by :func:`plan_task`, and carries each decision out as an internal operation of ecs. It touches no
plane. Nothing is awaited between reading and writing, so what was read still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import hiyoko.services.ecs.rows as rows
from hiyoko import api
from hiyoko.clock import Clock, SystemClock
from hiyoko.reconcile import ecs_plan
from hiyoko.reconcile.ecs_actions import (
    Action,
    DeregisterTask,
    Rebalance,
    RegisterTask,
    Start,
    TellHealth,
)
from hiyoko.reconcile.ecs_discovery import (
    Known,
    load_known,
    load_made,
    plan_discovery,
    plan_sweep,
)
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.task_views import TaskViews
from hiyoko.services.ec2.rows import SUBNETS
from hiyoko.services.ecs.model import Service, Task, TaskView
from hiyoko.services.servicediscovery.model import Service as CloudMapService
from hiyoko.store.database import Store, Transaction

KEEP_STOPPED_S = 3600
"""AWS describes a stopped task for at least an hour."""
UNASSUMABLE = "ECS was unable to assume the role"
"""How ECS's error begins when a task's role is not there or does not trust it."""
REST_S = 60.0
"""A service at rest is planned anew after so long, though nothing was seen to change."""
RETRY_S = 10
"""A placement that failed is tried again in the next cycle of the scheduler."""


def plan_task(view: TaskView, now: float) -> str:
    """The internal operation that this task's state calls for; empty when there is none."""
    task, stop = view.task, view.stop
    if task.ended_at is not None:
        return "_ForgetTask" if now - task.ended_at >= KEEP_STOPPED_S else ""
    if stop is None:
        return ""
    if task.stop is None or (task.stop.drain and _fell(view)):
        return "_EndTask"
    return "_CloseTask" if view.gone else ""


def _fell(view: TaskView) -> bool:
    """An essential container ended while the load balancer was still draining the task."""
    return any(
        one.essential and seen is not None and seen.status == "STOPPED" for one, seen in view.pairs
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """One service as it was read."""

    service: Service
    tasks: list[TaskView]
    healths: ecs_plan.Healths
    last_event: tuple[str, float]
    zones: frozenset[str]
    known: Known
    outside: ecs_plan.Outside


@dataclass(frozen=True, slots=True)
class _Rest:
    """A look that called for nothing, and until when the same look calls for nothing."""

    look: _Look
    until: float


@dataclass(frozen=True, slots=True)
class EcsServicesReconciler:
    """Keeps every service at its desired count and brings every task to its end.

    What it keeps is what followed from rows that are still the same ones.
    """

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    _views: TaskViews = field(default_factory=TaskViews)
    _resting: dict[str, _Rest] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The module's name."""
        return "ecs_services"

    async def activate(self) -> Report:
        """Look at all tasks, then at each service with what became of its tasks."""
        report = Report()
        self._tasks(report)
        with self.store.reading() as tx:
            looks = self._looks(tx)
        for gone in self._resting.keys() - {look.service.arn for look in looks}:
            del self._resting[gone]
        for look in looks:
            self._service(look, report)
        self._sweep(report)
        return report

    def _sweep(self, report: Report) -> None:
        """What ECS made in Cloud Map goes with the last service that uses it."""
        with self.store.reading() as tx:
            made = load_made(tx)
            gone = plan_sweep(rows.list_services(tx), self._views.read(tx), made) if made else []
        for one in gone:
            self._invoke(one, "_DropRegistry", {"Registry": one.arn}, report)

    def _tasks(self, report: Report) -> None:
        now = self.clock.now()
        with self.store.reading() as tx:
            views = self._views.read(tx)
        for view in views:
            wanted = plan_task(view, now)
            if wanted:
                self._invoke(view.task, wanted, {"Task": view.task.arn}, report)
            elif view.task.ended_at is not None:
                _wake(report, view.task.ended_at + KEEP_STOPPED_S - now)

    def _looks(self, tx: Transaction) -> list[_Look]:
        of_service: dict[str, list[TaskView]] = {}
        for view in self._views.read(tx):
            of_service.setdefault(view.task.service, []).append(view)
        subnets = {one.subnet_id: one.zone for one in SUBNETS.table.list(tx)}
        looks = []
        for service in rows.list_services(tx):
            mine = of_service.get(service.arn, [])
            newest = rows.list_events(tx, service.arn)[:1]
            last = (newest[0].message, newest[0].created_at) if newest else ("", 0.0)
            healths = _healths(tx, service, mine, self.clock)
            used = service.primary.network.subnets
            zones = frozenset(subnets[one] for one in used if one in subnets)
            known = load_known(tx, mine)
            named = frozenset(view.task.arn for view in mine if known.names(view))
            outside = replace(_outside(tx, service, self.clock), named=named)
            looks.append(_Look(service, mine, healths, last, zones, known, outside))
        return looks

    def _service(self, look: _Look, report: Report) -> None:
        now = self.clock.now()
        service = look.service
        if service.deleted_at is not None and not look.tasks:
            left = service.deleted_at + KEEP_STOPPED_S - now
            if left <= 0:
                self._invoke(service, "_ForgetService", {"Service": service.arn}, report)
            else:
                _wake(report, left)
            return
        resting = self._resting.pop(service.arn, None)
        if resting is not None and resting.look == look and now < resting.until:
            self._resting[service.arn] = resting
            _wake(report, resting.until - now)
            return
        plan = ecs_plan.plan_service(
            service, look.tasks, look.healths, now, look.last_event, look.zones, look.outside
        )
        if plan.again_s is not None:
            _wake(report, plan.again_s)
        actions = [*plan_discovery(look.tasks, look.known), *plan.actions]
        if not actions:
            again_s = REST_S if plan.again_s is None else min(REST_S, plan.again_s)
            self._resting[service.arn] = _Rest(look, now + again_s)
        for action in actions:
            try:
                request = {"Service": service.arn, **action.members}
                self._invoke(service, action.operation, request, report)
            except api.AwsError as error:
                self._refused(look, action, error, report)

    def _refused(self, look: _Look, action: Action, error: api.AwsError, report: Report) -> None:
        """A neighbour said no: it is noted in the history, once, and tried again later."""
        service = look.service
        if isinstance(action, Start | Rebalance):
            message = f"was unable to place a task. Reason: {error.message}"
            if error.message.startswith(UNASSUMABLE):
                message = f"failed to launch a task with (error {error.message})."
            event = {"Event": "SERVICE_TASK_PLACEMENT_FAILURE", "Reason": error.message}
        else:
            event = {}
            known = isinstance(action, RegisterTask | TellHealth | DeregisterTask)
            where = "service registry" if known else "load balancer"
            message = f"was unable to act on its {where}. Reason: {error.message}"
        if message not in look.last_event[0]:
            request = {"Service": service.arn, "Message": message, **event}
            self._invoke(service, "_NoteServiceEvent", request, report)
        _wake(report, RETRY_S)

    def _invoke(
        self,
        owner: Service | Task | CloudMapService,
        operation: str,
        request: api.Request,
        report: Report,
    ) -> None:
        api.invoke(
            self.store,
            "ecs",
            operation,
            request,
            account=owner.account,
            region=owner.region,
            clock=self.clock,
        )
        named = request.get("Service") or request.get("Task") or request.get("Registry")
        subject = str(named).rsplit("/", 1)[-1]
        report.steps.append(f"{operation.removeprefix('_')} {subject}")


def _call(tx: Transaction, service: Service, clock: Clock) -> api.Call:
    return api.Call(
        tx=tx,
        service="ecs",
        operation="_PlanService",
        account=service.account,
        region=service.region,
        clock=clock,
    )


def _outside(tx: Transaction, service: Service, clock: Clock) -> ecs_plan.Outside:
    """What alarms and load balancers say of a deployment that is under way."""
    if service.primary.rollout != "IN_PROGRESS":
        return ecs_plan.NOTHING_OUTSIDE
    said = _call(tx, service, clock).invoke("ecs", "_AskAround", {"Service": service.arn})
    return ecs_plan.Outside(tuple(said["Alarms"]), said["AlarmsBakeSeconds"], said["Shifted"])


def _healths(
    tx: Transaction, service: Service, views: list[TaskView], clock: Clock
) -> ecs_plan.Healths:
    """What the load balancers say of each task that may be a target."""
    call = _call(tx, service, clock)
    deployments = {one.id: one for one in service.deployments}
    targets: dict[str, list[tuple[str, int]]] = {}
    for view in views:
        deployment = deployments.get(view.task.deployment)
        if deployment is None or view.task.ended_at is not None:
            continue
        for one in deployment.served:
            targets.setdefault(one.group_arn, []).append((view.task.address, one.port))
    return {
        (group, *target): health
        for group, members in targets.items()
        for target, health in zip(members, _health(call, group, members), strict=True)
    }


def _health(
    call: api.Call, group: str, targets: Sequence[tuple[str, int]]
) -> list[ecs_plan.TargetHealth]:
    """Asked for a whole group at once: who uses it is looked up for each question."""
    request = {
        "TargetGroupArn": group,
        "Targets": [{"Id": address, "Port": port} for address, port in targets],
    }
    try:
        answer = call.invoke("elbv2", "_TargetHealth", request)
    except api.AwsError:
        # The target group was deleted under the service: nothing is registered in it.
        return [ecs_plan.NOT_REGISTERED] * len(targets)
    return [
        ecs_plan.TargetHealth(one["State"], one["Reason"], one["Description"])
        for one in answer["Healths"]
    ]


def _wake(report: Report, seconds: float) -> None:
    seconds = max(0.0, seconds)
    report.again_s = seconds if report.again_s is None else min(report.again_s, seconds)
