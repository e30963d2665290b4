"""What the image store may let go of: blobs and unpacked layers that nothing needs any more.

Mark and sweep. Marks come from rows and from what tasks left on disk; whatever was used within the
last hour is spared, so that a push or a pull that goes on finds what it was told is there. Looking
once more and removing happen under one lock (``Blobs.locked``), which whoever keeps a blob takes
too. A removal is one unlink or one rename: killed at any line, the next sweep goes on.
docs/explanation/the-image-store.md says when and how much.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from hiyoko.blueprint.step import Step
from hiyoko.plane.containers.blobs import Blobs
from hiyoko.plane.error import PlaneError

SPARED_S = 3600.0
"""What was used or written since is left alone."""
UPLOAD_SPARED_S = 24 * 3600.0
"""A client may come back to an upload for a day."""
SWEEP_S = 600.0
FREE_SHARE_MIN = 0.10
FREE_BYTES_MIN = 5_000_000_000
"""When less than both is free, unpacked layers that no task uses go as well."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is needed: digests of blobs that rows lead to, and of layers that tasks stand on."""

    blobs: frozenset[str]
    layers: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoreState:
    """The store as the disk tells: when each blob, layer and leftover was last used."""

    blobs: Mapping[str, float]
    layers: Mapping[str, float]
    leftovers: Mapping[str, float]
    blob_bytes: int
    short_of_space: bool


@dataclass(frozen=True, slots=True)
class DropBlob(Step):
    """Remove a blob unless it was used since ``used_at``."""

    digest: str
    used_at: float

    def __str__(self) -> str:
        return f"drop blob {self.digest[:19]}"


@dataclass(frozen=True, slots=True)
class DropLayer(Step):
    """Remove an unpacked layer unless it was used since ``used_at``."""

    digest: str
    used_at: float

    def __str__(self) -> str:
        return f"drop layer {self.digest[:19]}"


@dataclass(frozen=True, slots=True)
class DropLeftover(Step):
    """Remove what an interrupted work left; ``path`` is inside the store."""

    path: str

    def __str__(self) -> str:
        return f"drop leftover {self.path}"


CollectStep = DropBlob | DropLayer | DropLeftover


def steps(marks: Marks, seen: StoreState, now: float) -> Iterator[CollectStep]:
    """What nothing needs and nobody used of late."""
    for digest, used_at in seen.blobs.items():
        if digest not in marks.blobs and used_at + SPARED_S <= now:
            yield DropBlob(digest, used_at)
    for digest, used_at in seen.layers.items():
        needed = digest in marks.layers or (digest in marks.blobs and not seen.short_of_space)
        if not needed and used_at + SPARED_S <= now:
            yield DropLayer(digest, used_at)
    for path, used_at in seen.leftovers.items():
        spared = UPLOAD_SPARED_S if path.startswith("uploads/") else SPARED_S
        if used_at + spared <= now:
            yield DropLeftover(path)


@dataclass(frozen=True, slots=True)
class Collector:
    """The store under ``image_dir``."""

    image_dir: Path

    @property
    def _blobs(self) -> Blobs:
        return Blobs(self.image_dir)

    def due_s(self, now: float) -> float:
        """Seconds until the next sweep; the last one's time is a file's."""
        try:
            last = (self.image_dir / "swept").stat().st_mtime
        except FileNotFoundError:
            return 0.0
        # A clock that went back must not stop us for good.
        return 0.0 if last > now else max(0.0, last + SWEEP_S - now)

    def note_sweep(self, now: float) -> None:
        """A sweep has ended."""
        self.image_dir.mkdir(parents=True, exist_ok=True)
        mark = self.image_dir / "swept"
        mark.touch()
        os.utime(mark, (now, now))

    def observe(self) -> StoreState:
        """Look at every file's name, size and time; nothing is read."""
        blobs: dict[str, float] = {}
        size = 0
        for name, status in _entries(self._blobs.directory):
            blobs[f"sha256:{name}"] = status.st_mtime
            size += status.st_size
        layers: dict[str, float] = {}
        leftovers: dict[str, float] = {}
        for name, status in _entries(self.image_dir / "layers"):
            if name.startswith("."):
                leftovers[f"layers/{name}"] = status.st_mtime
            else:
                layers[f"sha256:{name}"] = status.st_mtime
        for folder in ("incoming", "uploads"):
            for name, status in _entries(self.image_dir / folder):
                leftovers[f"{folder}/{name}"] = status.st_mtime
        for name, status in _entries(self.image_dir):
            if name.startswith((".build-", ".import-", ".trial-")):
                leftovers[name] = status.st_mtime
        return StoreState(blobs, layers, leftovers, size, self._short_of_space())

    def _short_of_space(self) -> bool:
        if not self.image_dir.is_dir():
            return False
        disk = shutil.disk_usage(self.image_dir)
        return disk.free < FREE_BYTES_MIN and disk.free < disk.total * FREE_SHARE_MIN

    async def apply(self, step: CollectStep) -> None:
        """Take one step. Raises PlaneError."""
        try:
            await asyncio.to_thread(self._apply, step)
        except OSError as error:
            raise PlaneError(f"{step}: {error.strerror}") from error

    def _apply(self, step: CollectStep) -> None:
        match step:
            case DropBlob(digest, used_at):
                self._drop_blob(self._blobs.path(digest), used_at)
            case DropLayer(digest, used_at):
                self._drop_layer(digest.removeprefix("sha256:"), used_at)
            case DropLeftover(path):
                _remove(self.image_dir / path)
            case _:
                assert_never(step)

    def _drop_blob(self, path: Path, used_at: float) -> None:
        with self._blobs.locked(fcntl.LOCK_EX):
            if path.exists() and path.stat().st_mtime <= used_at:
                path.unlink()

    def _drop_layer(self, name: str, used_at: float) -> None:
        path = self.image_dir / "layers" / name
        gone = path.with_name(f".gone-{name}-{secrets.token_hex(4)}")
        with self._blobs.locked(fcntl.LOCK_EX):
            if not path.exists() or path.stat().st_mtime > used_at:
                return
            path.rename(gone)
        _remove(gone)


def keep_layer(blobs: Blobs, directory: Path) -> bool:
    """Whether a layer is there unpacked, and from now on in use."""
    with blobs.locked(fcntl.LOCK_SH):
        try:
            os.utime(directory)
        except FileNotFoundError:
            return False
    return True


def _entries(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Names and states of what is in a directory; what goes meanwhile is not there."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    yield entry.name, entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
    except FileNotFoundError:
        return


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
