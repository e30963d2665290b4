"""Tasks' file systems, on a disk that is smaller than what they promise."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hiyoko.plane.containers.cgroups import real_root
from hiyoko.plane.containers.directory import TaskDirectory
from hiyoko.plane.containers.storage import TaskStorage, storage_refused
from hiyoko.plane.process import run
from hiyoko.settings import Settings

pytestmark = pytest.mark.skipif(not real_root(), reason="no file system can be mounted here")
MIB = 1 << 20
DISK_MIB = 400


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Path]:
    image, place = tmp_path / "disk", tmp_path / "state"
    with image.open("wb") as file:
        file.truncate(DISK_MIB * MIB)
    place.mkdir()
    await run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    await run("mount", "-o", "loop", str(image), str(place))
    yield place
    await run("umount", str(place))


@pytest.fixture
async def storage(disk: Path) -> AsyncIterator[TaskStorage]:
    tasks = disk / "tasks"
    storage = TaskStorage(tasks, disk / "empty")
    for name in ("one", "two"):
        (tasks / name).mkdir(parents=True)
        await storage.mount(TaskDirectory(tasks / name), 20)
    yield storage
    await storage.close()
    for name in ("one", "two"):
        await storage.unmount(TaskDirectory(tasks / name))


def write(path: Path, mib: int) -> int:
    """How many MiB were taken, and are on the disk."""
    with path.open("wb", buffering=0) as file:
        try:
            while mib and file.write(bytes(MIB)):
                mib -= 1
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size // MIB


async def test_a_full_disk_refuses_writes_at_once_and_harms_nobody(storage: TaskStorage) -> None:
    one, two = (TaskDirectory(storage.tasks / name) for name in ("one", "two"))
    (two.storage / "before").write_text("there")
    taken = write(one.storage / "all", 2 * DISK_MIB)
    assert DISK_MIB // 2 < taken < DISK_MIB
    storage.look()
    # Not lost later, as what a disk refuses when a page is written back.
    assert write(two.storage / "more", 20) == 0
    for number in range(500):
        (two.storage / f"empty-{number}").touch()
    (one.storage / "all").unlink()
    storage.look()
    assert write(two.storage / "more", 20) == 20
    assert (two.storage / "before").read_text() == "there"
    os.sync()
    for task in (one, two):
        await run("umount", str(task.storage))
        await run("e2fsck", "-fn", str(task.image))


async def test_what_a_task_wrote_is_not_written_to_the_disk_at_its_end(
    storage: TaskStorage,
) -> None:
    one = TaskDirectory(storage.tasks / "one")
    with (one.storage / "open").open("wb") as file:
        file.write(os.urandom(50 * MIB))
    os.link(one.image, storage.tasks / "kept")
    await storage.unmount(one)
    assert not one.storage.is_mount()
    assert not one.image.exists()
    assert (storage.tasks / "kept").stat().st_blocks < MIB // 512


async def test_the_machine_is_asked_once_whether_it_can(tmp_path: Path) -> None:
    settings = Settings(tmp_path, 1, 2)
    assert await storage_refused(settings) == ""
    assert [path.name for path in (settings.run_dir / "storage").iterdir()] == ["20.img"]
    assert str(tmp_path) not in await run("mount")
