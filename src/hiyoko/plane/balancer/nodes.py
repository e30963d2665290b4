"""Nodes as processes: started, told of servers, reloaded without a lost request, adopted, stopped.

Each node has a directory under the run directory, named by its interface:

- ``haproxy.cfg`` ``servers.state``  what the process reads at start and at each reload
- ``haproxy.pid`` ``master.sock`` ``stats.sock`` ``haproxy.log``  what it makes
- ``log.pipe`` ``context-*.json``  its log lines, and what they mean: see ``collector``

HAProxy runs as master and worker. A reload makes a new worker that takes over the listening
sockets; the old one ends with its last connection. So a daemon that starts anew finds the process
by its pid file and command line, what it runs by the digest that ``show info`` tells, and its
targets by ``show stat``. All is asked of the current worker by way of the master: the old one may
answer on its own socket as long as it is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.blueprint.balancers import BalancerNode
from hiyoko.blueprint.step import Step
from hiyoko.plane.balancer.events import Events
from hiyoko.plane.balancer.log_context import FILE as CONTEXT_FILE
from hiyoko.plane.balancer.log_context import LogContext
from hiyoko.plane.balancer.log_line import LOG_FD
from hiyoko.plane.balancer.looking import Looks, look_at
from hiyoko.plane.balancer.master import (
    CONFIG,
    MASTER_SOCKET,
    PID_FILE,
    change_servers,
    check,
    end_master,
    end_silent,
    find_all,
    find_pid,
    last_words,
    loading,
    spawn,
    written,
)
from hiyoko.plane.balancer.observe import (
    NodeObserved,
    parse_sessions,
    state_file,
)
from hiyoko.plane.balancer.pipe import leave_counters, make_pipe
from hiyoko.plane.balancer.render import STATE_FILE, STATS_SOCKET, digest_of, written_digest
from hiyoko.plane.balancer.servers import Change, KnownServers, server_changes
from hiyoko.plane.balancer.socket import ask, ask_worker, old_workers
from hiyoko.plane.error import NotYetError, PlaneError
from hiyoko.plane.files import write_private
from hiyoko.plane.process import NETNS_DIR

CONTEXTS_MAX = 20
_WITH_PIPE = f'exec "$@" {LOG_FD}<>log.pipe'
TRIM_BYTES = 64 << 20
SURROUNDINGS = (
    *("sh", "-c", _WITH_PIPE, "sh", "env"),
    # Else each request gives its buffers back to the kernel and takes them again: one page fault,
    # three microseconds (mallopt(3)).
    f"MALLOC_TRIM_THRESHOLD_={TRIM_BYTES}",
)
"""What a node's HAProxy is started with: the pipe of its log, and how it keeps memory."""


@dataclass(frozen=True, slots=True)
class StartNode(Step):
    """Start the node's HAProxy in the namespace of its interface."""

    node: BalancerNode
    text: str

    def __str__(self) -> str:
        """The step in words."""
        return f"start balancer {self.node.name} on {self.node.eni_id}"


@dataclass(frozen=True, slots=True)
class ReplaceNode(Step):
    """End a HAProxy that does not answer, and start another one in its place."""

    node: BalancerNode
    text: str

    def __str__(self) -> str:
        """The step in words."""
        return f"replace balancer {self.node.name} on {self.node.eni_id}, which does not answer"


@dataclass(frozen=True, slots=True)
class ReloadNode(Step):
    """Give a running HAProxy its new configuration."""

    node: BalancerNode
    text: str

    def __str__(self) -> str:
        """The step in words."""
        return f"reload balancer {self.node.name} on {self.node.eni_id}"


@dataclass(frozen=True, slots=True)
class ChangeServers(Step):
    """Tell a running HAProxy of its targets, and write what a restart reads."""

    node: BalancerNode
    text: str
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        """The step in words."""
        shown = ", ".join(change.words for change in self.changes[:3]) or "write the configuration"
        more = f" and {len(self.changes) - 3} more" if len(self.changes) > 3 else ""
        return f"balancer {self.node.name} on {self.node.eni_id}: {shown}{more}"


@dataclass(frozen=True, slots=True)
class StopNode(Step):
    """End a HAProxy whose interface is no longer wished for."""

    eni_id: str

    def __str__(self) -> str:
        """The step in words."""
        return f"stop balancer on {self.eni_id}"


NodeStep = StartNode | ReplaceNode | ReloadNode | ChangeServers | StopNode


def steps(
    wished: Mapping[str, tuple[BalancerNode, str]],
    observed: Mapping[str, NodeObserved],
    known: KnownServers | None = None,
) -> list[NodeStep]:
    """What makes the observed nodes the wished ones: puts before drops.

    ``known`` has the servers of groups that were asked for before.
    """
    found: list[NodeStep] = []
    for eni_id, (node, text) in sorted(wished.items()):
        if eni_id not in observed:
            found.append(StartNode(node, text))
        elif observed[eni_id].silent:
            found.append(ReplaceNode(node, text))
        elif observed[eni_id].digest != digest_of(text):
            found.append(ReloadNode(node, text))
        else:
            changes = server_changes(node, observed[eni_id].servers, known)
            if changes or observed[eni_id].written != written_digest(text):
                found.append(ChangeServers(node, text, tuple(changes)))
    found += [StopNode(eni_id) for eni_id in sorted(observed) if eni_id not in wished]
    return found


