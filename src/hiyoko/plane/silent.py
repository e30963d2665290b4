"""A process that lives and does not answer: stopped, or caught in a wait that never ends.

It is worse than a dead one, which the kernel tells of and somebody starts anew. So whoever has not
answered for a long while is ended, and is dead then.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from asyncio import BaseTransport
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from hiyoko.plane.error import PlaneError
from hiyoko.plane.ready import wait_end

T = TypeVar("T")
ANSWER_S = 10.0
"""An answer takes milliseconds; on a machine that does too much at once, seconds."""
LAST_S = 20.0
"""Who was silent is given so long once more."""
_KILLED_S = 10.0
_CREDENTIALS = struct.Struct("3i")


class Silent(PlaneError):
    """A process was asked and said nothing in time. ``pid``: who listens there, where known."""

    def __init__(self, text: str, pid: int = 0) -> None:
        super().__init__(text)
        self.pid = pid


async def patiently(ask: Callable[[float], Awaitable[T]]) -> T:
    """The answer to what is asked with a time limit; Silent when it does not come at all."""
    try:
        return await ask(ANSWER_S)
    except Silent:
        return await ask(LAST_S)


def listener(transport: BaseTransport) -> int:
    """The pid of who listens at the other end of a Unix socket (SO_PEERCRED, unix(7))."""
    sock = transport.get_extra_info("socket")
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, _, _ = _CREDENTIALS.unpack(found)
    return int(pid)


async def kill(pids: Iterable[int], what: str) -> None:
    """End processes that would not hear that they are asked to. Raises PlaneError."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        if not await wait_end(pid, _KILLED_S):
            raise PlaneError(f"end {what} {pid}, which does not answer: it is still there")
