"""Ephemeral storage of a size that a task asks for: a file system of that size, in a sparse file.

Only for real root: nobody else may mount a device. What is not asked for has no limit here but the
disk's, because a file system of its own would cost every start a fifth more, and every stop.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hiyoko.plane.containers.cgroups import real_root
from hiyoko.plane.containers.directory import TaskDirectory
from hiyoko.plane.process import run

LOOP_CONTROL = Path("/dev/loop-control")


def storage_enforced() -> bool:
    """Whether a task's ephemeral storage ends where its definition says."""
    return real_root() and os.access(LOOP_CONTROL, os.W_OK) and shutil.which(*_MKFS) is not None


_MKFS = ("mkfs.ext4", os.F_OK | os.X_OK, f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


async def mount_storage(directory: TaskDirectory, gib: int) -> None:
    """Where the task's containers write: a file system of this size. Raises PlaneError."""
    place, image = directory.storage, directory.path / "storage.img"
    if place.is_mount():
        return
    place.mkdir(exist_ok=True)
    if not image.exists():
        part = directory.path / "storage.part"
        with part.open("wb") as file:
            file.truncate(gib << 30)
        # Nothing of it has to outlive a crash, so there is no journal.
        features = ("-O", "^has_journal,^resize_inode", "-m", "0", "-N", str(gib << 14))
        lazy = ("-E", "lazy_itable_init=1,nodiscard")
        await run(str(shutil.which(*_MKFS)), "-q", "-F", *features, *lazy, str(part))
        part.replace(image)
    await run("mount", "-o", "loop,noatime", str(image), str(place))


async def unmount_storage(directory: TaskDirectory) -> None:
    """Let go of the task's file system, if it has one."""
    if directory.storage.is_mount():
        await run("umount", str(directory.storage))
    (directory.path / "storage.img").unlink(missing_ok=True)
