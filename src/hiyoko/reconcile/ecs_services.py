"""Services become tasks: the ECS scheduler, and the end of every task.

An upper reconciler: it reads rows, decides by :func:`hiyoko.reconcile.ecs_plan.plan_service` and
by :func:`plan_task`, and carries each decision out as an internal operation of ecs. It touches no
plane. Nothing is awaited between reading and writing, so what was read still holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from hiyoko.services.ec2.seen import INTERFACES_SEEN
from hiyoko.services.ecs.model import Service, Task, TaskView
from hiyoko.services.ecs.seen import TASKS_SEEN
from hiyoko.services.elbv2.rows import REGISTRATIONS
from hiyoko.services.elbv2.seen import TARGETS_SEEN
from hiyoko.services.servicediscovery.model import Service as CloudMapService
from hiyoko.store.database import Store, Transaction
from hiyoko.store.table import Mark

KEEP_STOPPED_S = 3600
"""AWS describes a stopped task for at least an hour."""
UNASSUMABLE = "ECS was unable to assume the role"
"""How ECS's error begins when a task's role is not there or does not trust it."""
REST_S = 60.0
"""A service at rest is planned anew after so long, though nothing was seen to change."""
RETRY_S = 10
"""A placement that failed is tried again in the next cycle of the scheduler."""
_BY_ROW = frozenset(
    table.name
    for table in (
        *(rows.SERVICES, rows.EVENTS, rows.TASKS, rows.DEFINITIONS),
        *(TASKS_SEEN, INTERFACES_SEEN),
        *(REGISTRATIONS, TARGETS_SEEN),
    )
)
"""Tables that are followed row by row: another service's rows are none of a service's concern."""


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
    """A look that called for nothing, and until when the same look calls for nothing.

    ``others`` stamps the tables that it has read beside those that are followed row by row.
    """

    look: _Look
    others: Mapping[str, int]
    until: float


@dataclass(slots=True)
class _Kept:
    """What followed from rows that are still the same ones."""

    views: TaskViews = field(default_factory=TaskViews)
    changed: dict[str, str] = field(default_factory=dict)
    """Tasks that are another now, each with its service, until they were looked at."""
    ended: dict[str, float] = field(default_factory=dict)
    """When tasks have ended that are still told of."""
    resting: dict[str, _Rest] = field(default_factory=dict)
    history: Mark | None = None
    """How far the services' histories are known."""
    registered: Mark | None = None
    targets: Mark | None = None
    """How far it is known which targets there are, and how they are."""

    def groups_changed(self, tx: Transaction) -> set[str] | None:
        """The target groups of which something is another since the last time; None: of any."""
        self.registered, ours = REGISTRATIONS.changed(tx, self.registered)
        self.targets, seen = TARGETS_SEEN.changed(tx, self.targets)
        if ours is None or seen is None:
            return None
        return {str(group_arn) for group_arn, *_ in (*ours, *seen)}

    def refresh(self, tx: Transaction) -> None:
        """Find what has changed of tasks."""
        self.changed.update(self.views.refresh(tx))


