"""Keys and certificates on disk."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from hiyoko.plane.durable import sync_directory
from hiyoko.plane.error import PlaneError

DIRECTORY_MODE = 0o700
KEY_MODE = 0o600
PUBLIC_MODE = 0o644


def private_directory(path: Path) -> Path:
    """The directory, made if missing, closed to everybody else."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
        path.chmod(DIRECTORY_MODE)
    except OSError as error:
        raise PlaneError(f"make {path}: {error}") from error
    return path


def write_whole(path: Path, data: bytes, mode: int = KEY_MODE) -> None:
    """Replace the file in one step: a reader sees the old one or the new one, never a part.

    The bytes are never in a file that somebody else may read, not even for a moment.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise PlaneError(f"write {path}: {error}") from error
