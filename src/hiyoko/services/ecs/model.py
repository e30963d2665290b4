"""What ECS keeps of a wish, and how a status is told from wish and sighting."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from hiyoko.services.ecs import rollout as rollout
from hiyoko.services.ecs.connect_model import MANAGED as MANAGED
from hiyoko.services.ecs.connect_model import Connect as Connect
from hiyoko.services.ecs.connect_model import ConnectLog as ConnectLog
from hiyoko.services.ecs.connect_model import ConnectService as ConnectService
from hiyoko.services.ecs.log_model import FirelensConfiguration as FirelensConfiguration
from hiyoko.services.ecs.log_model import LogConfiguration as LogConfiguration
from hiyoko.services.ecs.rollout import Advanced, DeploymentStrategy, Pause
from hiyoko.services.ecs.seen import ContainerSeen, ProxySeen, TaskSeen

Tags = tuple[tuple[str, str], ...]
Strategy = tuple[tuple[str, int, int], ...]
"""A capacity provider strategy: provider, weight, base."""
BY_PROVIDER = "provider"
"""How a service is launched whose tasks are spread by a capacity provider strategy."""
Sighting = TaskSeen
"""What was seen of a task, for those who may know models only."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster: a name for tasks and services to be in."""

    account: str
    region: str
    name: str
    arn: str
    created_at: float
    deleted_at: float | None = None
    container_insights: str = "disabled"
    capacity_providers: tuple[str, ...] = ()
    strategy: Strategy = ()
    """The default capacity provider strategy."""
    connect_namespace: str = ""
    """serviceConnectDefaults: the ARN of a namespace."""
    exec_logging: str = ""
    exec_log_group: str = ""
    """Sessions of ECS Exec: NONE, DEFAULT or OVERRIDE as it was given, and where that leads."""
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A port of a container; under awsvpc the host port is the same one."""

    container_port: int
    protocol: str = "tcp"
    name: str = ""
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A command that tells whether a container is well."""

    command: tuple[str, ...]
    interval_s: int = 30
    timeout_s: int = 5
    retries: int = 3
    start_period_s: int | None = None


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Whether a container that ended is started again while its task goes on."""

    enabled: bool
    ignored_exit_codes: tuple[int, ...] = ()
    period_s: int = 300


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A volume of the task at a path of the container."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A resource limit of a container's process, by its name without ``RLIMIT_``."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class ContainerDefinition:
    """A container of a task definition."""

    name: str
    image: str
    essential: bool = True
    cpu: int = 0
    memory: int | None = None
    memory_reservation: int | None = None
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    environment: Tags = ()
    ports: tuple[PortMapping, ...] = ()
    user: str = ""
    working_directory: str = ""
    read_only_root: bool | None = None
    stop_timeout_s: int | None = None
    log: LogConfiguration | None = None
    health: HealthCheck | None = None
    depends_on: tuple[tuple[str, str], ...] = ()
    docker_labels: Tags = ()
    secrets: Tags = ()
    """Variables by name, with the ARN or name of what holds their value."""
    environment_files: tuple[str, ...] = ()
    mounts: tuple[MountPoint, ...] = ()
    volumes_from: tuple[tuple[str, bool], ...] = ()
    """Containers whose mounts this one has too, and whether only to read."""
    ulimits: tuple[Ulimit, ...] = ()
    system_controls: Tags = ()
    init_process: bool = False
    capabilities: tuple[str, ...] = ()
    version_consistency: str = ""
    """``enabled``, ``disabled``, or what AWS takes for enabled when nothing is said."""

    start_timeout_s: int | None = None
    restart: RestartPolicy | None = None
    dropped: tuple[str, ...] = ()
    """Capabilities that the container shall not have."""

    interactive: bool | None = None
    pseudo_terminal: bool | None = None
    firelens: FirelensConfiguration | None = None
    """Of the container that routes the others' logs."""

    @property
    def pins(self) -> bool:
        """Whether a service's deployment resolves the image's tag once, for all its tasks."""
        return self.version_consistency != "disabled" and "@" not in self.image


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A revision of a family: never changed but for its end."""

    account: str
    region: str
    family: str
    revision: int
    arn: str
    registered_at: float
    registered_by: str
    cpu: str
    memory: str
    containers: tuple[ContainerDefinition, ...]
    task_role: str = ""
    execution_role: str = ""
    requires: tuple[str, ...] = ()
    cpu_architecture: str = ""
    operating_system: str = ""
    volumes: tuple[str, ...] = ()
    deregistered_at: float | None = None
    delete_requested_at: float | None = None
    tags: Tags = ()
    pid_mode: str = ""
    ephemeral_gib: int | None = None

    @property
    def status(self) -> str:
        """ACTIVE, INACTIVE or DELETE_IN_PROGRESS."""
        if self.delete_requested_at is not None:
            return "DELETE_IN_PROGRESS"
        return "ACTIVE" if self.deregistered_at is None else "INACTIVE"

    def container(self, name: str) -> ContainerDefinition | None:
        """The container of this name."""
        return next((one for one in self.containers if one.name == name), None)

    @property
    def router(self) -> ContainerDefinition | None:
        """The container that routes the others' logs."""
        return next((one for one in self.containers if one.firelens is not None), None)