@dataclass(slots=True)
class EcsServicesReconciler:
    """Keeps every service at its desired count and brings every task to its end.

    What it keeps is what followed from rows that are still the same ones: a task is looked at
    again when a row of it was written, a service when one of its own or of its tasks was.
    """

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    _kept: _Kept = field(default_factory=_Kept)

    @property
    def name(self) -> str:
        """The module's name."""
        return "ecs_services"

    async def activate(self) -> Report:
        """Look at all tasks, then at each service with what became of its tasks."""
        report = Report()
        kept, self._kept = self._kept, _Kept()
        touched = self._tasks(kept, report)
        with self.store.reading() as tx:
            kept.refresh(tx)
            looks = self._looks(tx, kept, touched | set(kept.changed.values()), report)
        for look, others in looks:
            self._service(look, others, kept, report)
        self._sweep(kept, report)
        # A look that did not come to its end is no knowledge: the next one begins anew.
        self._kept = kept
        return report

    def _sweep(self, kept: _Kept, report: Report) -> None:
        """What ECS made in Cloud Map goes with the last service that uses it."""
        with self.store.reading() as tx:
            made = load_made(tx)
            kept.refresh(tx)
            gone = plan_sweep(rows.list_services(tx), kept.views.all(), made) if made else []
        for one in gone:
            self._invoke(one, "_DropRegistry", {"Registry": one.arn}, report)

    def _tasks(self, kept: _Kept, report: Report) -> set[str]:
        """Bring to their end the tasks whose time it is; the services of those that changed."""
        now = self.clock.now()
        with self.store.reading() as tx:
            kept.refresh(tx)
        changed, kept.changed = kept.changed, {}
        for arn in changed:
            view = kept.views.find(arn)
            if view is not None and view.task.ended_at is not None:
                kept.ended[arn] = view.task.ended_at
            else:
                kept.ended.pop(arn, None)
        for arn in (*changed, *(one for one in kept.ended if one not in changed)):
            view = kept.views.find(arn)
            wanted = plan_task(view, now) if view is not None else ""
            if view is not None and wanted:
                self._invoke(view.task, wanted, {"Task": arn}, report)
            elif arn in kept.ended:
                _wake(report, kept.ended[arn] + KEEP_STOPPED_S - now)
        return set(changed.values())

    def _looks(
        self, tx: Transaction, kept: _Kept, touched: set[str], report: Report
    ) -> list[tuple[_Look, dict[str, int]]]:
        """The services that are to be looked at, with stamps of what each look has read."""
        now = self.clock.now()
        kept.history, written = rows.EVENTS.changed(tx, kept.history)
        told = {key[0] for key in written or ()}
        groups = kept.groups_changed(tx)
        services = rows.list_services(tx)
        resting = {one.arn: kept.resting[one.arn] for one in services if one.arn in kept.resting}
        kept.resting = resting
        looks = []
        for service in services:
            rest = resting.get(service.arn)
            if (
                rest is not None
                and rest.look.service is service
                and written is not None
                and service.arn not in touched
                and service.arn not in told
                and groups is not None
                and (not groups or _unconcerned(service, groups))
                and now < rest.until
                and tx.unchanged(rest.others)
            ):
                _wake(report, rest.until - now)
                continue
            with tx.noting_reads() as read:
                look = self._look(tx, service, kept.views.of_service(service.arn))
            looks.append((look, tx.stamps(read - _BY_ROW)))
        return looks

    def _look(self, tx: Transaction, service: Service, mine: list[TaskView]) -> _Look:
        subnets = {one.subnet_id: one.zone for one in SUBNETS.table.whole(tx)}
        newest = rows.list_events(tx, service.arn)[:1]
        last = (newest[0].message, newest[0].created_at) if newest else ("", 0.0)
        used = service.primary.network.subnets
        known = load_known(tx, mine)
        named = frozenset(view.task.arn for view in mine if known.names(view))
        return _Look(
            service,
            mine,
            healths=_healths(tx, service, mine, self.clock),
            last_event=last,
            zones=frozenset(subnets[one] for one in used if one in subnets),
            known=known,
            outside=replace(_outside(tx, service, self.clock), named=named),
        )

    def _service(self, look: _Look, others: Mapping[str, int], kept: _Kept, report: Report) -> None:
        now = self.clock.now()
        service = look.service
        if service.deleted_at is not None and not look.tasks:
            left = service.deleted_at + KEEP_STOPPED_S - now
            if left <= 0:
                self._invoke(service, "_ForgetService", {"Service": service.arn}, report)
            else:
                _wake(report, left)
            return
        resting = kept.resting.pop(service.arn, None)
        if resting is not None and resting.look == look and now < resting.until:
            kept.resting[service.arn] = replace(resting, others=others)
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
            kept.resting[service.arn] = _Rest(look, others, now + again_s)
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


def _unconcerned(service: Service, groups: set[str]) -> bool:
    """Whether none of its tasks may be in these target groups. One that deploys asks more."""
    return service.primary.rollout != "IN_PROGRESS" and not any(
        one.group_arn in groups for deployment in service.deployments for one in deployment.served
    )


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
