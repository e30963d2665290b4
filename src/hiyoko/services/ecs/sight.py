"""Wish and sighting brought together: what describing a task or a cluster starts from."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.services.ec2.seen import INTERFACES_SEEN
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.model import Cluster, Service, Task, TaskView
from hiyoko.services.ecs.seen import PROXIES_SEEN
from hiyoko.store.database import Transaction

PENDING = ("PROVISIONING", "PENDING", "ACTIVATING")


@dataclass(frozen=True, slots=True)
class Counts:
    """What a cluster holds."""

    running: int
    pending: int
    unfinished: int
    """Every task that is not STOPPED yet: the ones that are stopping too."""
    active_services: int


def view(tx: Transaction, task: Task) -> TaskView:
    """A task with all that was seen of it."""
    interface = INTERFACES_SEEN.find(tx, eni_id=task.eni_id)
    told = rows.TOLD.find(tx, task_arn=task.arn)
    return TaskView(
        task,
        rows.get_definition(tx, task.definition_arn),
        rows.find_seen(tx, task.arn),
        interface.seen_at if interface is not None else None,
        told.version if told is not None else None,
        PROXIES_SEEN.find(tx, eni_id=task.eni_id) if task.proxy else None,
    )


def service_views(tx: Transaction, service: str) -> list[TaskView]:
    """A service's tasks, the stopped ones of the last hour too."""
    return [view(tx, task) for task in rows.list_tasks(tx, service=service)]


def service_status(service: Service, views: list[TaskView]) -> str:
    """ACTIVE; DRAINING while a deleted service still has a task; then INACTIVE."""
    if service.deleted_at is None:
        return "ACTIVE"
    return "INACTIVE" if all(view.status == "STOPPED" for view in views) else "DRAINING"


def counts(tx: Transaction, cluster: Cluster) -> Counts:
    """How many tasks and services a cluster holds."""
    states = [view(tx, task).status for task in rows.list_tasks(tx, cluster=cluster.arn)]
    services = rows.list_services(tx, cluster=cluster.arn)
    return Counts(
        running=states.count("RUNNING"),
        pending=sum(states.count(state) for state in PENDING),
        unfinished=sum(1 for state in states if state != "STOPPED"),
        active_services=sum(1 for service in services if service.deleted_at is None),
    )