@dataclass(frozen=True, slots=True)
class Family:
    """The highest revision that a family ever had: numbers are not used twice."""

    account: str
    region: str
    family: str
    last_revision: int


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

    def container_arn(self, name: str) -> str:
        """The ARN of one of its containers; empty for one that it does not have."""
        identity = dict(self.container_ids).get(name)
        if identity is None:
            return ""
        start, cluster = self.arn.rsplit(":task/", 1)[0], self.cluster.rsplit("/", 1)[-1]
        return f"{start}:container/{cluster}/{self.task_id}/{identity}"


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """Which target group gets which container's port."""

    group_arn: str
    container: str
    port: int
    advanced: Advanced | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """Its target group, and the alternate one if there is one."""
        return (self.group_arn, *([self.advanced.alternate_arn] if self.advanced else []))


@dataclass(frozen=True, slots=True)
class Registry:
    """A service of Cloud Map in which tasks are registered; a port of 0 is not told to it."""

    arn: str
    port: int = 0
    container: str = ""
    container_port: int = 0

    @property
    def told_port(self) -> int:
        """The port that an instance is registered with."""
        return self.port or self.container_port


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """The image of a container in one deployment.

    ``pins``: the tag is resolved by the deployment's first task, and ``digest`` is what it led to.
    """

    container: str
    image: str
    pins: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A service's way to one state: definition, network and target groups.

    ``completed_at`` and ``failed_at`` note decisions of the scheduler. ``failed_tasks`` counts
    failures since the last healthy task, ``start_failures`` only those before RUNNING.
    """

    id: str
    created_at: float
    updated_at: float
    definition_arn: str
    network: Network
    load_balancers: tuple[LoadBalancer, ...] = ()
    completed_at: float | None = None
    failed_at: float | None = None
    rolling_back_to: str = ""
    failed_tasks: int = 0
    start_failures: int = 0
    last_failure_at: float = 0.0
    images: tuple[ContainerImage, ...] = ()
    registries: tuple[Registry, ...] = ()
    connect: Connect | None = None
    endpoints: tuple[ConnectService, ...] = ()
    """What its tasks can reach by Service Connect: settled when it began."""
    revision: str = ""
    """ARN of the service revision that its tasks are of."""
    record: str = ""
    """ARN of the service deployment that it belongs to; a rollback belongs to the one it ends."""
    rollback_requested: bool = False
    why: str = ""
    """What ended it, or what it undoes: nothing for the circuit breaker, else AWS's words."""
    strategy: str = "ROLLING"
    """How it goes about, decided when it began; ``stage`` and what follows tell how far it is."""
    source: str = ""
    """Id of the complete deployment that it takes over from; of a rollback, of the failed one."""
    groups: tuple[str, ...] = ()
    """The target groups that its tasks are in, where they may be the alternate ones."""
    stage: str = ""
    stage_at: float = 0.0
    weight: float = 0.0
    """Its share of production traffic in percent; ``test_weight`` that of test traffic."""
    test_weight: float = 0.0
    shifted_at: float | None = None
    """When a rule was changed in this stage; load balancers have to follow before the next one."""
    pauses: tuple[Pause, ...] = ()
    ignored_alarms: tuple[str, ...] = ()
    """Alarms that had gone off before it began."""

    @property
    def staged(self) -> bool:
        """Whether it is built up beside the earlier one, which then hands over its traffic."""
        return self.strategy != "ROLLING"

    @property
    def served(self) -> tuple[LoadBalancer, ...]:
        """Its load balancers, each with the target group that its tasks are really in."""
        if not self.groups:
            return self.load_balancers
        pairs = zip(self.load_balancers, self.groups, strict=True)
        return tuple(replace(one, group_arn=group) for one, group in pairs)

    @property
    def unresolved(self) -> tuple[str, ...]:
        """Containers whose image still has to be pinned."""
        return tuple(one.container for one in self.images if one.pins and not one.digest)

    @property
    def digests(self) -> Tags:
        """Containers whose image is pinned, and to which digest."""
        return tuple((one.container, one.digest) for one in self.images if one.digest)

    @property
    def rollout(self) -> str:
        """IN_PROGRESS, COMPLETED or FAILED."""
        if self.failed_at is not None:
            return "FAILED"
        return "IN_PROGRESS" if self.completed_at is None else "COMPLETED"


