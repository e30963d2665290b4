"""ECS's rows in the store."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from operator import attrgetter

from hiyoko.services.ecs.errors import ClusterNotFound
from hiyoko.services.ecs.model import (
    Cluster,
    Event,
    ExecSession,
    Family,
    Notice,
    Service,
    ServiceRevision,
    Task,
    TaskDefinition,
    TaskTold,
)
from hiyoko.services.ecs.rollout import ServiceDeployment
from hiyoko.services.ecs.seen import TASKS_SEEN, TaskSeen
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

CLUSTERS = Table("ecs_cluster", Cluster, key=("account", "region", "name"))
FAMILIES = Table("ecs_family", Family, key=("account", "region", "family"))
DEFINITIONS = Table(
    "ecs_task_definition",
    TaskDefinition,
    key=("account", "region", "family", "revision"),
    index=("arn",),
)
TASKS = Table("ecs_task", Task, key=("arn",), index=("cluster", "service"))
SERVICES = Table("ecs_service", Service, key=("arn",), index=("cluster",))
REVISIONS = Table("ecs_service_revision", ServiceRevision, key=("arn",), index=("service",))
SERVICE_DEPLOYMENTS = Table(
    "ecs_service_deployment", ServiceDeployment, key=("arn",), index=("service",)
)
NOTICES = Table("ecs_notice", Notice, key=("sequence",))
TOLD = Table("ecs_task_told", TaskTold, key=("task_arn",))
SESSIONS = Table("ecs_exec_session", ExecSession, key=("id",))
EVENTS = Table("ecs_service_event", Event, key=("service", "sequence"))

EVENTS_KEPT = 100
"""The newest events that DescribeServices shows."""


def find_cluster(tx: Transaction, account: str, region: str, name: str) -> Cluster | None:
    """The cluster of this name, also an inactive one."""
    return CLUSTERS.find(tx, account=account, region=region, name=name)


def get_cluster(tx: Transaction, account: str, region: str, name: str) -> Cluster:
    """The active cluster of this name."""
    cluster = find_cluster(tx, account, region, name)
    if cluster is None or cluster.deleted_at is not None:
        raise ClusterNotFound
    return cluster


def list_clusters(tx: Transaction, account: str, region: str) -> list[Cluster]:
    """All clusters of an account and region, inactive ones too."""
    return CLUSTERS.list(tx, account=account, region=region)


def next_revision(tx: Transaction, account: str, region: str, family: str) -> int:
    """Take the family's next revision number."""
    old = FAMILIES.find(tx, account=account, region=region, family=family)
    revision = 1 if old is None else old.last_revision + 1
    FAMILIES.put(tx, Family(account, region, family, revision))
    return revision


def find_definition(tx: Transaction, arn: str) -> TaskDefinition | None:
    """The revision with this ARN."""
    return DEFINITIONS.find(tx, arn=arn)


def get_definition(tx: Transaction, arn: str) -> TaskDefinition:
    """The revision with this ARN, which a task or service of ours uses."""
    definition = find_definition(tx, arn)
    assert definition is not None, f"{arn} is in use and not there"
    return definition


def list_definitions(
    tx: Transaction, account: str, region: str, family: str | None = None
) -> list[TaskDefinition]:
    """Revisions by family and number."""
    if family is None:
        return DEFINITIONS.list(tx, account=account, region=region)
    return DEFINITIONS.list(tx, account=account, region=region, family=family)


def find_task(tx: Transaction, arn: str) -> Task | None:
    """The task with this ARN."""
    return TASKS.find(tx, arn=arn)


@dataclass(slots=True)
class _ByAge:
    """Tasks, oldest first: those of a cluster and those of a service, by ARN; all under ""."""

    _of: dict[str, list[Task]] = field(default_factory=dict)

    def add(self, row: Task) -> None:
        """The task is there."""
        for owner in {"", row.cluster, row.service}:
            insort(self._of.setdefault(owner, []), row, key=_age)

    def remove(self, row: Task) -> None:
        """It is not, or is another one now."""
        for owner in {"", row.cluster, row.service}:
            tasks = self._of[owner]
            del tasks[bisect_left(tasks, _age(row), key=_age)]

    def of(self, owner: str) -> list[Task]:
        """The tasks of a cluster, of a service, or all."""
        return list(self._of.get(owner, ()))


_age = attrgetter("created_at", "arn")


def list_tasks(tx: Transaction, *, cluster: str = "", service: str = "") -> list[Task]:
    """Tasks, oldest first: all, those of a cluster, or those of a service (by ARN)."""
    return TASKS.derived(tx, _ByAge).of(service or cluster)


def put_task(tx: Transaction, task: Task) -> None:
    """Write a task's wish."""
    TASKS.put(tx, task)


def find_seen(tx: Transaction, arn: str) -> TaskSeen | None:
    """What was seen of a task."""
    return TASKS_SEEN.find(tx, task_arn=arn)


def forget_task(tx: Transaction, arn: str) -> None:
    """Drop a task's wish and sighting, long after its end."""
    TASKS.delete(tx, arn=arn)
    TASKS_SEEN.delete(tx, task_arn=arn)
    TOLD.delete(tx, task_arn=arn)


def find_service(tx: Transaction, arn: str) -> Service | None:
    """The service with this ARN, also one that is being deleted."""
    return SERVICES.find(tx, arn=arn)


def list_services(tx: Transaction, *, cluster: str = "") -> list[Service]:
    """Services: all, or those of a cluster (by ARN)."""
    return SERVICES.list(tx, cluster=cluster) if cluster else SERVICES.list(tx)


def put_service(tx: Transaction, service: Service) -> None:
    """Write a service's wish."""
    SERVICES.put(tx, service)


def delete_service(tx: Transaction, arn: str) -> None:
    """Drop a service and its history."""
    SERVICES.delete(tx, arn=arn)
    REVISIONS.delete(tx, service=arn)
    SERVICE_DEPLOYMENTS.delete(tx, service=arn)
    EVENTS.delete(tx, service=arn)


def list_service_deployments(tx: Transaction, service: str) -> list[ServiceDeployment]:
    """A service's deployments, newest first."""
    found = SERVICE_DEPLOYMENTS.list(tx, service=service)
    return sorted(found, key=lambda one: one.created_at, reverse=True)


def list_events(tx: Transaction, service: str) -> list[Event]:
    """A service's history, newest first."""
    return EVENTS.list(tx, service=service)[::-1]


def insert_event(tx: Transaction, service: str, event_id: str, now: float, message: str) -> None:
    """Add to a service's history; all but the newest are forgotten."""
    last = tx.execute(
        "SELECT max(sequence) FROM ecs_service_event WHERE service = ?", (service,)
    ).fetchone()[0]
    sequence = (last or 0) + 1
    EVENTS.insert(tx, Event(service, sequence, event_id, now, message))
    for old in EVENTS.list(tx, service=service)[:-EVENTS_KEPT]:
        EVENTS.delete(tx, service=service, sequence=old.sequence)
