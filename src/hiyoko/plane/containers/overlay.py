"""The overlay mount of a container's root, by mount(2): a program for it would cost more than it.

The kernel takes one page of options, so layers are named from the directory that they lie in. A
working directory belongs to a process; a thread gets one of its own by unshare(2).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.error import PlaneError

_CLONE_FS = 0x200
_MS_NODEV = 4
"""A device that an image or its root makes there is none."""
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class _Outcome:
    """What a thread has to tell: which call failed, and how."""

    call: str = ""
    errno: int = 0


async def mount_overlay(layers: Sequence[Path], upper: Path, work: Path, target: Path) -> None:
    """Mount a writable layer over an image's, the lowest first. Raises PlaneError."""
    lower = ":".join(layer.name for layer in reversed(layers))
    options = f"userxattr,lowerdir={lower},upperdir={upper},workdir={work}"
    outcome = _Outcome()
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def mount() -> None:
        _mount_from(layers[0].parent, target, options, outcome)
        loop.call_soon_threadsafe(done.set)

    # Never a pool's thread: what comes after would find itself in our directory.
    threading.Thread(target=mount, name="mount").start()
    await done.wait()
    if outcome.errno:
        raise PlaneError(f"mount overlay on {target}: {outcome.call}: {os.strerror(outcome.errno)}")


def _mount_from(directory: Path, target: Path, options: str, outcome: _Outcome) -> None:
    calls: tuple[tuple[str, Callable[[], int]], ...] = (
        ("unshare", lambda: _libc.unshare(_CLONE_FS)),
        ("chdir", lambda: _libc.chdir(os.fsencode(directory))),
        (
            "mount",
            lambda: _libc.mount(
                b"overlay",
                os.fsencode(target),
                b"overlay",
                ctypes.c_ulong(_MS_NODEV),
                options.encode(),
            ),
        ),
    )
    for name, call in calls:
        if call() != 0:
            outcome.call, outcome.errno = name, ctypes.get_errno()
            return
