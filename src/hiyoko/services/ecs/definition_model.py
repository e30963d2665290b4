"""What ECS keeps of a task definition."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.services.ecs.log_model import FirelensConfiguration, LogConfiguration

Tags = tuple[tuple[str, str], ...]


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
    init_process: bool | None = None
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
