"""What a process that lives long sets up for itself: a bounded log, a small heap, its children."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import logging.handlers
import os
import sys
from pathlib import Path

LOG_BYTES_MAX = 5_000_000
STDERR = 2
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""malloc's own names and numbers (mallopt(3))."""
HEAP_BYTES = 128 * 1024


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
