"""Layers on their way in: a file for each upload, renamed into the store under its digest.

An upload outlives the daemon; one that nobody goes on with is collected (``collector``).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.containers.blobs import Blobs

_NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Uploads:
    """The uploads under an image directory, and the blobs that they become."""

    image_dir: Path

    @property
    def directory(self) -> Path:
        """Where uploads lie."""
        return self.image_dir / "uploads"

    @property
    def blobs(self) -> Blobs:
        """Where finished layers lie."""
        return Blobs(self.image_dir)

    def path(self, upload: str) -> Path | None:
        """The file of an upload; None when there is no such upload."""
        path = self.directory / upload
        return path if _NAME.fullmatch(upload) and path.is_file() else None

    def size(self, digest: str) -> int | None:
        """How many bytes a blob has; None when it is not there."""
        path = self.blobs.path(digest)
        return path.stat().st_size if self.blobs.keep(digest) else None

    def add(self, data: bytes) -> str:
        """Keep a small blob and return its digest."""
        return self.blobs.add(data)

    def begin(self) -> str:
        """Begin an upload."""
        self.directory.mkdir(parents=True, exist_ok=True)
        name = str(uuid.uuid4())
        (self.directory / name).touch()
        return name

    def received(self, upload: str) -> int | None:
        """How many bytes have come; None when there is no such upload."""
        path = self.path(upload)
        return None if path is None else path.stat().st_size

    def append(self, upload: str, data: bytes) -> None:
        """Add bytes at the end."""
        with (self.directory / upload).open("ab") as file:
            file.write(data)

    def finish(self, upload: str, digest: str) -> str:
        """End an upload; the digest that it has, and only if that is the wished one, it is kept."""
        path = self.directory / upload
        found = self.blobs.adopt(path, digest)
        path.unlink(missing_ok=True)
        return found

    def discard(self, upload: str) -> None:
        """Forget an upload."""
        (self.directory / upload).unlink(missing_ok=True)
