"""Nodes as processes: started, reloaded without a lost request, adopted, stopped.

Each node has a directory under the run directory, named by its interface:

- ``haproxy.cfg`` ``servers.state``  what the process reads at start and at each reload
- ``haproxy.pid`` ``master.sock`` ``stats.sock`` ``haproxy.log``  what it makes
- ``log.pipe`` ``context-*.json``  its log lines, and what they mean: see ``collector``

HAProxy runs as master and worker. A reload makes a new worker that takes over the listening
sockets; the old one ends with its last connection. So a daemon that starts anew finds the process
by its pid file and command line, and what it runs by the digest that ``show info`` tells.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hiyoko.blueprint.balancers import BalancerNode
from hiyoko.blueprint.step import Step
from hiyoko.plane.balancer.log_context import FILE as CONTEXT_FILE
from hiyoko.plane.balancer.log_context import LogContext
from hiyoko.plane.balancer.log_line import LOG_FD
from hiyoko.plane.balancer.observe import NodeObserved, parse_info, parse_stat, state_file
from hiyoko.plane.balancer.pipe import leave_counters, make_pipe
from hiyoko.plane.balancer.render import STATE_FILE, STATS_SOCKET, digest_of
from hiyoko.plane.balancer.socket import ask
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import NETNS_DIR, command_line, run, spawn_detached

CONFIG, MASTER_SOCKET, PID_FILE, LOG = "haproxy.cfg", "master.sock", "haproxy.pid", "haproxy.log"
START_TIMEOUT_S = 10.0
CONTEXTS_MAX = 20
_WITH_PIPE = f'exec "$@" {LOG_FD}<>log.pipe'
_POLL_S = 0.02
_LOOKS = 6


@dataclass(frozen=True, slots=True)
class StartNode(Step):
    """Start the node's HAProxy in the namespace of its interface."""

    node: BalancerNode
    text: str

    def __str__(self) -> str:
        """The step in words."""
        return f"start balancer {self.node.name} on {self.node.eni_id}"


@dataclass(frozen=True, slots=True)
class ReloadNode(Step):
    """Give a running HAProxy its new configuration."""

    node: BalancerNode
    text: str

    def __str__(self) -> str:
        """The step in words."""
        return f"reload balancer {self.node.name} on {self.node.eni_id}"


@dataclass(frozen=True, slots=True)
class StopNode(Step):
    """End a HAProxy whose interface is no longer wished for."""

    eni_id: str

    def __str__(self) -> str:
        """The step in words."""
        return f"stop balancer on {self.eni_id}"


NodeStep = StartNode | ReloadNode | StopNode


def steps(
    wished: Mapping[str, tuple[BalancerNode, str]], observed: Mapping[str, NodeObserved]
) -> list[NodeStep]:
    """What makes the observed nodes the wished ones: puts before drops."""
    found: list[NodeStep] = []
    for eni_id, (node, text) in sorted(wished.items()):
        if eni_id not in observed:
            found.append(StartNode(node, text))
        elif observed[eni_id].digest != digest_of(text):
            found.append(ReloadNode(node, text))
    found += [StopNode(eni_id) for eni_id in sorted(observed) if eni_id not in wished]
    return found


