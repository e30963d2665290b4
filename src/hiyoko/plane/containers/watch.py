"""Exits and notes of the log driver wake the reconciler: pidfds and inotify on our event loop.

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

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Watch:
    """Calls ``wake`` when a watched process ends or a watched file is written."""

    wake: Callable[[], None]
    _processes: dict[int, int] = field(default_factory=dict)
    _files: dict[Path, int] = field(default_factory=dict)
    _inotify: int = -1

    def processes(self, pids: Iterable[int]) -> None:
        """Watch exactly these processes."""
        wanted = set(pids)
        self.more(wanted)
        for pid in self._processes.keys() - wanted:
            self._forget(pid)

    def more(self, pids: Iterable[int]) -> None:
        """Watch these processes, too."""
        for pid in set(pids) - self._processes.keys():
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                asyncio.get_running_loop().call_soon(self.wake)
                continue
            self._processes[pid] = handle
            asyncio.get_running_loop().add_reader(handle, self._ended, pid)

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

    def files(self, paths: Iterable[Path]) -> None:
        """Watch exactly these files, as far as they are there."""
        wanted = set(paths)
        if wanted and self._inotify < 0:
            self._inotify = _libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
            if self._inotify < 0:
                raise OSError(ctypes.get_errno(), "inotify_init1")
            asyncio.get_running_loop().add_reader(self._inotify, self._written)
        for path in wanted:
            number = _libc.inotify_add_watch(self._inotify, os.fsencode(path), IN_MODIFY)
            if number >= 0:
                self._files[path] = number
        for path in self._files.keys() - wanted:
            _libc.inotify_rm_watch(self._inotify, self._files.pop(path))

    def _written(self) -> None:
        try:
            os.read(self._inotify, 1 << 16)
        except BlockingIOError:
            return
        self.wake()

    def close(self) -> None:
        """Stop watching."""
        self.processes(())
        if self._inotify >= 0:
            asyncio.get_running_loop().remove_reader(self._inotify)
            os.close(self._inotify)
            self._inotify = -1
        self._files.clear()
