"""What HAProxy says by itself: a target's check ended otherwise, a worker is ready, a node ended.

Each only wakes, and tells which backend is worth a look; what it says is read from HAProxy anyway.
So a lost datagram costs a wait, not truth.
https://docs.haproxy.org/2.6/configuration.html#4.2-option%20log-health-checks
https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.error import PlaneError

EVENTS = "../events.sock"
"""Where nodes send log lines of health checks: one socket beside all nodes' directories."""
NOTIFY_DIR = Path("/run")
"""A short path, because sockaddr_un holds no long one; in the world, /run is the world's own."""
_DATAGRAM_BYTES = 1 << 12
_SERVER = re.compile(rb"[Ss]erver ([^ /]+)/")
_BACKEND = re.compile(rb"\bbackend ([^ /]+) has no server available")


@dataclass(slots=True)
class Events:
    """Calls ``wake`` when a node says something, or ends. Opened by the running loop."""

    directory: Path
    wake: Callable[[], None]
    _log: socket.socket | None = None
    _named: set[str] = field(default_factory=set)
    _unclear: bool = False
    _nodes: dict[int, int] = field(default_factory=dict)

    def open(self) -> None:
        """Hear what nodes log from now on; again is harmless.

        Before a node is looked at: what happens after the look must be heard.
        """
        if self._log is None:
            self._log = _bind(self.directory / Path(EVENTS).name)
            asyncio.get_running_loop().add_reader(self._log, self._heard)

    def told(self) -> frozenset[str] | None:
        """The backends that nodes have spoken of since the last time; None: also of other things.

        What has been said is read here, too: it may have come while nobody listened to sockets.
        """
        self._read()
        named, unclear = frozenset(self._named), self._unclear
        self._named.clear()
        self._unclear = False
        return None if unclear else named

    def watch(self, pids: set[int]) -> None:
        """Notice the end of these processes, and of no others."""
        loop = asyncio.get_running_loop()
        for pid in self._nodes.keys() - pids:
            self._forget(pid)
        for pid in pids - self._nodes.keys():
            try:
                self._nodes[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                self.wake()
                continue
            loop.add_reader(self._nodes[pid], self._ended, pid)

    def close(self) -> None:
        """Hear nothing more."""
        for pid in list(self._nodes):
            self._forget(pid)
        if self._log is not None:
            asyncio.get_running_loop().remove_reader(self._log)
            self._log.close()
            self._log = None

    def _heard(self) -> None:
        self._read()
        self.wake()

    def _read(self) -> None:
        while self._log is not None:
            try:
                said = self._log.recv(_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            named = _SERVER.search(said) or _BACKEND.search(said)
            if named is None:
                self._unclear = True
            else:
                self._named.add(named[1].decode(errors="replace"))

    def _ended(self, pid: int) -> None:
        self._forget(pid)
        self.wake()

    def _forget(self, pid: int) -> None:
        handle = self._nodes.pop(pid)
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


def _bind(path: Path) -> socket.socket:
    """A datagram socket at this path, however long it is (unix(7): 107 characters)."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    directory = os.open(path.parent, os.O_PATH)
    try:
        made.bind(f"/proc/self/fd/{directory}/{path.name}")
    except OSError:
        made.close()
        raise
    finally:
        os.close(directory)
    return made


def notify_path(node: str) -> Path:
    """Where a node's HAProxy says that it is ready: its ``NOTIFY_SOCKET``."""
    return NOTIFY_DIR / f"balancer-{node}.notify"


@asynccontextmanager
async def readiness(node: str, timeout_s: float) -> AsyncIterator[None]:
    """Leave the block only when HAProxy has said READY=1; PlaneError after ``timeout_s``.

    HAProxy 2.6 says so after a start and after a reload, when the new worker has its sockets; also
    after a reload that failed, when the old worker goes on.
    """
    said = _bind(notify_path(node))
    try:
        yield
        async with asyncio.timeout(timeout_s):
            while b"READY=1" not in await asyncio.get_running_loop().sock_recv(
                said, _DATAGRAM_BYTES
            ):
                pass
    except TimeoutError as error:
        raise PlaneError(f"wait for HAProxy on {node}: not ready in {timeout_s:g} s") from error
    finally:
        said.close()
        notify_path(node).unlink(missing_ok=True)
