"""What ECS keeps of a task, and how its status is told from wish and sighting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hiyoko.services.ecs.connect_model import ConnectLog, ConnectService
from hiyoko.services.ecs.definition_model import ContainerDefinition, Tags, TaskDefinition
from hiyoko.services.ecs.seen import ContainerSeen, ProxySeen, TaskSeen

BY_PROVIDER = "provider"
"""How a service is launched whose tasks are spread by a capacity provider strategy."""
EPHEMERAL_GIB = 20
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html"""
Sighting = TaskSeen
"""What was seen of a task, for those who may know models only."""


@dataclass(frozen=True, slots=True)
class Network:
    """awsvpcConfiguration: where tasks get their interface."""

    subnets: tuple[str, ...]
    groups: tuple[str, ...] = ()
    public_ip: bool = False


@dataclass(frozen=True, slots=True)
class ContainerOverride:
    """What one task changes of a container; None keeps the definition's."""

    name: str
    command: tuple[str, ...] | None = None
    environment: Tags = ()
    cpu: int | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    environment_files: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Overrides:
    """What one task changes of its definition."""

    containers: tuple[ContainerOverride, ...] = ()
    cpu: str = ""
    memory: str = ""
    task_role: str = ""
    execution_role: str = ""
    ephemeral_gib: int | None = None

    def container(self, name: str) -> ContainerOverride:
        """The override of this container; an empty one when there is none."""
        found = (one for one in self.containers if one.name == name)
        return next(found, ContainerOverride(name))


@dataclass(frozen=True, slots=True)
class Stop:
    """The wish that a task ends.

    While ``drain`` is true the containers go on: the load balancer still ends what it began.
    """

    at: float
    code: str
    reason: str
    drain: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is wished. ``ended_at``: everything is gone, the interface too."""

    account: str
    region: str
    arn: str
    task_id: str
    cluster: str
    definition_arn: str
    family: str
    group: str
    created_at: float
    eni_id: str
    subnet_id: str
    vpc_id: str
    zone: str
    address: str
    mac: str
    private_dns: str
    attachment_id: str
    cpu: str
    memory: str
    container_ids: tuple[tuple[str, str], ...]
    """Container name and its UUID."""
    service: str = ""
    """ARN of the service that owns the task."""
    deployment: str = ""
    started_by: str = ""
    launched_by: str = "FARGATE"
    """``FARGATE`` by launch type; else the capacity provider's name after ``provider:``."""
    overrides: Overrides = Overrides()
    stop: Stop | None = None
    ended_at: float | None = None
    client_token: str = ""
    tags: Tags = ()
    digests: Tags = ()
    """Containers whose image is pinned, and to which digest."""
    exec_enabled: bool = False
    rebalances: bool = False
    """Started to even out the zones; until it is healthy it is one more than desired."""
    registrations: tuple[tuple[str, int], ...] = ()
    """Services of Cloud Map in which it is registered while it runs, and with which port."""
    proxy: str = ""
    """Service Connect's container; none without Service Connect."""
    proxy_log: ConnectLog | None = None
    endpoints: tuple[ConnectService, ...] = ()
    ingress: tuple[tuple[int, int], ...] = ()
    """Ports at which the proxy takes others' requests, and the containers' ports."""
    protected_until: float = 0.0
    """Until then neither a scale-in nor a deployment stops it."""

    def container_arn(self, name: str) -> str:
        """The ARN of one of its containers; empty for one that it does not have."""
        identity = dict(self.container_ids).get(name)
        if identity is None:
            return ""
        start, cluster = self.arn.rsplit(":task/", 1)[0], self.cluster.rsplit("/", 1)[-1]
        return f"{start}:container/{cluster}/{self.task_id}/{identity}"


@dataclass(frozen=True, slots=True)
class TaskTold:
    """The last state of a task that was told, and how many there were."""

    task_arn: str
    version: int
    told: str


