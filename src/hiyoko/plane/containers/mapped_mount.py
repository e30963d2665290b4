"""A directory seen with other owners: a mount whose ids are those of a user namespace.

On disk nothing changes, so any number of namespaces share what is there: what is root's there is
their root's here (mount_setattr(2), MOUNT_ATTR_IDMAP). The C library of an older system has no
names for these calls; their numbers are the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MOUNT_ATTR_IDMAP = 0x100000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, number: int, *given: object) -> int:
    done: int = _libc.syscall(ctypes.c_long(number), *given)
    if done < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return done


def mount_mapped(source: Path, users: Path, target: Path) -> None:
    """Mount a directory with the owners of the user namespace at ``users``. Raises OSError.

    The kernel knows it of each file system by itself, so that one may refuse what another does.
    """
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC
    tree = _call(
        f"clone the mount of {source}",
        *(_OPEN_TREE, _AT_FDCWD, os.fsencode(source), ctypes.c_uint(flags)),
    )
    try:
        _map(tree, users, f"map the owners of {source}")
        _call(
            f"mount {source} on {target}",
            *(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH),
        )
    finally:
        os.close(tree)


def _map(tree: int, users: Path, what: str) -> None:
    namespace = os.open(users, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # struct mount_attr: what to set, what to clear, propagation, the namespace.
        attributes = struct.pack("4Q", _MOUNT_ATTR_IDMAP, 0, 0, namespace)
        size = ctypes.c_size_t(len(attributes))
        _call(what, _MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, size)
    finally:
        os.close(namespace)
