"""The content-addressed store: image blobs by digest, shared by registries and runtime.

A blob is written to a temporary file, synced, and renamed to its digest: a file with a digest's
name is whole, or isn't there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from hiyoko.plane.durable import sync_directory

_READ_BYTES = 1 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says of the process that runs in it."""

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    user: str = ""
    working_directory: str = "/"
    stop_signal: str = "SIGTERM"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest's links: its configuration and its layers, lowest first."""

    digest: str
    config: str
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that was built: its manifest is among the blobs."""

    digest: str
    media_type: str
    size: int


class BuildFailed(Exception):
    """An image could not be built; the text says why and what helps."""


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """An image that came from its real registry. ``member`` is this machine's image of an index.

    ``stale`` says why the registry was not asked, when this is the copy of an earlier day.
    """

    digest: str
    media_type: str
    size: int
    member: BuiltImage | None = None
    stale: str = ""


class Fault(StrEnum):
    """Why an image can't be fetched: the way, the name, the right, or something else."""

    UNREACHABLE = "unreachable"
    ABSENT = "absent"
    DENIED = "denied"
    FAILED = "failed"


class FetchFailed(Exception):
    """An image could not be fetched from its real registry; the text says why."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class BlobWriter:
    """A blob on its way in: written in parts, kept only under the digest that it really has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("wb")
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append a part."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """The digest of what has been written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def commit(self, target: Path) -> None:
        """Sync and give the file its name. The caller has compared the digests."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.rename(target)
        sync_directory(target.parent)

    def discard(self) -> None:
        """Forget the blob."""
        self._file.close()
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Blobs:
    """The store under an image directory (``settings.image_dir``)."""

    image_dir: Path

    @property
    def directory(self) -> Path:
        """Where blobs lie by the hexadecimal part of their digest."""
        return self.image_dir / "blobs" / "sha256"

    def path(self, digest: str) -> Path:
        """The file of a digest, there or not."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no sha256 digest")
        return self.directory / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return self.path(digest).is_file()

    def keep(self, digest: str) -> bool:
        """Whether the blob is there, and from now on in use: the collector spares what is fresh."""
        with self.locked(fcntl.LOCK_SH):
            try:
                os.utime(self.path(digest))
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def locked(self, kind: int) -> Iterator[None]:
        """Between keeping and collecting: shared to keep, exclusive to look and remove."""
        self.image_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.image_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, kind)
            yield
        finally:
            os.close(lock)

    def read(self, digest: str) -> bytes:
        """A small blob (a manifest, a configuration), whole."""
        return self.path(digest).read_bytes()

    def writer(self) -> BlobWriter:
        """Begin a new blob."""
        incoming = self.image_dir / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        return BlobWriter(incoming / secrets.token_hex(16))

    def add(self, data: bytes) -> str:
        """Keep ``data`` and return its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if not self.keep(digest):
            writer = self.writer()
            writer.write(data)
            writer.commit(self.path(digest))
        return digest

    def add_file(self, source: Path) -> tuple[str, int]:
        """Copy a file into the store; its digest and size."""
        writer = self.writer()
        with source.open("rb") as file:
            while part := file.read(_READ_BYTES):
                writer.write(part)
        digest = writer.digest
        writer.commit(self.path(digest))
        return digest, writer.size

    def adopt(self, source: Path, digest: str) -> str:
        """Move a finished file into the store if it has that digest; the digest that it has."""
        with source.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            if found != digest:
                return found
            os.fsync(file.fileno())
        self.directory.mkdir(parents=True, exist_ok=True)
        source.rename(self.path(digest))
        sync_directory(self.directory)
        return found

    def config(self, digest: str) -> ImageConfig:
        """The image configuration in a blob. Raises OSError or ValueError."""
        try:
            document: dict[str, Any] = json.loads(self.read(digest))
            config = document.get("config") or {}
            return ImageConfig(
                entry_point=_texts(config, "Entrypoint"),
                command=_texts(config, "Cmd"),
                environment=tuple(
                    (name, value)
                    for name, _, value in (entry.partition("=") for entry in _texts(config, "Env"))
                ),
                user=_text(config, "User"),
                working_directory=_text(config, "WorkingDir") or "/",
                stop_signal=_text(config, "StopSignal") or "SIGTERM",
            )
        except (AttributeError, RecursionError) as error:
            raise ValueError(f"the image's configuration is not well-formed: {error}") from error


def _text(config: Mapping[str, Any], name: str) -> str:
    """A text of an image's configuration. Raises ValueError for what is none."""
    found = config.get(name) or ""
    if not isinstance(found, str):
        raise ValueError(f"{name} of the image's configuration is no text")  # noqa: TRY004 - it is what was read that is wrong
    return found


def _texts(config: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts of an image's configuration. Raises ValueError for what is none."""
    found = config.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{name} of the image's configuration is no list of texts")
    return tuple(found)


def sweep(image_dir: Path) -> int:
    """Delete what was half done when the world ended; how many there were.

    Only for whoever knows that nobody works in the store at this moment.
    """
    left = [
        *image_dir.glob("incoming/*"),
        *image_dir.glob("layers/.*"),
        *image_dir.glob(".import-*"),
        *image_dir.glob(".build-*"),
    ]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)


def links(body: bytes, digest: str) -> Manifest:
    """The links of an image manifest (OCI or Docker schema 2). Raises ValueError for others."""
    document = _document(body)
    if "config" not in document or "layers" not in document:
        raise ValueError("this is no image manifest")
    return Manifest(
        digest=digest,
        config=_digest(document["config"]),
        layers=tuple(map(_digest, document["layers"])),
    )


def _document(body: bytes) -> dict[str, Any]:
    """A manifest as JSON. Raises ValueError for what is none."""
    try:
        document = json.loads(body)
    except RecursionError as error:
        raise ValueError("this is no manifest") from error
    if not isinstance(document, dict):
        raise ValueError("this is no manifest")  # noqa: TRY004 - it is what was read that is wrong
    return document


def _digest(descriptor: Mapping[str, Any]) -> str:
    """What a descriptor leads to. Raises ValueError, KeyError or TypeError for what is none."""
    found = descriptor["digest"]
    if not isinstance(found, str) or not _DIGEST.fullmatch(found):
        raise ValueError(f"{found!r} is no sha256 digest")
    return found


def platform_digest(body: bytes, architecture: str = "amd64") -> str | None:
    """An index's or manifest list's member for Linux; None when ``body`` is neither.

    Raises ValueError when the index has no such member.
    """
    document = _document(body)
    if "manifests" not in document:
        return None
    try:
        for member in document["manifests"]:
            platform = member.get("platform") or {}
            if platform.get("os") == "linux" and platform.get("architecture") == architecture:
                return _digest(member)
    except AttributeError as error:
        raise ValueError("this is no image index") from error
    raise ValueError(
        f"image Manifest does not contain descriptor matching platform 'linux/{architecture}'"
    )
