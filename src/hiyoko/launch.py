"""Starting and stopping a cloud from the host's side.

The host keeps three things of a cloud: the keeper of its world, the daemon (which runs inside the
world, on sockets that were bound here first: a socket keeps the network namespace that it was made
in), and the porter, which builds images where there is an internet. Everything else lives in the
world.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiyoko.plane.containers.cgroups import remove_groups
from hiyoko.plane.error import PlaneError
from hiyoko.plane.world import World, start_time, start_world
from hiyoko.settings import READY, Settings

READY_S = 30.0
STATUS = "/_hiyoko/status"
ANSWER_S = 20.0
"""A daemon tells its status in milliseconds, on a machine that does too much at once in seconds."""
FREE_BYTES_MIN = 32_000_000
"""Below this a start is refused: a database that cannot grow is of no use to anybody."""
FREE_FILES_MIN = 300
PROGRAMS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "nft": "nftables",
    "haproxy": "haproxy",
    "runc": "runc",
    "conmon": "conmon",
    "skopeo": "skopeo",
    "mmdebstrap": "mmdebstrap",
    "conntrack": "conntrack",
}
SMALL = {
    # The daemon asks nobody outside, and aiohttp reads the host's certificates as it is imported:
    # 2.5 MB and some 40 ms.
    "SSL_CERT_FILE": os.devnull,
    # Its lists of callbacks in Python: the extension brings C++'s library, a megabyte.
    "FROZENLIST_NO_EXTENSIONS": "1",
}
"""The daemon's environment beside its caller's, so that it needs less memory."""
ROOTLESS_PROGRAMS = {"newuidmap": "uidmap"}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian keeps ip, nft and haproxy in sbin, which an ordinary user's PATH may lack."""


class LaunchError(Exception):
    """Why a cloud cannot be started or reached, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running cloud, by the pids that the host sees."""

    daemon_pid: int
    daemon_started: int
    api_port: int
    proxy_port: int

    @property
    def endpoint(self) -> str:
        """Where AWS's APIs are answered."""
        return f"http://127.0.0.1:{self.api_port}"


def missing_packages() -> list[str]:
    """Debian packages that are not there but needed."""
    wanted = PROGRAMS | (ROOTLESS_PROGRAMS if os.geteuid() else {})
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    return sorted({pkg for name, pkg in wanted.items() if shutil.which(name, path=path) is None})


