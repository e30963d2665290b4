"""Ephemeral storage with an end: a file system for each task, in a sparse file.

Only for real root: nobody else may mount a device. An empty file system is made once for each size
and copied, as it has few blocks. Together they promise more than the disk has, so each offers no
more than the disk has left: then the kernel refuses a write at once, to who writes, and not when
the page is written back, which would be lost, and with it perhaps a directory of the task.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.blueprint.tasks import STORAGE_GIB
from hiyoko.plane.containers.cgroups import real_root
from hiyoko.plane.containers.directory import TaskDirectory
from hiyoko.plane.containers.loop_mount import BLOCK_BYTES, discard_mount, mount_image
from hiyoko.plane.error import PlaneError, words_of
from hiyoko.plane.process import run
from hiyoko.settings import Settings

logger = logging.getLogger(__name__)

KEPT_BYTES_MAX = 1 << 30
"""So much of the disk, at most, is for the cloud itself and for what is written between looks."""
RATE_BYTES_S = 2 << 30
"""No faster do tasks fill the disk: 512 MiB were written into memory in a tenth of a second, but
of a disk that is all but full the margin is smaller than that."""
LOOK_S_MIN, LOOK_S_MAX = 0.5, 30.0
RESERVED_BLOCKS = 4096
"""What ext4 itself keeps back, for what it writes about its files."""
_MKFS = ("mkfs.ext4", os.F_OK | os.X_OK, f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass(frozen=True, slots=True)
class Used:
    """A task's file system, in blocks of 4 KiB, and what its file has of the disk."""

    device: str
    blocks: int
    free: int
    available: int
    file_bytes: int

    @property
    def owed_bytes(self) -> int:
        """What was written, is in memory only and will take room on the disk."""
        return max(0, (self.blocks - self.free) * BLOCK_BYTES - self.file_bytes)