@dataclass(frozen=True, slots=True)
class Service:
    """So many tasks, always. ``deployments``: newest (PRIMARY) first."""

    account: str
    region: str
    arn: str
    cluster: str
    name: str
    created_at: float
    created_by: str
    desired_count: int
    deployments: tuple[Deployment, ...]
    launched_by: str = "FARGATE"
    strategy: Strategy = ()
    platform_version: str = "LATEST"
    minimum_percent: int = 100
    maximum_percent: int = 200
    breaker: bool = False
    rollback: bool = False
    grace_s: int | None = None
    propagate_tags: str = "NONE"
    managed_tags: bool = False
    last_completed: Deployment | None = None
    threshold: tuple[str, int] | None = None
    """The circuit breaker's thresholdConfiguration: type and value."""
    reset_on_healthy: bool | None = None
    rebalancing: bool = False
    """availabilityZoneRebalancing."""
    exec_enabled: bool = False
    deployment_strategy: DeploymentStrategy = rollout.ROLLING
    deleted_at: float | None = None
    tags: Tags = ()

    @property
    def breaker_threshold(self) -> int:
        """How many failed tasks open its circuit breaker."""
        return breaker_threshold(self.desired_count, *(self.threshold or ()))

    @property
    def primary(self) -> Deployment:
        """The newest deployment, which all tasks shall come to belong to."""
        return self.deployments[0]

    @property
    def kept(self) -> tuple[str, ...]:
        """Ids of the deployments that have all their tasks: one that is to be taken over, too."""
        one = self.primary
        beside = one.staged and one.rollout == "IN_PROGRESS" and not one.rolling_back_to
        if beside and one.stage != rollout.CLEAN_UP:
            return (one.id, one.source)
        return (one.id,)


def breaker_threshold(desired: int, kind: str = "BOUNDED_PERCENT", value: int = 50) -> int:
    """How many failed tasks open the circuit breaker of a service of this size."""
    if kind == "COUNT":
        return value
    share = math.ceil(desired * value / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))


@dataclass(frozen=True, slots=True)
class ServiceRevision:
    """What a service was made of from one deployment on; only the digests come later."""

    arn: str
    service: str
    cluster: str
    created_at: float
    definition_arn: str
    network: Network
    load_balancers: tuple[LoadBalancer, ...]
    platform_version: str
    launched_by: str
    strategy: Strategy
    images: tuple[ContainerImage, ...]
    registries: tuple[Registry, ...] = ()
    connect: Connect | None = None
    groups: tuple[str, ...] = ()
    """The target groups of its tasks, where they may be the alternate ones."""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a service's history."""

    service: str
    sequence: int
    id: str
    created_at: float
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell EventBridge: ``detail`` is JSON, ``resource`` an ARN."""

    sequence: int
    account: str
    region: str
    created_at: float
    kind: str
    resource: str
    detail: str


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
    def ephemeral_gib(self) -> int | None:
        """The ephemeral storage that was asked for."""
        return self.task.overrides.ephemeral_gib or self.definition.ephemeral_gib

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