def find(settings: Settings) -> Cloud | None:
    """The cloud of this state directory, when its daemon is alive."""
    try:
        cloud = Cloud(**json.loads(_cloud_file(settings).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return cloud if start_time(cloud.daemon_pid) == cloud.daemon_started else None


def find_world(settings: Settings) -> World | None:
    """The world of this state directory, when its keeper is alive."""
    world = World.load(_world_file(settings))
    return world if world is not None and world.alive else None


def start(settings: Settings) -> tuple[Cloud, bool]:
    """Start the cloud, or find it running (then the flag is False). Raises LaunchError."""
    missing = missing_packages()
    if missing:
        raise LaunchError(
            f"these Debian packages are missing: {' '.join(missing)}\n"
            f"install them with: {'' if os.geteuid() == 0 else 'sudo '}apt-get install -y "
            + " ".join(missing)
        )
    _check_place(settings)
    _make_directories(settings, settings.state_dir)
    with _lock(settings) as lock:
        world = find_world(settings)
        running = find(settings) if world is not None else None
        if world is not None and running is not None:
            if (running.api_port, running.proxy_port) != (settings.api_port, settings.proxy_port):
                raise LaunchError(
                    f"the cloud in {settings.state_dir} runs on ports {running.api_port} and"
                    f" {running.proxy_port}; stop it first: hiyoko cloud stop"
                )
            if _answers(settings):
                _ensure_porter(settings, world)
                return running, False
            # It lives and hangs. Killed at whatever line, the next one goes on where it was.
            _end(running.daemon_pid, signal.SIGKILL)
        if world is None:
            # A killed world may take a moment to end, and has our ports until then.
            _end_world(settings, World.load(_world_file(settings)))
        _check_space(settings)
        kept = (settings.ca_dir, settings.image_dir, settings.task_dir, settings.log_dir)
        _make_directories(settings, settings.run_dir, *kept)
        with (
            _bind(settings.api_port, "--api-port") as api,
            _bind(settings.proxy_port, "--proxy-port") as proxy,
        ):
            fresh = world is None
            world = world or _new_world(settings)
            try:
                cloud = _start_daemon(settings, world, (api.fileno(), proxy.fileno(), lock))
                _ensure_porter(settings, world)
            except BaseException:
                if fresh:
                    _end_world(settings, world)
                raise
        return cloud, True


def stop(settings: Settings) -> bool:
    """End the daemon, then the world with everything in it. False when nothing ran."""
    if not settings.state_dir.exists():
        return False
    with _lock(settings):
        cloud, alive = find(settings), find_world(settings) is not None
        if cloud is not None:
            _end(cloud.daemon_pid, signal.SIGTERM)
        _end_world(settings, World.load(_world_file(settings)))
        return cloud is not None or alive


def _end_world(settings: Settings, world: World | None) -> None:
    """End the world, wait for the porter, which ends with it, and forget both."""
    if world is not None:
        world.end()
    # The kernel ends processes and namespaces with the world, but keeps its cgroups.
    remove_groups(settings)
    porter = _porter(settings)
    if porter is not None:
        _end(porter, signal.SIGTERM)
    shutil.rmtree(settings.run_dir, ignore_errors=True)


class _Silent(LaunchError):
    """The daemon lives, and does not answer."""


def _answers(settings: Settings) -> bool:
    """Whether a living daemon says anything at all."""
    try:
        get(settings, STATUS)
    except _Silent:
        return False
    except LaunchError:
        return True
    return True


def get(settings: Settings, path: str, method: str = "GET", body: Any = None) -> Any:
    """Ask the cloud's own API (``/_hiyoko/...``). Raises LaunchError when none answers."""
    cloud = find(settings)
    if cloud is None:
        raise LaunchError("the local cloud is not running; start it with: hiyoko cloud start")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(cloud.endpoint + path, data=data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_S if path == STATUS else 600) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise LaunchError(_said(error)) from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        if isinstance(getattr(error, "reason", error), TimeoutError):
            raise _Silent(
                f"the daemon (pid {cloud.daemon_pid}) does not answer; the site goes on without"
                " it; start another one with: hiyoko cloud start"
            ) from error
        raise LaunchError(f"{cloud.endpoint}{path}: {error}") from error


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url}: {error}"


def _cloud_file(settings: Settings) -> Path:
    return settings.run_dir / "cloud.json"


def _world_file(settings: Settings) -> Path:
    return settings.run_dir / "world.json"


def _check_place(settings: Settings) -> None:
    if settings.state_dir.resolve().is_relative_to("/run"):
        raise LaunchError(
            f"the state directory {settings.state_dir} is below /run, which the world hides;"
            " choose another with --state-dir"
        )


def _make_directories(settings: Settings, *directories: Path) -> None:
    try:
        for directory in directories:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LaunchError(
            f"cannot make the state directory {settings.state_dir}: {error.strerror};"
            " choose another with --state-dir"
        ) from error


@contextmanager
def _lock(settings: Settings) -> Iterator[int]:
    """One start or stop at a time; the kernel lets go when we end, however we end.

    A daemon that we start has the lock too until it is ready: should we be killed meanwhile, the
    next start waits for what becomes of it.
    """
    path = settings.state_dir / "lock"
    try:
        lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LaunchError(
            f"cannot write in the state directory {settings.state_dir}: {error.strerror};"
            " choose another with --state-dir"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _check_space(settings: Settings) -> None:
    disk = os.statvfs(settings.state_dir)
    free = disk.f_bavail * disk.f_frsize
    if free < FREE_BYTES_MIN:
        raise LaunchError(
            f"the disk of the state directory {settings.state_dir} is full: {free / 1e6:.0f} MB"
            f" are free, and at least {FREE_BYTES_MIN / 1e6:.0f} MB are needed;"
            " make room, or choose another place with --state-dir"
        )
    # Some file systems make inodes as they need them, and count none.
    if disk.f_files and disk.f_favail < FREE_FILES_MIN:
        raise LaunchError(
            f"the disk of the state directory {settings.state_dir} is out of inodes:"
            f" {disk.f_favail} more files fit on it, and at least {FREE_FILES_MIN} are needed;"
            " delete some, or choose another place with --state-dir"
        )


def _bind(port: int, option: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise LaunchError(
            f"port {port} on 127.0.0.1 cannot be used: {error.strerror};"
            f" end the program that has it, or choose another with {option}"
        ) from error
    return listener


def _new_world(settings: Settings) -> World:
    log = settings.log_dir / "world.log"
    log.unlink(missing_ok=True)
    try:
        return start_world(log, _world_file(settings))
    except PlaneError as error:
        shutil.rmtree(settings.run_dir, ignore_errors=True)
        raise LaunchError(str(error)) from error


def _start_daemon(settings: Settings, world: World, descriptors: tuple[int, int, int]) -> Cloud:
    """Start the daemon on its sockets, note who it is, and return when it is ready."""
    api, proxy, lock = descriptors
    ready, ready_in_child = os.pipe()
    log = settings.daemon_log
    daemon = [
        *(sys.executable, "-m", "hiyoko.daemon", "--state-dir", str(settings.state_dir)),
        *("--api-port", str(settings.api_port), "--proxy-port", str(settings.proxy_port)),
        *("--api-fd", str(api), "--proxy-fd", str(proxy), "--lock-fd", str(lock)),
        *("--ready-fd", str(ready_in_child)),
    ]
    enter = [sys.executable, "-m", "hiyoko.plane.enter", str(world.init), "--detach", "--"]
    with log.open("ab") as errors:
        done = subprocess.run(
            [*enter, *daemon],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=(*descriptors, ready_in_child),
            env=_environment() | SMALL,
            cwd="/",
            check=False,
        )
    os.close(ready_in_child)
    try:
        if done.returncode != 0:
            raise LaunchError(f"the daemon did not start; see {log}")
        pid = int(done.stdout)
        cloud = Cloud(pid, start_time(pid) or 0, settings.api_port, settings.proxy_port)
        try:
            file = _cloud_file(settings)
            file.with_suffix(".new").write_text(json.dumps(asdict(cloud)))
            file.with_suffix(".new").replace(file)
            _await_ready(ready, log)
        except BaseException:
            _end(pid, signal.SIGKILL)
            raise
    finally:
        os.close(ready)
    return cloud


def _await_ready(ready: int, log: Path) -> None:
    """Return when the daemon says that it is ready; what else it says is why it cannot be."""
    if not select.select([ready], [], [], READY_S)[0]:
        raise LaunchError(f"the daemon was not ready after {READY_S:.0f} s; see {log}")
    said = os.read(ready, 1 << 16)
    if said == b"":
        raise LaunchError(f"the daemon ended before it was ready: {_last_line(log)}\nsee {log}")
    if said != READY:
        raise LaunchError(said.decode(errors="replace"))


def _environment() -> dict[str, str]:
    """The daemon's environment: nothing of the user's AWS settings may leak in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return kept | {"PATH": f"{kept.get('PATH', '')}:{SYSTEM_PATH}", "PYTHONUNBUFFERED": "1"}


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _ensure_porter(settings: Settings, world: World) -> None:
    """Start the porter unless it is there: it ends with the world, not with the daemon."""
    if _porter(settings) is not None:
        return
    with (settings.log_dir / "porter.log").open("ab") as log:
        porter = subprocess.Popen(
            [
                *(sys.executable, "-m", "hiyoko.porter"),
                *("--state-dir", str(settings.state_dir), "--keeper-pid", str(world.init)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=_environment(),
            cwd="/",
        )
    (settings.run_dir / "porter.pid").write_text(f"{porter.pid} {start_time(porter.pid)}")


def _porter(settings: Settings) -> int | None:
    """The porter's pid when it is alive."""
    try:
        pid, started = (settings.run_dir / "porter.pid").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if str(start_time(int(pid))) == started else None


def _end(pid: int, number: signal.Signals, patience_s: float = 10.0) -> None:
    """Signal one process and wait for its end; killed when it takes too long."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(watch, number)
        if not select.select([watch], [], [], patience_s)[0]:
            signal.pidfd_send_signal(watch, signal.SIGKILL)
            select.select([watch], [], [], patience_s)
    except ProcessLookupError:
        return
    finally:
        os.close(watch)
