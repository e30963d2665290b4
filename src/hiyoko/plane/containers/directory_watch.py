"""In which directories something came, went or was replaced: inotify(7), read when it is asked for.

The kernel queues an event before the call returns that caused it. So nothing is missing that was
done before the question, which a time on disk with its coarse ticks could not promise.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Collection
from dataclasses import dataclass, field

_CREATED, _DELETED, _MOVED_FROM, _MOVED_TO = 0x100, 0x200, 0x40, 0x80
_SELF_DELETED, _SELF_MOVED, _UNMOUNTED = 0x400, 0x800, 0x2000
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_ONLY_DIRECTORIES = 0x1000000
_WANTED = (
    _CREATED | _DELETED | _MOVED_FROM | _MOVED_TO | _SELF_DELETED | _SELF_MOVED | _ONLY_DIRECTORIES
)
_EVENT = struct.Struct("=iIII")
_READ_BYTES = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class DirectoryWatch:
    """Watches directories, as many as the kernel allows (``fs.inotify.max_user_watches``)."""

    _handle: int = -1
    _numbers: dict[str, int] = field(default_factory=dict)
    _paths: dict[int, str] = field(default_factory=dict)

    def add(self, path: str) -> bool:
        """Watch it from now on, also if another has taken its place. False: it cannot be."""
        if self._handle < 0:
            self._handle = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        number = _libc.inotify_add_watch(self._handle, os.fsencode(path), _WANTED)
        if number < 0:
            self._forget(path)
            return False
        if self._numbers.get(path) != number:
            self._forget(path)
        self._numbers[path], self._paths[number] = number, path
        return True

    def keep(self, paths: Collection[str]) -> None:
        """Watch none but these."""
        for gone in self._numbers.keys() - paths:
            self._forget(gone)

    def written(self) -> set[str] | None:
        """The directories in which something has happened since the last time; None: in any."""
        found: set[str] = set()
        lost = False
        while data := self._read():
            place = 0
            while place < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, place)
                place += _EVENT.size + length
                path = self._paths.get(number)
                if path is not None:
                    found.add(path)
                    if mask & (_IGNORED | _UNMOUNTED):
                        del self._numbers[path], self._paths[number]
                lost = lost or bool(mask & _OVERFLOW)
        return None if lost else found

    def close(self) -> None:
        """Watch nothing more."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1
        self._numbers.clear()
        self._paths.clear()

    def _read(self) -> bytes:
        if self._handle < 0:
            return b""
        try:
            return os.read(self._handle, _READ_BYTES)
        except BlockingIOError:
            return b""

    def _forget(self, path: str) -> None:
        number = self._numbers.pop(path, None)
        if number is not None:
            del self._paths[number]
            _libc.inotify_rm_watch(self._handle, number)
