"""What a task left on disk: the truth that a restarted daemon adopts.

``tasks/<id>/progress.json`` says how far the task got; ``tasks/<id>/<container>/`` holds the
bundle, the writable layer, the log, and what conmon wrote: pid files and, at the end, the exit
code.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter

from hiyoko.plane.containers.pull import PulledImage
from hiyoko.plane.process import command_line

ROOTS = Path("/run/roots")
"""In the world's own /run, as the state directory lets nobody pass who is not its owner."""
LOST = 137
"""The exit code of a container that ended without a witness: killed with the world."""

_converter = make_converter()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task got. ``stopped``: no process and no mount of it is left.

    ``world``: the one in which a container was started last (``plane.world.this_world``).
    """

    arn: str
    images: tuple[PulledImage, ...] = ()
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    failure: str = ""
    stopped: bool = False
    world: str = ""

    def image(self, name: str) -> PulledImage | None:
        """The pulled image of that name."""
        return next((image for image in self.images if image.image == name), None)


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container as its files and its process tell. ``status``: PENDING, RUNNING or STOPPED.

    ``lost``: it ended without a witness.
    """

    name: str
    status: str = "PENDING"
    pid: int | None = None
    monitor: int | None = None
    exit_code: int | None = None
    reason: str = ""
    health: str = "UNKNOWN"
    started_at: float | None = None
    finished_at: float | None = None
    restarts: int = 0
    first_started_at: float | None = None
    agent_at: float | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often a container was started again. ``ended``: when the run before had started."""

    count: int = 0
    first_started_at: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Stopping:
    """How a container wants to be stopped; ``needs`` those that it depends on: they end later."""

    signal: str = "SIGTERM"
    timeout_s: int = 30
    needs: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def task_id(arn: str) -> str:
    """The last part of a task's ARN."""
    return arn.rpartition("/")[2]


@lru_cache(maxsize=4096)
def runtime_id(arn: str, container: str) -> str:
    """``<task id>-<10 digits>``, as on Fargate; the digits follow from the container's name."""
    seed = hashlib.sha256(f"{arn}/{container}".encode()).digest()
    return f"{task_id(arn)}-{int.from_bytes(seed[:8], 'big') % 10**10:010d}"


