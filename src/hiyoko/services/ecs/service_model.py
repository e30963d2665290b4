"""What ECS keeps of a service, its deployments and its history."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hiyoko.services.ecs import rollout
from hiyoko.services.ecs.connect_model import Connect, ConnectService
from hiyoko.services.ecs.definition_model import Tags
from hiyoko.services.ecs.rollout import Advanced, DeploymentStrategy, Pause
from hiyoko.services.ecs.task_model import Network

Strategy = tuple[tuple[str, int, int], ...]
"""A capacity provider strategy: provider, weight, base."""


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
    def shares(self) -> str:
        """How traffic is shared with it just now, as one word: what Service Connect has to do."""
        return f"{self.id}:{self.weight:g}:{self.test_weight:g}"

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
