"""Tasks that must run: one namespace and interface each, containers from OCI images."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where a container's output goes: CloudWatch Logs (awslogs)."""

    group: str
    stream: str
    region: str
    create_group: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume of the task at a path of a container."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a task. Empty ``command`` and ``entry_point`` mean the image's own.

    ``memory_mib`` None means no limit of its own below the task's. ``secrets`` are variables
    with the ARN or name of their value; ``environment_files`` ARNs of S3 objects; ``ulimits``
    name, soft and hard limit. ``restart_period_s`` is how long a container must have run to be
    started again when it ends (not by an exit code of ``restart_ignores``); None: it never is.
    Explicit variables win over those of files, the first file over later ones.
    """

    name: str
    image: str
    essential: bool
    command: tuple[str, ...]
    entry_point: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    user: str
    working_directory: str
    cpu_shares: int
    memory_mib: int | None
    read_only_root: bool
    stop_timeout_s: int
    log: LogTarget | None
    health_command: tuple[str, ...] = ()
    health_interval_s: int = 30
    health_timeout_s: int = 5
    health_retries: int = 3
    health_start_period_s: int = 0
    depends_on: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    environment_files: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ulimits: tuple[tuple[str, int, int], ...] = ()
    system_controls: tuple[tuple[str, str], ...] = ()
    init_process: bool = False
    capabilities: tuple[str, ...] = ()
    arn: str = ""
    digest: str = ""
    start_timeout_s: int | None = None
    restart_period_s: int | None = None
    restart_ignores: tuple[int, ...] = ()

    @property
    def reference(self) -> str:
        """What is pulled: the image, by its digest where the service's deployment pins one."""
        return f"{self.image}@{self.digest}" if self.digest else self.image


@dataclass(frozen=True, slots=True)
class Identity:
    """What a task is told of itself. ``service`` and ``role`` (an ARN) are empty without one.

    ``credentials_id`` is the last part of the path at which it finds its role's keys.
    """

    cluster: str = ""
    family: str = ""
    revision: int = 0
    service: str = ""
    launch_type: str = "FARGATE"
    role: str = ""
    credentials_id: str = ""
    mac: str = ""
    subnet_cidr: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A task and whether it shall run. ``registry_token`` of ECR pulls is the account's."""

    arn: str
    account: str
    region: str
    zone: str
    eni_id: str
    vpc_id: str
    address: IPv4Address
    hostname: str
    resolver: IPv4Address
    search_domain: str
    cpu_units: int
    memory_mib: int
    containers: tuple[Container, ...]
    run: bool = True
    identity: Identity = Identity()
    aliases: tuple[tuple[str, str], ...] = ()
    """Names of Service Connect with their addresses, for /etc/hosts."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """Every task that runs or has yet to be taken down."""

    tasks: tuple[Task, ...] = ()
