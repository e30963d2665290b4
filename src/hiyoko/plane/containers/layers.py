"""A layer unpacked once, as overlayfs wants it.

Runs as a program of its own (``python -m hiyoko.plane.containers.layers BLOB DIRECTORY BYTES``):
unpacking is work for a processor, and the daemon has packets and questions waiting. A layer of a
few kilobytes may hold more than any disk, and headers that no memory holds: both end.

Whiteouts (https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts) become what
overlayfs knows: a character device 0/0, which the kernel lets an unprivileged user make too, and
``user.overlay.opaque``, which it heeds when mounted with ``userxattr``
(https://docs.kernel.org/filesystems/overlayfs.html). So root and rootless unpack alike.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hiyoko.plane.durable import sync_filesystem

if TYPE_CHECKING:  # the daemon only resolves paths
    import tarfile

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
FAILED = "layer not unpacked: "
"""Before the program's words on why."""
MEMORY_MAX = 1 << 30
"""Of the program: more than it needs, less than a header of an archive may ask for."""
_PART_BYTES = 1 << 20
_ENTRY_BYTES = 4096
"""An inode and its name, about."""
_NAME_SHOWN = 60
_LINKS_MAX = 40
"""As the kernel follows (path_resolution(7))."""


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{name!r} leaves the image")
    return parts


def resolve(root: Path, parts: list[str]) -> Path:
    """The directory that ``parts`` names inside ``root``, following links but never out of it."""
    todo, followed = list(reversed(parts)), 0
    done: list[str] = []
    while todo:
        part = todo.pop()
        if part == "..":
            if done:
                done.pop()
            continue
        here = root.joinpath(*done, part)
        if here.is_symlink():
            followed += 1
            if followed > _LINKS_MAX:
                raise ValueError(f"too many links in {'/'.join(parts)!r}")
            target = str(here.readlink())
            if target.startswith("/"):
                done.clear()
            todo.extend(reversed([p for p in target.split("/") if p not in ("", ".")]))
            continue
        done.append(part)
    return root.joinpath(*done)


def _clear(path: Path) -> None:
    """Make way for an entry that replaces an earlier one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass(slots=True)
class Room:
    """How much more may be unpacked."""

    left: int

    def take(self, size: int) -> None:
        """Raises OSError when there is no room for it."""
        self.left -= size
        if self.left < 0:
            raise OSError(errno.ENOSPC, "no space left for the image in the task's storage")


def _copy(source: IO[bytes], target: Path, room: Room) -> None:
    with source, target.open("xb") as file:
        while part := source.read(_PART_BYTES):
            room.take(len(part))
            file.write(part)


def _place(
    archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, target: Path, room: Room
) -> None:
    """Make one entry of the archive."""
    if member.isdir():
        if not target.is_dir() or target.is_symlink():
            _clear(target)
            target.mkdir()
        return
    _clear(target)
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        linked = _parts(member.linkname)
        os.link(resolve(root, linked[:-1]) / linked[-1], target, follow_symlinks=False)
    elif member.isfile():
        source = archive.extractfile(member)
        assert source is not None
        _copy(source, target, room)
    elif member.isfifo():
        os.mkfifo(target)
    # Device nodes are left out: the runtime gives a container its own /dev, and in a user
    # namespace they can't be made.


def _dress(member: tarfile.TarInfo, target: Path) -> None:
    """Owner, then mode (chown clears set-id bits), then times."""
    if member.islnk() or not os.path.lexists(target):
        return
    os.chown(target, member.uid, member.gid, follow_symlinks=False)
    if not member.issym():
        target.chmod(stat.S_IMODE(member.mode))
        for name, value in _xattrs(member):
            os.setxattr(target, name, value, follow_symlinks=False)
    if not member.isdir():
        # Whole nanoseconds: Python 3.11.2 takes seconds that no clock has for some others.
        at = int(member.mtime * 1_000_000_000)
        os.utime(target, ns=(at, at), follow_symlinks=False)


def _xattrs(member: tarfile.TarInfo) -> Iterator[tuple[str, bytes]]:
    for key, value in member.pax_headers.items():
        name = key.removeprefix("SCHILY.xattr.")
        # File capabilities (ping) are the only ones that images use in earnest.
        if name != key and name == "security.capability":
            yield name, value.encode("utf-8", "surrogateescape")


def unpack(blob: Path, root: Path, bytes_max: int = sys.maxsize) -> None:
    """Unpack one layer into the empty directory ``root``.

    No more than ``bytes_max``, where an entry counts as a block at least. Raises ValueError,
    OSError, OverflowError, EOFError or TarError.
    """
    import tarfile

    room = Room(bytes_max)
    with tarfile.open(blob, "r|*") as archive:
        for member in archive:
            room.take(_ENTRY_BYTES)
            parts = _parts(member.name)
            if not parts:
                continue
            parent = resolve(root, parts[:-1])
            parent.mkdir(parents=True, exist_ok=True)
            name = parts[-1]
            if name == OPAQUE:
                os.setxattr(parent, "user.overlay.opaque", b"y")
            elif name.startswith(WHITEOUT):
                # What is hidden is named without a slash, but it may be named "..".
                if not (hides := _parts(name.removeprefix(WHITEOUT))):
                    raise ValueError(f"{member.name!r} hides nothing")
                hidden = parent / hides[0]
                _clear(hidden)
                os.mknod(hidden, stat.S_IFCHR | 0o600, os.makedev(0, 0))
            else:
                _place(archive, member, root, parent / name, room)
                _dress(member, parent / name)


def unpack_once(blob: Path, directory: Path, bytes_max: int = sys.maxsize) -> None:
    """Unpack into a temporary neighbour and rename: the directory is whole, or isn't there.

    Also after a power cut: its files are on disk before it has its name.
    """
    if directory.is_dir():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        unpack(blob, work, bytes_max)
        work.chmod(0o755)
        sync_filesystem(work)
        try:
            work.rename(directory)
        except OSError:
            # Another one was faster; the content is the same by its digest.
            if not directory.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _words(error: Exception) -> str:
    """What is wrong, by the name of the entry and not by where it was to go."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    name = Path(os.fsdecode(error.filename)).name if error.filename else ""
    # As text: an image chooses the name, and terminals obey what it may hold.
    return f"{name[:_NAME_SHOWN]!r}: {error.strerror}" if name else error.strerror


def _failed(why: str) -> int:
    print(f"{FAILED}{why}", file=sys.stderr)
    return 1


def main() -> int:
    """``layers BLOB DIRECTORY [BYTES]``: errors go to stderr in one line."""
    import tarfile

    blob, directory = Path(sys.argv[1]), Path(sys.argv[2])
    # A daemon that was started before an upgrade gives none.
    bytes_max = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    try:
        unpack_once(blob, directory, bytes_max)
    except (OSError, ValueError, OverflowError, EOFError, zlib.error, tarfile.TarError) as error:
        return _failed(_words(error))
    except MemoryError:
        return _failed("its headers are larger than any image's")
    return 0


if __name__ == "__main__":
    sys.exit(main())