@dataclass(frozen=True)
class TaskView:
    """A task with its definition and all that was seen of it: what a status is told from.

    ``attached_at``: since when the interface stands in the world.
    """

    task: Task
    definition: TaskDefinition
    seen: TaskSeen | None = None
    attached_at: float | None = None
    version: int | None = None
    """How many states of it were told; None before the first."""
    proxy: ProxySeen | None = None
    """Service Connect's proxy, while it runs."""

    @property
    def architecture(self) -> str:
        """The processor that the task runs on, as an attribute's value."""
        return "arm64" if self.definition.cpu_architecture == "ARM64" else "x86_64"

    @property
    def ephemeral_gib(self) -> int:
        """The ephemeral storage that was asked for, or what every task has."""
        asked = self.task.overrides.ephemeral_gib or self.definition.ephemeral_gib
        return asked or EPHEMERAL_GIB

    @cached_property
    def fingerprint(self) -> str:
        """Its state in short: what a task's event is sent for when it changes."""
        containers = [
            f"{one.name}={seen.status if seen else 'PENDING'}" for one, seen in self.pairs
        ]
        return " ".join((self.status, self.desired_status, *containers))

    @cached_property
    def pairs(self) -> tuple[tuple[ContainerDefinition, ContainerSeen | None], ...]:
        """Each container with what was seen of it."""
        seen = {one.name: one for one in self.seen.containers} if self.seen else {}
        return tuple((one, seen.get(one.name)) for one in self.definition.containers)

    @cached_property
    def stop(self) -> Stop | None:
        """The end that was wished, or the one that the containers brought about."""
        if self.task.stop is not None:
            return self.task.stop
        if self.seen is None:
            return None
        if self.seen.failure:
            return Stop(self.seen.seen_at, "TaskFailedToStart", self.seen.failure)
        for container, seen in self.pairs:
            if container.essential and seen is not None and seen.status == "STOPPED":
                at = seen.finished_at or self.seen.seen_at
                reason = "Essential container in task exited"
                return Stop(at, "EssentialContainerExited", reason)
        return None

    @property
    def lost(self) -> bool:
        """Whether it ended with the world: nothing that its containers did."""
        return self.seen is not None and any(one.lost for one in self.seen.containers)

    @property
    def desired_status(self) -> str:
        """RUNNING or STOPPED: AWS knows no other desired status."""
        return "RUNNING" if self.stop is None else "STOPPED"

    @cached_property
    def started_at(self) -> float | None:
        """When the last container had started; None when one never did."""
        starts = [seen.started_at if seen is not None else None for _, seen in self.pairs]
        known = [start for start in starts if start is not None]
        return max(known) if len(known) == len(starts) else None

    @property
    def executed_until(self) -> float | None:
        """When the last container had ended."""
        ends = [seen.finished_at for _, seen in self.pairs if seen and seen.finished_at is not None]
        return max(ends) if ends and self.seen is not None and self._all_stopped else None

    @property
    def _all_stopped(self) -> bool:
        return all(seen is not None and seen.status == "STOPPED" for _, seen in self.pairs)

    @property
    def _running(self) -> bool:
        """Every container has started, and all that have ended were allowed to."""
        states = [(one.essential, seen.status if seen else "PENDING") for one, seen in self.pairs]
        return all(
            status == "RUNNING" or (status == "STOPPED" and not essential)
            for essential, status in states
        )

    @property
    def gone(self) -> bool:
        """No container, mount or process is left of it."""
        return self.seen is not None and self.seen.gone

    @cached_property
    def status(self) -> str:
        """The task's lastStatus.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
        """
        match (self.task.ended_at is not None, self.stop, self.gone):
            case (True, _, _):
                return "STOPPED"
            case (False, None, _):
                if self.attached_at is None:
                    return "PROVISIONING"
                return "RUNNING" if self._running else "PENDING"
            case (False, _, True):
                return "DEPROVISIONING"
            case (False, Stop(drain=True), False):
                return "DEACTIVATING"
            case _:
                return "STOPPING"

    @property
    def health(self) -> str:
        """HEALTHY, UNHEALTHY or UNKNOWN: what the essential containers with a check say."""
        checked = [
            seen.health if seen is not None else "UNKNOWN"
            for one, seen in self.pairs
            if one.essential and one.health is not None
        ]
        if "UNHEALTHY" in checked:
            return "UNHEALTHY"
        return "HEALTHY" if checked and set(checked) == {"HEALTHY"} else "UNKNOWN"

    @property
    def checked(self) -> bool:
        """Whether an essential container has a health check."""
        return any(one.essential and one.health is not None for one in self.definition.containers)
