"""The driver's process: which logs there are, and what wakes them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiyoko.plane.log_driver.order import LOG, ORDER, Position, sent
from hiyoko.plane.log_driver.tail import Tail

IN_MODIFY, IN_ATTRIB = 0x2, 0x4
"""A file that another one of its name replaces loses a link: that is an attribute."""
MESSAGE_BYTES_MAX = 4096
AGAIN_S = 1.0
_EVENT = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Driver:
    """All logs below the tasks' directory. ``control`` brings the directories of new ones."""

    tasks: Path
    control: socket.socket
    _tails: dict[Path, tuple[Tail, asyncio.Task[None]]] = field(default_factory=dict)
    _watches: dict[int, Path] = field(default_factory=dict)
    _inotify: int = -1

    async def serve(self) -> None:
        """For ever."""
        self._inotify = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        loop = asyncio.get_running_loop()
        loop.add_reader(self._inotify, self._grown)
        self.control.setblocking(False)
        for order in sorted(self.tasks.glob(f"*/*/{ORDER}")):
            if Tail(order.parent).monitor() is not None or not sent(order.parent):
                self.take(order.parent)
        while True:
            told, client = await loop.sock_recvfrom(self.control, MESSAGE_BYTES_MAX)
            if told:
                self.take(self.tasks / os.fsdecode(told))
            elif client:
                self._answer(client)

    def _answer(self, client: Any) -> None:
        """Say that we still turn to what comes in."""
        with suppress(OSError):  # who asked has gone, and asks again if it wants to know
            self.control.sendto(b".", client)

    def take(self, directory: Path) -> None:
        """Send the log of this container, whose conmon has just been started."""
        if not directory.is_dir():
            return
        known = self._tails.get(directory)
        if known is None:
            tail = Tail(directory)
            tail.look()
            job = asyncio.get_running_loop().create_task(tail.run())
            self._tails[directory] = tail, job
            job.add_done_callback(lambda done: self._over(directory, done))
        else:
            known[0].look()
        self._watch(directory)

    def _watch(self, directory: Path) -> None:
        path = os.fsencode(directory / LOG)
        number = _libc.inotify_add_watch(self._inotify, path, IN_MODIFY | IN_ATTRIB)
        if number >= 0:
            self._watches[number] = directory

    def _over(self, directory: Path, job: asyncio.Task[None]) -> None:
        tail, _ = self._tails.pop(directory)
        for number in [n for n, one in self._watches.items() if one == directory]:
            _libc.inotify_rm_watch(self._inotify, number)
            del self._watches[number]
        error = None if job.cancelled() else job.exception()
        if error is not None:
            print(f"{directory}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        if isinstance(error, OSError):
            # A full disk, say: nothing is lost by waiting.
            asyncio.get_running_loop().call_later(AGAIN_S, self.take, directory)
        elif error is not None:
            if directory.is_dir():  # nobody shall wait for what will not come
                Position(given_up=True).write(directory)
        elif not tail.ended.is_set():
            self.take(directory)  # it was started again just when we had done with it

    def _grown(self) -> None:
        data = os.read(self._inotify, 1 << 16)
        at = 0
        woken: dict[Path, int] = {}
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            directory = self._watches.get(number)
            if directory is not None:
                woken[directory] = woken.get(directory, 0) | mask
        for directory, mask in woken.items():
            if mask & IN_ATTRIB:
                self._watch(directory)
            if directory in self._tails:
                self._tails[directory][0].grown()
