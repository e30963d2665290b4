"""What a process that lives long sets up for itself: a bounded log, a small heap, its children."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import gc
import logging
import logging.handlers
import os
import sys
from asyncio.sslproto import SSLProtocol
from pathlib import Path
from reprlib import recursive_repr
from typing import Any, NoReturn

LOG_BYTES_MAX = 5_000_000
STDERR = 2
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""malloc's own names and numbers (mallopt(3))."""
HEAP_BYTES = 128 * 1024
TLS_BUFFER_BYTES = 32 * 1024


class LogFile(logging.handlers.RotatingFileHandler):
    """The daemon's log and one older file. What is printed to stderr stays with the newer one."""

    def doRollover(self) -> None:
        """Begin a new file, and let stderr, which ``launch`` opened on the old one, follow."""
        super().doRollover()
        if self.stream is not None:
            os.dup2(self.stream.fileno(), STDERR)


def keep_heap_small() -> None:
    """Hold glibc to its first thresholds: it raises them with each big block that was freed.

    Then every later answer of some megabytes would stay part of a heap that is never given back.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # it is glibc's alone
        mallopt(M_MMAP_THRESHOLD, HEAP_BYTES)
        mallopt(M_TRIM_THRESHOLD, HEAP_BYTES)
        mallopt(M_ARENA_MAX, 1)  # one thread at a time has the interpreter


def keep_tls_buffers_small() -> None:
    """A TLS connection holds a buffer as long as it lasts: 256 KB, where a record has 16 KB.

    https://github.com/python/cpython/blob/3.11/Lib/asyncio/sslproto.py; tasks' logs come over
    connections that stay.
    """
    SSLProtocol.max_size = TLS_BUFFER_BYTES


def share_methods(package: str) -> None:
    """Give all frozen dataclasses of a package, as far as it was imported, the same methods.

    ``dataclass`` compiles three of them for each class that all do the same, 7 KB in all, and with
    ``slots`` two of these are all that holds the class that the decorator has replaced.
    """
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            for kind in vars(module).values():
                if isinstance(kind, type) and kind.__module__ == name:
                    _share_methods(kind)
    # All that is there now stays: looking through it once is enough.
    gc.collect()
    gc.freeze()


def _share_methods(kind: Any) -> None:
    params = vars(kind).get("__dataclass_params__")
    copied = vars(kind).get("__weakref__")
    if params is not None and copied is not None and copied.__objclass__ is not kind:
        # Before 3.11.3 slots copy this too (https://github.com/python/cpython/pull/102075).
        # It belongs to the class that was replaced, of no use to this one, and holds it.
        del kind.__weakref__
    if params is not None and params.frozen:
        kind.__setattr__, kind.__delattr__ = _refuse_to_set, _refuse_to_delete
        if getattr(kind.__repr__, "__wrapped__", None) is not None:  # the generated one
            kind.__repr__ = _tell


def _refuse_to_set(self: object, name: str, value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


@recursive_repr()
def _tell(self: Any) -> str:
    shown = (field.name for field in dataclasses.fields(self) if field.repr)
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({told})"


def log_to(path: Path, level: str) -> None:
    """Log to a file of at most ``LOG_BYTES_MAX``, with one older file beside it."""
    logging.basicConfig(
        level=level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        handlers=[LogFile(path, maxBytes=LOG_BYTES_MAX, backupCount=1)],
    )


def watch_children_by_descriptor() -> None:
    """One descriptor for a program that runs, instead of a thread (the default from 3.12 on)."""
    if sys.version_info < (3, 12):
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
