"""Which tasks Cloud Map shall know, and as how healthy: a pure function of tasks and instances.

Rule 1. A task is registered while it runs and nobody wishes its end.

Rule 2. Its containers start to stop only when nothing leads to it any more: its deregistration is
over, DNS answers from it, and no proxy of Service Connect has it among its servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hiyoko.reconcile.ecs_actions import DeregisterTask, RegisterTask, TellHealth
from hiyoko.services.ecs.model import MANAGED, Service, TaskView
from hiyoko.services.ecs.seen import PROXIES_SEEN
from hiyoko.services.servicediscovery import rows
from hiyoko.services.servicediscovery.model import Instance
from hiyoko.services.servicediscovery.model import Service as CloudMapService
from hiyoko.store.database import Transaction

Place = tuple[str, str]
"""A service of Cloud Map (its id) and an instance in it, which is a task's id."""


@dataclass(frozen=True, slots=True)
class Known:
    """What Cloud Map knows. ``checked``: services of which somebody tells the instances' health.

    ``leaving`` are instances that are gone, though DNS may still name them.
    """

    instances: Mapping[Place, Instance] = field(default_factory=dict)
    checked: frozenset[str] = frozenset()
    leaving: frozenset[Place] = frozenset()

    def names(self, view: TaskView) -> bool:
        """Whether some name may still lead to the task."""
        return any(
            place in self.instances or place in self.leaving for place in _places(view).values()
        )


def load_known(tx: Transaction, views: Iterable[TaskView]) -> Known:
    """What Cloud Map knows of these tasks."""
    views = tuple(views)
    places = {place for view in views for place in _places(view).values()}
    if not places:
        return Known()
    sent = {place for row in PROXIES_SEEN.list(tx) for place in row.servers}
    proxied = {
        (service_id, view.task.task_id)
        for view in views
        for arn, port in view.task.registrations
        if ((service_id := arn.rpartition("/")[2]), f"{view.task.address}:{port}") in sent
    }
    services = {service_id for service_id, _ in places}
    pending = {
        (one.target("SERVICE"), one.target("INSTANCE"))
        for one in rows.list_pending(tx)
        if one.type == "DEREGISTER_INSTANCE"
    }
    return Known(
        instances={
            (one.service_id, one.instance_id): one
            for service_id in services
            for one in rows.list_instances(tx, service_id)
        },
        checked=frozenset(
            one.service_id
            for one in rows.SERVICES.list(tx)
            if one.custom_health and one.service_id in services
        ),
        leaving=frozenset(places & pending) | proxied,
    )


def _places(view: TaskView) -> dict[str, Place]:
    """Where the task is registered, by the ARN of Cloud Map's service."""
    return {arn: (arn.rpartition("/")[2], view.task.task_id) for arn, _ in view.task.registrations}


def plan_discovery(
    views: Iterable[TaskView], known: Known
) -> list[RegisterTask | TellHealth | DeregisterTask]:
    """What makes Cloud Map know the tasks that run, and no others."""
    found: list[RegisterTask | TellHealth | DeregisterTask] = []
    for view in views:
        for arn, place in _places(view).items():
            instance = known.instances.get(place)
            lives = view.stop is None and view.task.ended_at is None
            if not lives:
                if instance is not None:
                    found.append(DeregisterTask(view.task.arn, arn))
            elif instance is None:
                if view.status == "RUNNING":
                    found.append(RegisterTask(view.task.arn, arn, _health(view)))
            elif place[0] in known.checked and instance.told_health != _health(view):
                found.append(TellHealth(view.task.arn, arn, _health(view)))
    return found


def load_made(tx: Transaction) -> list[CloudMapService]:
    """Cloud Map's services that ECS made for Service Connect and that have no instance."""
    return [
        one
        for one in rows.SERVICES.list(tx)
        if MANAGED in dict(one.tags) and not rows.count_instances(tx, one.service_id)
    ]


def plan_sweep(
    services: Iterable[Service], views: Iterable[TaskView], made: Iterable[CloudMapService]
) -> list[CloudMapService]:
    """Those that no deployment offers any more, and no task is registered in."""
    kept = {
        one.registry
        for service in services
        if service.deleted_at is None
        for deployment in (*service.deployments, service.last_completed)
        if deployment is not None and deployment.connect is not None
        for one in deployment.connect.services
    }
    for view in views:
        if view.task.ended_at is None:
            kept.update(arn for arn, _ in view.task.registrations)
    return [one for one in made if one.arn not in kept]


def _health(view: TaskView) -> str:
    """What the containers' checks say; without any, a task that runs is healthy."""
    return "UNHEALTHY" if view.checked and view.health != "HEALTHY" else "HEALTHY"
