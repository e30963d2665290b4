"""All that ECS keeps, as the rest of the program knows it; clusters and what is told are here."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.services.ecs import rollout as rollout
from hiyoko.services.ecs.connect_model import MANAGED as MANAGED
from hiyoko.services.ecs.connect_model import Connect as Connect
from hiyoko.services.ecs.connect_model import ConnectLog as ConnectLog
from hiyoko.services.ecs.connect_model import ConnectService as ConnectService
from hiyoko.services.ecs.definition_model import ContainerDefinition as ContainerDefinition
from hiyoko.services.ecs.definition_model import Family as Family
from hiyoko.services.ecs.definition_model import HealthCheck as HealthCheck
from hiyoko.services.ecs.definition_model import MountPoint as MountPoint
from hiyoko.services.ecs.definition_model import PortMapping as PortMapping
from hiyoko.services.ecs.definition_model import RestartPolicy as RestartPolicy
from hiyoko.services.ecs.definition_model import Tags as Tags
from hiyoko.services.ecs.definition_model import TaskDefinition as TaskDefinition
from hiyoko.services.ecs.definition_model import Ulimit as Ulimit
from hiyoko.services.ecs.exec_model import ExecSession as ExecSession
from hiyoko.services.ecs.exec_model import SessionTerminated as SessionTerminated
from hiyoko.services.ecs.log_model import FirelensConfiguration as FirelensConfiguration
from hiyoko.services.ecs.log_model import LogConfiguration as LogConfiguration
from hiyoko.services.ecs.service_model import ContainerImage as ContainerImage
from hiyoko.services.ecs.service_model import Deployment as Deployment
from hiyoko.services.ecs.service_model import Event as Event
from hiyoko.services.ecs.service_model import LoadBalancer as LoadBalancer
from hiyoko.services.ecs.service_model import Registry as Registry
from hiyoko.services.ecs.service_model import Service as Service
from hiyoko.services.ecs.service_model import ServiceRevision as ServiceRevision
from hiyoko.services.ecs.service_model import Strategy as Strategy
from hiyoko.services.ecs.service_model import breaker_threshold as breaker_threshold
from hiyoko.services.ecs.task_model import BY_PROVIDER as BY_PROVIDER
from hiyoko.services.ecs.task_model import ContainerOverride as ContainerOverride
from hiyoko.services.ecs.task_model import Network as Network
from hiyoko.services.ecs.task_model import Overrides as Overrides
from hiyoko.services.ecs.task_model import Sighting as Sighting
from hiyoko.services.ecs.task_model import Stop as Stop
from hiyoko.services.ecs.task_model import Task as Task
from hiyoko.services.ecs.task_model import TaskTold as TaskTold
from hiyoko.services.ecs.task_model import TaskView as TaskView


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
class Notice:
    """Something to tell EventBridge: ``detail`` is JSON, ``resource`` an ARN."""

    sequence: int
    account: str
    region: str
    created_at: float
    kind: str
    resource: str
    detail: str
