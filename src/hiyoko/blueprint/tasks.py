"""Tasks that must run: one namespace and interface each, containers from OCI images."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

STORAGE_GIB = 20
"""What a task may write that asks for no more.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html"""


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where a container's output goes: CloudWatch Logs (awslogs).

    An event of several lines begins with ``multiline_pattern``, or with a time of
    ``datetime_format``; with neither, each line is an event.
    ``blocking``: output that cannot be sent makes the container wait; else what is beyond
    ``buffer_bytes`` is lost.
    """

    group: str
    stream: str
    region: str
    create_group: bool = False
    multiline_pattern: str = ""
    datetime_format: str = ""
    blocking: bool = False
    buffer_bytes: int = 10 << 20


@dataclass(frozen=True, slots=True)
class RoutedLog:
    """Where a container's output goes: the task's log router (awsfirelens), with this tag.

    While the router is not there, what is beyond ``buffer_lines`` is lost. ``acknowledges``: what
    it has taken, it says so.
    """

    router: str
    tag: str
    acknowledges: bool
    buffer_lines: int


@dataclass(frozen=True, slots=True)
class LogOutput:
    """What a container's log options say of where the router shall send its output."""

    container: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LogRouter:
    """A container that takes the output of others and sends it on (FireLens).

    ``kind``: fluentbit or fluentd. ``fields`` are added to each record; ``include`` is a file of
    its image that its configuration includes, or empty. ``memory_mib`` is what it reserves.
    """

    kind: str
    outputs: tuple[LogOutput, ...]
    fields: tuple[tuple[str, str], ...] = ()
    include: str = ""
    memory_mib: int | None = None


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
    Explicit variables win over those of files, the first file over later ones. ``dropped`` are
    capabilities; ``interactive`` keeps the input open, ``terminal`` makes it one.
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
    log: LogTarget | RoutedLog | None
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
    dropped: tuple[str, ...] = ()
    interactive: bool = False
    terminal: bool = False
    router: LogRouter | None = None

    @property
    def reference(self) -> str:
        """What is pulled: the image, by its digest where the service's deployment pins one."""
        return f"{self.image}@{self.digest}" if self.digest else self.image


@dataclass(frozen=True, slots=True)
class Identity:
    """What a task is told of itself. ``service`` and ``role`` (an ARN) are empty without one.

    ``execution_role`` is the agent's, for what is done before and around the containers.
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
    execution_role: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task and whether it shall run.

    ``architecture`` is the one that its images must have, as an OCI platform names it.
    ``shared_pids``: its containers see each other's processes. ``storage_gib``: what they may write
    in all, and how large an unpacked layer may be.
    """

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
    proxy: str = ""
    proxy_log: LogTarget | None = None
    """Service Connect's container, and where its log goes."""
    architecture: str = "amd64"
    shared_pids: bool = False
    storage_gib: int = STORAGE_GIB
    exec_enabled: bool = False


@dataclass(frozen=True, slots=True)
class Tasks:
    """Every task that runs or has yet to be taken down."""

    tasks: tuple[Task, ...] = ()