@dataclass(frozen=True, slots=True)
class BalancerPlane:
    """All HAProxys below ``directory``. ``netns_dir`` is where namespaces are named.

    With ``events``, HAProxy's own news are heard from the first ``observe`` on, and a look need
    not be a whole one (``looks``).
    """

    directory: Path
    netns_dir: Path = NETNS_DIR
    events: Events | None = None
    looks: Looks = field(default_factory=Looks, compare=False)

    @classmethod
    def hearing(cls, directory: Path, wake: Callable[[], None]) -> BalancerPlane:
        """A plane that calls ``wake`` when a target's check ends otherwise, or a node ends."""
        return cls(directory, events=Events(directory, wake))

    async def observe(self) -> dict[str, NodeObserved]:
        """Every node that runs. One that does not answer counts with an empty digest."""
        if not self.directory.is_dir():
            return {}
        running = await self._running()
        look = look_at
        if self.events is not None:
            self.looks.heard(self.events.told())
            self.looks.keep(place.name for place in running)
            look = self.looks.look
        # At once: one that does not answer is waited for.
        seen = await asyncio.gather(*(look(place, pid) for place, pid in running.items()))
        if self.events is not None:
            self.events.watch({node.pid for node in seen})
        return dict(zip((place.name for place in running), seen, strict=True))

    async def _running(self) -> dict[Path, int]:
        if self.events is not None:
            self.events.open()
        return await find_all(self.directory)

    def possible(self, step: NodeStep) -> bool:
        """False of a node whose interface has no namespace yet: who makes that tells of it."""
        return not isinstance(step, StartNode) or (self.netns_dir / step.node.eni_id).exists()

    def write_context(self, eni_id: str, context: LogContext) -> None:
        """Put down what the node's lines mean; those of its last configurations stay.

        A node that was never started has no place for it yet.
        """
        place = self.directory / eni_id
        path = place / CONTEXT_FILE.format(context.digest)
        text = context.text
        if not place.is_dir() or (path.exists() and path.read_text() == text):
            return
        write_private(path, text)
        old = sorted(place.glob(CONTEXT_FILE.format("*")), key=lambda one: one.stat().st_mtime)
        for gone in old[:-CONTEXTS_MAX]:
            gone.unlink()

    async def apply(self, step: NodeStep) -> None:
        """Take one step; taking it again does nothing more."""
        match step:
            case StartNode(node, text):
                self.looks.doubt(node.eni_id)
                await self._start(node, text)
            case ReplaceNode(node, text):
                self.looks.doubt(node.eni_id)
                await end_silent(self.directory / node.eni_id)
                await self._start(node, text)
            case ReloadNode(node, text):
                self.looks.doubt(node.eni_id)
                await self._reload(node, text)
            case ChangeServers(node, text, changes):
                self.looks.doubt(node.eni_id, {change.backend for change in changes})
                await self._change(self.directory / node.eni_id, text, changes)
            case StopNode(eni_id):
                await self._stop(eni_id)

    async def _start(self, node: BalancerNode, text: str) -> None:
        place = self.directory / node.eni_id
        if not (self.netns_dir / node.eni_id).exists():
            raise NotYetError(f"start balancer {node.name}: {node.eni_id} has no namespace yet")
        place.mkdir(parents=True, mode=0o700, exist_ok=True)
        if self.events is not None:
            self.events.open()
        for name in (PID_FILE, MASTER_SOCKET, STATS_SOCKET):
            (place / name).unlink(missing_ok=True)
        write_private(place / STATE_FILE, state_file(node))
        await check(place, text)
        write_private(place / CONFIG, text)
        make_pipe(place)
        async with _loaded(place, text):
            await spawn(place, SURROUNDINGS)

    async def _reload(self, node: BalancerNode, text: str) -> None:
        place = self.directory / node.eni_id
        running = await ask_worker(place / MASTER_SOCKET, ["show servers state"])
        await check(place, text)
        write_private(place / STATE_FILE, state_file(node, running))
        write_private(place / CONFIG, text)
        # Last of all: what the worker counts from here to its end goes with it.
        await _leave_counters(place)
        async with _loaded(place, text):
            await ask(place / MASTER_SOCKET, "reload")

    async def _change(self, place: Path, text: str, changes: Sequence[Change]) -> None:
        master = place / MASTER_SOCKET
        ended = {change.ends for change in changes if change.ends is not None}
        with written(place, text):
            for worker in await old_workers(master) if ended else ():
                # Its backends have stopped, so that it knows requests by their session only.
                to = f"@!{worker}"
                sessions = parse_sessions(await ask_worker(master, ["show sess"], to))
                doomed = [session for session, server in sessions.items() if server in ended]
                await ask_worker(master, [f"shutdown session {one}" for one in doomed], to)
            commands = [command for change in changes for command in change.commands]
            fine = {beginning for change in changes for beginning in change.fine}
            await change_servers(place, commands, *fine)

    async def _stop(self, eni_id: str) -> None:
        place = self.directory / eni_id
        pid = await find_pid(place)
        if pid is not None:
            await _leave_counters(place)
            await end_master(place, pid)
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


@asynccontextmanager
async def _loaded(place: Path, text: str) -> AsyncIterator[None]:
    """After the block, wait until the worker with this configuration is ready."""
    async with loading(place):
        yield
    pid = await find_pid(place)
    if pid is None or (await look_at(place, pid)).digest != digest_of(text):
        raise PlaneError(f"load HAProxy in {place}: the old one runs: {last_words(place)}")
