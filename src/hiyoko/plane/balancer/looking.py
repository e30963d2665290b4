"""A look at a node: the whole of it, or the backends only in which something may have changed.

A HAProxy with hundreds of servers takes longer to read than what is done about one of them. It
tells by itself whose check ended otherwise (``events``). So between two whole looks only those
backends are asked for that it spoke of, that were told something, or that have a server which is
neither up nor in maintenance.

Rule 1: what is kept was seen, of the very worker that runs. Another process or digest, words that
are not understood, or a refusal makes a whole look. Rule 2: a datagram may get lost, and a stranger
may tell HAProxy things of which it says nothing: so a look is whole again after ``WHOLE_S``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic

from hiyoko.plane.balancer.master import CONFIG, MASTER_SOCKET
from hiyoko.plane.balancer.observe import NodeObserved, ServerSeen, parse_info, parse_stat
from hiyoko.plane.balancer.render import written_digest
from hiyoko.plane.balancer.socket import ask_worker
from hiyoko.plane.error import PlaneError
from hiyoko.plane.silent import Silent, patiently

WHOLE_S = 5.0
BACKENDS_MAX = 16
"""Whoever has to ask for more asks for all."""
_SERVERS_ONLY = "4 -1"
_HEADER = "# pxname,"


async def look_at(place: Path, pid: int) -> NodeObserved:
    """The whole node. One that does not answer counts with an empty digest."""
    return (await _whole(place, pid)).node


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen: the worker by its pid, the file by its stamp, and when all was read."""

    node: NodeObserved
    worker: str = ""
    stamp: tuple[int, int, int] = (0, 0, 0)
    at: float = 0.0

    def unsettled(self) -> set[str]:
        """The backends of which something changes without a word."""
        return {
            backend
            for (backend, _), seen in self.node.servers.items()
            if not (seen.up or seen.maintenance)
        }


@dataclass(slots=True)
class Looks:
    """What was seen of the nodes, by their directories' names.

    ``whole`` counts the whole looks, ``asked`` the backends that were asked for in the others.
    """

    now: Callable[[], float] = monotonic
    whole: int = 0
    asked: int = 0
    _last: dict[str, _Look] = field(default_factory=dict)
    _doubts: dict[str, set[str]] = field(default_factory=dict)

    def heard(self, backends: Iterable[str] | None) -> None:
        """Some node spoke of these backends; None: of anything."""
        for name in list(self._last):
            self.doubt(name, backends)

    def doubt(self, name: str, backends: Iterable[str] | None = None) -> None:
        """These backends of a node may be others by now; None: anything of it."""
        if backends is None:
            self._last.pop(name, None)
            self._doubts.pop(name, None)
        else:
            self._doubts.setdefault(name, set()).update(backends)

    def keep(self, names: Iterable[str]) -> None:
        """Forget all but these nodes."""
        for name in self._last.keys() - set(names):
            self.doubt(name)

    async def look(self, place: Path, pid: int) -> NodeObserved:
        """The node as it is now."""
        # Taken before it is asked: what is heard meanwhile is for the next look.
        last, doubts = self._last.pop(place.name, None), self._doubts.pop(place.name, set())
        now, seen = self.now(), None
        if last is not None and last.node.pid == pid and now - last.at < WHOLE_S:
            wanted = sorted(doubts | last.unsettled())
            if len(wanted) <= BACKENDS_MAX:
                seen = await _part(place, last, wanted)
                self.asked += len(wanted)
        if seen is None:
            seen = replace(await _whole(place, pid), at=now)
            self.whole += 1
        if seen.worker:
            self._last[place.name] = seen
        return seen.node


async def _whole(place: Path, pid: int) -> _Look:
    ask_it = partial(ask_worker, place / MASTER_SOCKET, ["show info", "show stat"], "@1")
    try:
        said = await patiently(ask_it)
        stamp, written = _stamp(place), (place / CONFIG).read_text()
    except Silent:
        return _Look(NodeObserved(pid, "", (), {}, silent=True))
    except (PlaneError, FileNotFoundError):
        return _Look(NodeObserved(pid, "", (), {}))
    said, _, stat = said.partition("\n\n")
    ports, servers = parse_stat(stat)
    info = parse_info(said)
    node = NodeObserved(pid, info.get("description", ""), ports, servers, written_digest(written))
    return _Look(node, info.get("Pid", ""), stamp)


async def _part(place: Path, last: _Look, backends: list[str]) -> _Look | None:
    """These backends anew; None where that is not enough."""
    commands = ["show info", *(f"show stat {name} {_SERVERS_ONLY}" for name in backends)]
    try:
        said, *stats = (await ask_worker(place / MASTER_SOCKET, commands)).split("\n\n")
        if (stamp := _stamp(place)) != last.stamp:
            written = written_digest((place / CONFIG).read_text())
            last = replace(last, node=replace(last.node, written=written), stamp=stamp)
    except (PlaneError, FileNotFoundError):
        return None
    info, stats = parse_info(said), [stat for stat in stats if stat.strip()]
    same = (info.get("Pid"), info.get("description")) == (last.worker, last.node.digest)
    if not same or len(stats) != len(backends) or not all(map(_is_stat, stats)):
        return None
    if not backends:
        return last
    asked = frozenset(backends)
    servers: dict[tuple[str, str], ServerSeen] = {
        key: seen for key, seen in last.node.servers.items() if key[0] not in asked
    }
    for stat in stats:
        servers.update(parse_stat(stat.strip())[1])
    return replace(last, node=replace(last.node, servers=servers))


def _is_stat(text: str) -> bool:
    return text.lstrip().startswith(_HEADER)


def _stamp(place: Path) -> tuple[int, int, int]:
    """What tells one configuration's file from the next, which is put in its place."""
    found = (place / CONFIG).stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
