"""The overlay mount of a container's root, by mount(2): a program for it would cost more than it.

The kernel takes one page of options, so layers are named from the directory that they lie in. A
working directory belongs to a process; a thread gets one of its own by unshare(2).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from hiyoko.plane.containers.mapped_mount import mount_mapped
from hiyoko.plane.error import PlaneError
from hiyoko.plane.keeper import mount
from hiyoko.plane.user_namespaces import UserNamespace, unmount_all

_CLONE_FS = 0x200
_MS_NODEV = 4
"""A device that an image or its root makes there is none."""
_libc = ctypes.CDLL(None, use_errno=True)


async def mount_overlay(
    layers: Sequence[Path],
    upper: Path,
    work: Path,
    target: Path,
    users: UserNamespace | None = None,
) -> None:
    """Mount a writable layer over an image's, the lowest first. Raises PlaneError.

    With ``users`` what is root's in the layers is its root's; ``upper`` is taken as it is.
    """
    lower = ":".join(layer.name for layer in reversed(layers))
    options = f"userxattr,lowerdir={lower},upperdir={upper},workdir={work}"
    refusals: list[str] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work_on() -> None:
        try:
            _mount_from(layers[0].parent, target, options, users)
        except OSError as error:
            refusals.append(str(error.strerror))
        loop.call_soon_threadsafe(done.set)

    # Never a pool's thread: what comes after would find itself in our directory.
    threading.Thread(target=work_on, name="mount").start()
    await done.wait()
    if refusals:
        raise PlaneError(refusals[0])


def _mount_from(directory: Path, target: Path, options: str, users: UserNamespace | None) -> None:
    if _libc.unshare(_CLONE_FS) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare to mount {target}: {os.strerror(number)}")
    if users is None:
        os.chdir(directory)
        mount("overlay", str(target), "overlay", _MS_NODEV, options)
        return
    mount_mapped(directory, users.path, users.layers)
    try:
        os.chdir(users.layers)
        # The overlay keeps clones of what it was given.
        mount("overlay", str(target), "overlay", _MS_NODEV, options)
    finally:
        unmount_all(users.layers)
