"""Exits and log lines wake the reconciler: pidfds and inotify on the daemon's event loop.

Only waking: whatever was missed while nobody watched is found by observing.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

IN_MODIFY = 0x2
IN_NONBLOCK = os.O_NONBLOCK
IN_CLOEXEC = os.O_CLOEXEC
GATHER_S = 0.5
"""Log lines are sent together, so that a busy container wakes us twice a second at most."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Watch:
    """Calls ``wake`` when a watched process ends or a watched log grows."""

    wake: Callable[[], None]
    _processes: dict[int, int] = field(default_factory=dict)
    _logs: dict[Path, int] = field(default_factory=dict)
    _inotify: int = -1
    _gathering: asyncio.TimerHandle | None = None

    def processes(self, pids: Iterable[int]) -> None:
        """Watch exactly these processes."""
        wanted = set(pids)
        for pid in wanted - self._processes.keys():
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                asyncio.get_running_loop().call_soon(self.wake)
                continue
            self._processes[pid] = handle
            asyncio.get_running_loop().add_reader(handle, self._ended, pid)
        for pid in self._processes.keys() - wanted:
            self._forget(pid)

    def living(self) -> frozenset[int]:
        """Those of the watched processes that have not ended, by the kernel's word."""
        poll = select.poll()
        for handle in self._processes.values():
            poll.register(handle, select.POLLIN)
        ended = {handle for handle, _ in poll.poll(0)}
        return frozenset(pid for pid, handle in self._processes.items() if handle not in ended)

    def _ended(self, pid: int) -> None:
        self._forget(pid)
        self.wake()

    def _forget(self, pid: int) -> None:
        handle = self._processes.pop(pid)
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)

    def logs(self, paths: Iterable[Path]) -> None:
        """Watch exactly these log files."""
        wanted = set(paths)
        if wanted and self._inotify < 0:
            self._inotify = _libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
            if self._inotify < 0:
                raise OSError(ctypes.get_errno(), "inotify_init1")
            asyncio.get_running_loop().add_reader(self._inotify, self._grown)
        # All of them every time: a log that reached its limit is a new file of the same name.
        for path in wanted:
            number = _libc.inotify_add_watch(self._inotify, os.fsencode(path), IN_MODIFY)
            if number >= 0:
                self._logs[path] = number
        for path in self._logs.keys() - wanted:
            _libc.inotify_rm_watch(self._inotify, self._logs.pop(path))

    def _grown(self) -> None:
        try:
            os.read(self._inotify, 1 << 16)
        except BlockingIOError:
            return
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_S, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self.wake()

    def close(self) -> None:
        """Stop watching."""
        self.processes(())
        if self._gathering is not None:
            self._gathering.cancel()
        if self._inotify >= 0:
            asyncio.get_running_loop().remove_reader(self._inotify)
            os.close(self._inotify)
            self._inotify = -1
        self._logs.clear()
