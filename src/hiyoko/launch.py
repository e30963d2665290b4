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

from hiyoko.plane.error import PlaneError
from hiyoko.plane.world import World, start_time, start_world
from hiyoko.settings import Settings

READY_S = 30.0
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
    return World.load(_world_file(settings))


def start(settings: Settings) -> tuple[Cloud, bool]:
    """Start the cloud, or find it running (then the flag is False). Raises LaunchError."""
    missing = missing_packages()
    if missing:
        raise LaunchError(
            f"these Debian packages are missing: {' '.join(missing)}\n"
            f"install them with: {'' if os.geteuid() == 0 else 'sudo '}apt-get install -y "
            + " ".join(missing)
        )
    _make_directories(settings)
    with _lock(settings):
        running = find(settings)
        if running is not None:
            if (running.api_port, running.proxy_port) != (settings.api_port, settings.proxy_port):
                raise LaunchError(
                    f"the cloud in {settings.state_dir} runs on ports {running.api_port} and"
                    f" {running.proxy_port}; stop it first: hiyoko cloud stop"
                )
            return running, False
        with (
            _bind(settings.api_port, "--api-port") as api,
            _bind(settings.proxy_port, "--proxy-port") as proxy,
        ):
            world = find_world(settings) or _new_world(settings)
            cloud = _start_daemon(settings, world, api, proxy)
        _start_porter(settings, world)
        return cloud, True


def stop(settings: Settings) -> bool:
    """End the daemon, then the world with everything in it. False when nothing ran."""
    if not settings.state_dir.exists():
        return False
    with _lock(settings):
        cloud, world = find(settings), find_world(settings)
        if cloud is not None:
            _end(cloud.daemon_pid, signal.SIGTERM)
        if world is not None:
            world.end()
        _wait_for_porter(settings)
        shutil.rmtree(settings.run_dir, ignore_errors=True)
        return cloud is not None or world is not None


def get(settings: Settings, path: str, method: str = "GET", body: Any = None) -> Any:
    """Ask the cloud's own API (``/_hiyoko/...``). Raises LaunchError when none answers."""
    cloud = find(settings)
    if cloud is None:
        raise LaunchError("the local cloud is not running; start it with: hiyoko cloud start")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(cloud.endpoint + path, data=data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=600) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise LaunchError(_said(error)) from error
    except (urllib.error.URLError, OSError, ValueError) as error:
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


def _make_directories(settings: Settings) -> None:
    directories = (
        settings.state_dir,
        settings.run_dir,
        settings.ca_dir,
        settings.image_dir,
        settings.task_dir,
        settings.log_dir,
    )
    try:
        for directory in directories:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LaunchError(
            f"cannot make the state directory {settings.state_dir}: {error.strerror};"
            " choose another with --state-dir"
        ) from error
    if settings.state_dir.resolve().is_relative_to("/run"):
        raise LaunchError(
            f"the state directory {settings.state_dir} is below /run, which the world hides;"
            " choose another with --state-dir"
        )


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """One start or stop at a time; the kernel lets go when we end, however we end."""
    with (settings.state_dir / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
    # What was left in run/ describes a world that has ended.
    shutil.rmtree(settings.run_dir, ignore_errors=True)
    settings.run_dir.mkdir(mode=0o700)
    log = settings.log_dir / "world.log"
    log.unlink(missing_ok=True)
    try:
        world = start_world(log)
    except PlaneError as error:
        raise LaunchError(str(error)) from error
    world.save(_world_file(settings))
    return world


def _start_daemon(
    settings: Settings, world: World, api: socket.socket, proxy: socket.socket
) -> Cloud:
    ready, ready_in_child = os.pipe()
    log = settings.log_dir / "daemon.log"
    daemon = [
        *(sys.executable, "-m", "hiyoko.daemon", "--state-dir", str(settings.state_dir)),
        *("--api-port", str(settings.api_port), "--proxy-port", str(settings.proxy_port)),
        *("--api-fd", str(api.fileno()), "--proxy-fd", str(proxy.fileno())),
        *("--ready-fd", str(ready_in_child)),
    ]
    enter = [sys.executable, "-m", "hiyoko.plane.enter", str(world.init), "--detach", "--"]
    with log.open("ab") as errors:
        done = subprocess.run(
            [*enter, *daemon],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=(api.fileno(), proxy.fileno(), ready_in_child),
            env=_environment(),
            cwd="/",
            check=False,
        )
    os.close(ready_in_child)
    try:
        if done.returncode != 0:
            raise LaunchError(f"the daemon did not start; see {log}")
        pid = int(done.stdout)
        if not select.select([ready], [], [], READY_S)[0] or os.read(ready, 1) == b"":
            _end(pid, signal.SIGKILL)
            raise LaunchError(f"the daemon did not get ready: {_last_line(log)}\nsee {log}")
    finally:
        os.close(ready)
    cloud = Cloud(pid, start_time(pid) or 0, settings.api_port, settings.proxy_port)
    file = _cloud_file(settings)
    file.with_suffix(".new").write_text(json.dumps(asdict(cloud)))
    file.with_suffix(".new").replace(file)
    return cloud


def _environment() -> dict[str, str]:
    """The daemon's environment: nothing of the user's AWS settings may leak in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return kept | {"PATH": f"{kept.get('PATH', '')}:{SYSTEM_PATH}", "PYTHONUNBUFFERED": "1"}


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _start_porter(settings: Settings, world: World) -> None:
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


def _wait_for_porter(settings: Settings) -> None:
    try:
        pid, started = (settings.run_dir / "porter.pid").read_text().split()
    except (FileNotFoundError, ValueError):
        return
    if str(start_time(int(pid))) == started:
        _end(int(pid), signal.SIGTERM)


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