@dataclass(frozen=True, slots=True)
class BalancerPlane:
    """All HAProxys below ``directory``. ``netns_dir`` is where namespaces are named."""

    directory: Path
    netns_dir: Path = NETNS_DIR

    async def observe(self) -> dict[str, NodeObserved]:
        """Every node that runs. One that does not answer counts with an empty digest."""
        if not self.directory.is_dir():
            return {}
        found: dict[str, NodeObserved] = {}
        for place in sorted(self.directory.iterdir()):
            pid = await _find_pid(place)
            if pid is not None:
                found[place.name] = await _observe(place, pid)
        return found

    def write_context(self, eni_id: str, context: LogContext) -> None:
        """Put down what the node's lines mean; those of its last configurations stay.

        A node that was never started has no place for it yet.
        """
        place = self.directory / eni_id
        path = place / CONTEXT_FILE.format(context.digest)
        text = context.text()
        if not place.is_dir() or (path.exists() and path.read_text() == text):
            return
        _write(path, text)
        old = sorted(place.glob(CONTEXT_FILE.format("*")), key=lambda one: one.stat().st_mtime)
        for gone in old[:-CONTEXTS_MAX]:
            gone.unlink()

    async def apply(self, step: NodeStep) -> None:
        """Take one step; taking it again does nothing more."""
        match step:
            case StartNode(node, text):
                await self._start(node, text)
            case ReloadNode(node, text):
                await self._reload(node, text)
            case StopNode(eni_id):
                await self._stop(eni_id)

    async def _start(self, node: BalancerNode, text: str) -> None:
        place = self.directory / node.eni_id
        if not (self.netns_dir / node.eni_id).exists():
            raise PlaneError(f"start balancer {node.name}: {node.eni_id} has no namespace yet")
        place.mkdir(parents=True, mode=0o700, exist_ok=True)
        for name in (PID_FILE, MASTER_SOCKET, STATS_SOCKET):
            (place / name).unlink(missing_ok=True)
        _write(place / STATE_FILE, state_file(node))
        await _check(place, text)
        _write(place / CONFIG, text)
        make_pipe(place)
        await spawn_detached(
            *("sh", "-c", _WITH_PIPE, "sh"),
            *("haproxy", "-W", "-S", f"unix@{MASTER_SOCKET},mode,600"),
            *("-p", PID_FILE, "-f", str(place / CONFIG)),
            netns=node.eni_id,
            log=place / LOG,
            cwd=place,
        )
        await _await_digest(place, digest_of(text))

    async def _reload(self, node: BalancerNode, text: str) -> None:
        place = self.directory / node.eni_id
        running = await ask(place / STATS_SOCKET, "show servers state")
        await _leave_counters(place)
        await _check(place, text)
        _write(place / STATE_FILE, state_file(node, running))
        _write(place / CONFIG, text)
        await ask(place / MASTER_SOCKET, "reload")
        await _await_digest(place, digest_of(text))

    async def _stop(self, eni_id: str) -> None:
        place = self.directory / eni_id
        pid = await _find_pid(place)
        if pid is not None:
            await _leave_counters(place)
            await _end(pid)
        for path in place.iterdir():
            path.unlink()
        place.rmdir()


async def _leave_counters(place: Path) -> None:
    """Before a worker goes. One that does not answer takes its counters with it."""
    try:
        info = await ask(place / STATS_SOCKET, "show info")
        stat = await ask(place / STATS_SOCKET, "show stat")
    except PlaneError:
        return
    leave_counters(place, info, stat)


async def _end(pid: int) -> None:
    """Ask the master to end, with its workers, and wait until it has."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process, ended.set)
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        async with asyncio.timeout(START_TIMEOUT_S):
            await ended.wait()
    except TimeoutError as error:
        raise PlaneError(f"end HAProxy {pid}: still there after {START_TIMEOUT_S:g} s") from error
    finally:
        loop.remove_reader(process)
        os.close(process)


def _pid(place: Path) -> int | None:
    try:
        pid = int((place / PID_FILE).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    # The number may be another process's by now: it must have been started with our file.
    return pid if str(place / CONFIG) in command_line(pid) else None


async def _find_pid(place: Path) -> int | None:
    """The master's pid. It executes itself anew after each load: then it has no name for a moment.

    Without a second look, a daemon that looks at that moment would start another one.
    """
    for _ in range(_LOOKS):
        pid = _pid(place)
        if pid is not None or not (place / PID_FILE).exists():
            return pid
        await asyncio.sleep(_POLL_S)
    return None


async def _observe(place: Path, pid: int) -> NodeObserved:
    try:
        info = parse_info(await ask(place / STATS_SOCKET, "show info"))
        ports, servers = parse_stat(await ask(place / STATS_SOCKET, "show stat"))
    except PlaneError:
        return NodeObserved(pid, "", (), {})
    return NodeObserved(pid, info.get("description", ""), ports, servers)


async def _check(place: Path, text: str) -> None:
    """Refuse a configuration before the running process meets it."""
    trial = place / "trial.cfg"
    _write(trial, text)
    try:
        await run("sh", "-c", 'cd "$1" && exec haproxy -c -f "$2"', "sh", str(place), str(trial))
    finally:
        trial.unlink(missing_ok=True)


async def _await_digest(place: Path, digest: str) -> None:
    """Wait until the worker that answers is the one with this configuration.

    HAProxy tells nobody when its new worker is ready (the master's ``reload`` answers before, up
    to 2.6), so it is asked until it says so.
    """
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                pid = _pid(place)
                if pid is not None and (await _observe(place, pid)).digest == digest:
                    return
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        said = (place / LOG).read_text(errors="replace")[-600:] if (place / LOG).exists() else ""
        raise PlaneError(f"start or reload HAProxy in {place}: not ready: {said}") from error


def _write(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)
