"""What the task reconciler saw of containers. Only ``reconcile.tasks`` writes these rows, and
``reconcile.task_metrics`` those of usage."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class ContainerSeen:
    """A container as the runtime tells it: ``status`` is PENDING, RUNNING or STOPPED.

    ``health`` is HEALTHY, UNHEALTHY or UNKNOWN (no check, or not settled). ``agent_at``: since when
    the agent of ECS Exec has its way to AWS. ``lost``: it ended with the world that it ran in.
    """

    name: str
    status: str
    runtime_id: str = ""
    image_digest: str = ""
    pid: int | None = None
    exit_code: int | None = None
    reason: str = ""
    health: str = "UNKNOWN"
    started_at: float | None = None
    finished_at: float | None = None
    agent_at: float | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """A task's progress in the world.

    ``failure`` is AWS's stopped reason of a task that could not be started (pull, logger, start).
    ``gone`` is true when no container, mount or process of a stopped task is left.
    """

    task_arn: str
    containers: tuple[ContainerSeen, ...]
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    failure: str = ""
    gone: bool = False
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ProxySeen:
    """A task's Service Connect proxy that runs, and the places that it may send to.

    ``servers`` are pairs of a Cloud Map service's id and an address with its port. ``shares`` says
    of each such service which shares of traffic it follows (``Deployment.shares``); nothing while
    it does not do all that it shall, or nothing is shifted. Only ``reconcile.connect`` writes these
    rows.
    """

    eni_id: str
    pid: int
    servers: tuple[tuple[str, str], ...]
    seen_at: float
    shares: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProxyCounted:
    """What a proxy had counted when it was last asked, in which minute.

    ``listeners``: backend, Cloud Map's service and protocol of each alias. ``counters``: by
    HAProxy's proxy and server. Only ``reconcile.connect_metrics`` writes these rows.
    """

    eni_id: str
    pid: int
    minute: int
    listeners: tuple[tuple[str, str, str], ...]
    counters: tuple[tuple[str, str, tuple[int, ...]], ...]


PROXIES_COUNTED = Table("ecs_proxy_counted", ProxyCounted, key=("eni_id",))
PROXIES_SEEN = Table("ecs_proxy_seen", ProxySeen, key=("eni_id",))
TASKS_SEEN = Table("ecs_task_seen", TaskSeen, key=("task_arn",))


@dataclass(frozen=True, slots=True)
class UsageSeen:
    """What a running task had used when it was last looked at.

    ``at_s`` is on the host's monotonic clock.
    """

    task_arn: str
    cpu_ns: int
    at_s: float


USAGE_SEEN = Table("ecs_usage_seen", UsageSeen, key=("task_arn",))


@dataclass(frozen=True, slots=True)
class UsageLook:
    """The minute in which the usage of tasks was last looked at."""

    minute: int
    key: str = "usage"


USAGE_LOOKS = Table("ecs_usage_look", UsageLook, key=("key",))