def _write(path: Path, text: str) -> None:
    """Replace a small file in one step."""
    part = path.with_name(f".{path.name}")
    part.write_text(text)
    part.replace(path)


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class ContainerDirectory:
    """One container's files. Below ``writable`` is what it writes itself."""

    path: Path
    name: str
    cid: str
    writable: Path

    @property
    def bundle(self) -> Path:
        """The OCI bundle: config.json."""
        return self.path / "bundle"

    @property
    def rootfs(self) -> Path:
        """Where the container's overlay is mounted."""
        return ROOTS / self.cid

    @property
    def exit_file(self) -> Path:
        """What conmon writes when the container has ended."""
        return self.path / "exits" / self.cid

    @property
    def log(self) -> Path:
        """The container's output, in the Kubernetes log format."""
        return self.path / "log"

    @property
    def monitor_pid_file(self) -> Path:
        """conmon's pid."""
        return self.path / "conmon.pid"

    @property
    def pid_file(self) -> Path:
        """The pid of the container's init, in the world's pid namespace."""
        return self.path / "container.pid"

    def mark_started(self, now: float) -> None:
        """Note when the process was let go."""
        _write(self.path / "started", repr(now))

    def write_stopping(self, stopping: Stopping) -> None:
        """Note how the container wants to be stopped."""
        row = [stopping.signal, stopping.timeout_s, stopping.needs]
        _write(self.path / "stopping", json.dumps(row))

    def stopping(self) -> Stopping:
        """How the container wants to be stopped."""
        try:
            signal, timeout_s, *more = json.loads((self.path / "stopping").read_text())
        except (OSError, ValueError):
            return Stopping()
        # Before containers ended in order, nothing was noted of what they need.
        return Stopping(signal, timeout_s, tuple(more[0]) if more else ())

    def restarts(self) -> Restarts:
        """How often it was started again."""
        try:
            return _converter.loads((self.path / "restarts").read_text(), Restarts)
        except (OSError, ValueError, BaseValidationError):
            return Restarts()

    def begin_restart(self) -> None:
        """From here on the run that ended is over, and the container waits to be started again.

        The one write decides: a daemon that dies after it goes on here, and does not count twice.
        """
        before, started = self.restarts(), _number(self.path / "started")
        if started is None or before.ended == started:
            return
        first = started if before.first_started_at is None else before.first_started_at
        _write(self.path / "restarts", _converter.dumps(Restarts(before.count + 1, first, started)))
        (self.path / "health").unlink(missing_ok=True)

    def mark_agent(self, now: float) -> None:
        """Note that ECS Exec has its way to AWS."""
        _write(self.path / "agent", repr(now))

    def write_health(self, health: str) -> bool:
        """Note what the health check found; True when it is news."""
        if self.health() == health:
            return False
        _write(self.path / "health", health)
        return True

    def health(self) -> str:
        """The last settled result of the health check."""
        try:
            return (self.path / "health").read_text()
        except OSError:
            return "UNKNOWN"

    def monitor(self) -> int | None:
        """conmon's pid when it lives and watches this very container."""
        number = _number(self.monitor_pid_file)
        if number is None or self.cid not in command_line(int(number)):
            return None
        return int(number)

    def state(self) -> ContainerState:
        """What the files and the process say now."""
        restarts = self.restarts()
        return replace(
            self._run(restarts),
            restarts=restarts.count,
            first_started_at=restarts.first_started_at,
            agent_at=_number(self.path / "agent"),
        )

    def _run(self, restarts: Restarts) -> ContainerState:
        """The container's present run."""
        started = _number(self.path / "started")
        # The order matters: conmon writes the exit file before it ends.
        monitor = self.monitor()
        # Without a start there is no end: what was made by a daemon that died before it let the
        # process go is removed and made again, and conmon writes down that it was killed.
        if started is None or (restarts.count and started == restarts.ended):
            return ContainerState(self.name, monitor=monitor)
        code = _number(self.exit_file)
        if code is not None:
            # With a limit of the whole task, conmon hears of it for each of the containers.
            oom = int(code) == LOST and (self.bundle / "oom").exists()
            return ContainerState(
                self.name,
                "STOPPED",
                exit_code=int(code),
                reason="OutOfMemoryError: Container killed due to memory usage" if oom else "",
                health=self.health(),
                started_at=started,
                finished_at=self.exit_file.stat().st_mtime,
            )
        if monitor is None:
            return ContainerState(
                self.name,
                "STOPPED",
                exit_code=LOST,
                health=self.health(),
                started_at=started,
                finished_at=started,
                lost=True,
            )
        pid = _number(self.pid_file)
        return ContainerState(
            self.name,
            "RUNNING",
            pid=int(pid) if pid else None,
            monitor=monitor,
            health=self.health(),
            started_at=started,
        )


@dataclass(frozen=True, slots=True)
class TaskDirectory:
    """One task's files, under ``settings.task_dir``."""

    path: Path

    def read(self) -> Progress | None:
        """How far the task got; None when nothing legible is there."""
        try:
            return _converter.loads((self.path / "progress.json").read_text(), Progress)
        except (OSError, ValueError, KeyError):
            return None

    def write(self, progress: Progress) -> None:
        """Note how far the task got."""
        self.path.mkdir(parents=True, exist_ok=True)
        _write(self.path / "progress.json", _converter.dumps(progress))

    @property
    def volumes(self) -> Path:
        """The task's own volumes, a directory each. The name is no container's: it has a dot."""
        return self.writable / "volumes.d"

    @property
    def storage(self) -> Path:
        """Where a file system is mounted that is as large as what the task may write."""
        return self.path / "storage.d"

    @property
    def image(self) -> Path:
        """The file that holds that file system."""
        return self.path / "storage.img"

    @property
    def writable(self) -> Path:
        """Below this the task's containers write, whether or not there is a limit."""
        return self.storage if self.storage.is_dir() else self.path

    def container(self, arn: str, name: str) -> ContainerDirectory:
        """The directory of a container, there or not."""
        return ContainerDirectory(
            self.path / name, name, runtime_id(arn, name), self.writable / name
        )

    def containers(self, arn: str) -> list[ContainerDirectory]:
        """The containers that were begun."""
        if not self.path.is_dir():
            return []
        with os.scandir(self.path) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
        names = [name for name in names if not name.endswith(".d")]
        return [self.container(arn, name) for name in names]