def room_of(disk_bytes: int, free_bytes: int, storages: Iterable[Used]) -> int:
    """What tasks may still write in all: what is ``free_bytes`` of a disk, without what is owed."""
    kept = min(KEPT_BYTES_MAX, disk_bytes // 50)
    return free_bytes - kept - sum(one.owed_bytes for one in storages)


def reserved_blocks(one: Used, room: int) -> int:
    """How many free blocks a file system must keep back to offer no more than there is room for."""
    offered = max(0, room) // BLOCK_BYTES
    return max(RESERVED_BLOCKS, min(one.free - offered, one.blocks - 1))


async def storage_refused(settings: Settings) -> str:
    """Why tasks' storage has no end here; empty when it has: tried once, with one of them."""
    if not real_root():
        return "that takes a cloud started by root"
    top = settings.run_dir / "storage"
    trial = TaskDirectory(top / "trial")
    storage = TaskStorage(top, top)
    try:
        trial.path.mkdir(parents=True, exist_ok=True)
        await storage.mount(trial, STORAGE_GIB)  # so that its empty file is of use
        _offer(_used(trial.storage, trial.image), 0)
        await storage.unmount(trial)
    except (PlaneError, OSError) as error:
        return words_of(error)
    finally:
        await storage.close()
        shutil.rmtree(trial.path, ignore_errors=True)
    return ""


@dataclass
class TaskStorage:
    """The file systems of the tasks below ``tasks``. ``empty``: where those to copy lie."""

    tasks: Path
    empty: Path
    _room: int | None = None
    """What there was at the last look; None before it."""
    _looking: asyncio.Task[None] | None = None
    _ending: set[Path] = field(default_factory=set)

    async def mount(self, directory: TaskDirectory, gib: int) -> None:
        """Where the task's containers write: a file system of this size. Raises PlaneError."""
        place, image = directory.storage, directory.image
        if place.is_mount():
            return
        place.mkdir(exist_ok=True)
        empty = self.empty / f"{gib}.img"
        if not empty.exists():
            part = directory.path / "storage.empty"
            await _make(part, gib)
            self.empty.mkdir(parents=True, exist_ok=True)
            part.replace(empty)
        try:
            await asyncio.to_thread(_mount, empty, image, place)
            if self._room is None:
                self.look()
            else:
                _offer(_used(place, image), self._room)
        except OSError as error:
            raise PlaneError(f"storage of {gib} GiB: {words_of(error)}") from error
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_again())

    async def unmount(self, directory: TaskDirectory) -> None:
        """Let go of the task's file system, if it has one, and of all in it. Raises PlaneError.

        Nothing may run in it any more, and no root be mounted over it: the task has ended.
        """
        # A look would find the state directory's file system in its place.
        self._ending.add(directory.path)
        try:
            if directory.storage.is_mount():
                await asyncio.to_thread(discard_mount, directory.storage)
            await asyncio.to_thread(directory.image.unlink, missing_ok=True)
        except OSError as error:
            raise PlaneError(f"end of a task's storage: {error}") from error
        finally:
            self._ending.discard(directory.path)

    def adopt(self) -> None:
        """Look after what a daemon before this one has mounted."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look_again())

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look_again(self) -> None:
        """As long as a task has a file system."""
        more = True
        while more:
            try:
                more = self.look()
            except OSError as error:
                logger.warning("tasks' storage: %s", error)
            # Nobody tells how full a disk is: the less room, the sooner it is asked again.
            wait_s = (self._room or 0) / RATE_BYTES_S
            await asyncio.sleep(min(max(LOOK_S_MIN, wait_s), LOOK_S_MAX) if more else 0)
        self._room = None

    def look(self) -> bool:
        """Offer each task what there is now; False when none has a file system."""
        found = [_used(one.storage, one.image) for one in self._mounted()]
        if not found:
            return False
        disk = os.statvfs(self.tasks)
        free = disk.f_bavail * disk.f_frsize
        self._room = room_of(disk.f_blocks * disk.f_frsize, free, found)
        for one in found:
            _offer(one, self._room)
        return True

    def _mounted(self) -> list[TaskDirectory]:
        if not self.tasks.is_dir():
            return []
        with os.scandir(self.tasks) as entries:
            found = [TaskDirectory(Path(entry.path)) for entry in entries if entry.is_dir()]
        return [
            one
            for one in found
            if one.path not in self._ending and one.image.exists() and one.storage.is_mount()
        ]


async def _make(part: Path, gib: int) -> None:
    """An empty file system of a size. Raises PlaneError."""
    program = shutil.which(*_MKFS)
    if program is None:
        raise PlaneError("mkfs.ext4 is not installed")
    with part.open("wb") as file:
        file.truncate(gib << 30)
    # Nothing of it has to outlive a crash, so there is no journal and no second superblock.
    features = ("-O", "^has_journal,^resize_inode,sparse_super2", "-G", "256", "-m", "0")
    spread = ("-E", "num_backup_sb=0,packed_meta_blocks=1,lazy_itable_init=1,nodiscard")
    sizes = ("-b", str(BLOCK_BYTES), "-N", str(gib << 14))
    await run(program, "-q", "-F", *features, *sizes, *spread, str(part))


def _mount(empty: Path, image: Path, place: Path) -> None:
    if not image.exists():
        part = image.with_name("storage.part")
        _copy(empty, part)
        part.replace(image)
    mount_image(image, place)


def _copy(source: Path, target: Path) -> None:
    """Copy a file whose holes stay holes."""
    with source.open("rb") as old, target.open("wb") as new:
        size, at = os.fstat(old.fileno()).st_size, 0
        new.truncate(size)
        # What comes last in a file system of many blocks is a hole.
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: no data beyond this place (lseek(2))
                break
            end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            while at < end:
                at += os.pwrite(new.fileno(), os.pread(old.fileno(), end - at, at), at)


def _used(place: Path, image: Path) -> Used:
    seen, device = os.statvfs(place), place.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").readlink().name
    file_bytes = image.stat().st_blocks * 512
    return Used(name, seen.f_blocks, seen.f_bfree, seen.f_bavail, file_bytes)


def _offer(one: Used, room: int) -> None:
    """https://docs.kernel.org/admin-guide/ext4.html, reserved_clusters."""
    blocks = reserved_blocks(one, room)
    if one.free - one.available != blocks:
        Path(f"/sys/fs/ext4/{one.device}/reserved_clusters").write_text(str(blocks))


def storage_mib(directory: TaskDirectory) -> tuple[int, int] | None:
    """How much of the task's file system is used, and its size; None where it has none."""
    if not directory.storage.is_mount():
        return None
    kept = os.statvfs(directory.storage)
    used, whole = kept.f_blocks - kept.f_bfree, kept.f_blocks
    return used * kept.f_frsize >> 20, whole * kept.f_frsize >> 20
