"""A file mounted as the file system that it holds, by system calls: a program costs more than they.

The loop device lets go of the file when it is unmounted (loop(4)). It reads and writes beside the
page cache (``LO_FLAGS_DIRECT_IO``), where what a task writes would be a second time; the kernel
does without that where the file's own file system cannot.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path

from hiyoko.plane.keeper import mount

LOOP_CONTROL = Path("/dev/loop-control")
BLOCK_BYTES = 4096
ATTEMPTS = 100
"""Others take free devices too: between the question for one and its use it may be gone."""
_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE = 0x4C82, 0x4C0A
_LO_FLAGS_AUTOCLEAR, _LO_FLAGS_DIRECT_IO = 4, 16
_EXT4_IOC_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
_MS_NOATIME = 0x400
_libc = ctypes.CDLL(None, use_errno=True)


def mount_image(image: Path, place: Path) -> None:
    """Mount an ext4 file system without a journal. Raises OSError.

    Blocks of deleted files are given back to the disk; inode tables are holes of the file, which
    read as zeros, so nobody needs to write them.
    """
    file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        name, device = _attach(file)
    finally:
        os.close(file)
    try:
        mount(name, str(place), "ext4", _MS_NOATIME, "noinit_itable,discard")
    finally:
        os.close(device)


def _attach(file: int) -> tuple[str, int]:
    """A loop device for an open file, and a descriptor, whose end is its end unless mounted."""
    # struct loop_config: the file, the block size, struct loop_info64 with its flags.
    flags = _LO_FLAGS_AUTOCLEAR | _LO_FLAGS_DIRECT_IO
    wanted = struct.pack("=2I52xI176x64x", file, BLOCK_BYTES, flags)
    control = os.open(LOOP_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(ATTEMPTS):
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            name = f"/dev/loop{number}"
            device = os.open(name, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, wanted)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise
            else:
                return name, device
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, f"no loop device stays free in {ATTEMPTS} attempts")


def discard_mount(place: Path) -> None:
    """Unmount a file system whose content nobody needs any more. Raises OSError.

    It is told to write nothing from now on: otherwise unmounting waits until the disk has all.
    """
    top = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(top, _EXT4_IOC_SHUTDOWN, struct.pack("=I", _NO_LOG_FLUSH))
    finally:
        os.close(top)
    if _libc.umount2(os.fsencode(place), 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"umount {place}: {os.strerror(number)}")
