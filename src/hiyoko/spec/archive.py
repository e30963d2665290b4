"""botocore's service model, cut once into small pieces and read one by one.

EC2's model is 11 MB of JSON: parsing it on every start would cost time and leave a heap that never
shrinks. So it is walked once, one shape at a time, without documentation, into a file of
marshalled pieces in buckets by their names' hash; afterwards an operation costs a handful of small
reads, and the thousands of shapes that nobody asks for cost nothing, not even their names.
"""

from __future__ import annotations

import gzip
import json
import marshal
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore

# Raise it when the pieces change form: old caches are then not found, and made anew.
_FORM = 2
_MAGIC = b"HIYOKO1\n"
_DATA = Path(botocore.__file__).parent / "data"
_BLANK = " \t\r\n"
_BUCKET_PIECES = 8
"""How many pieces lie together, on average: so many are looked through for one."""


def known(service: str) -> bool:
    """True when botocore has a model of this service."""
    return service.isascii() and "/" not in service and (_DATA / service).is_dir()


class _File:
    """A file's bytes, read when they are asked for: a mapping would count each page as ours."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._descriptor).st_size

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        begin, end, _ = part.indices(self._size)
        return os.pread(self._descriptor, end - begin, begin)


@dataclass(slots=True)
class Archive:
    """One service's pieces. ``places`` says where each bucket begins, as packed numbers."""

    content: _File | bytes
    start: int
    metadata: dict[str, Any]
    namespace: str
    operations: str
    """The names of all operations, one a line."""
    routes: list[tuple[str, str, str]]
    places: bytes

    @classmethod
    def open(cls, service: str, cache_dir: Path | None) -> Archive:
        """The archive of a service, made first when the cache has none for this botocore."""
        if cache_dir is None:
            return cls._read(build(service))
        python = f"{sys.version_info.major}{sys.version_info.minor}"
        path = cache_dir / f"{service}-{botocore.__version__}-{python}-{_FORM}.spec"
        for attempt in (1, 2):
            if attempt == 2 or not path.exists():
                try:
                    _cut(service, path)
                except (subprocess.CalledProcessError, OSError):
                    # A full disk, or no process to be had. The cache saves memory; it works
                    # without it too.
                    return cls._read(build(service))
            try:
                return cls._read(_File(path))
            except (ValueError, EOFError, TypeError, KeyError, struct.error):
                # A cut-off or foreign file: it is only a cache, so it is written again.
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def _read(cls, content: _File | bytes) -> Archive:
        if content[: len(_MAGIC)] != _MAGIC:
            raise ValueError("not an archive")
        start = len(_MAGIC) + 4
        (size,) = struct.unpack("<I", content[len(_MAGIC) : start])
        index = marshal.loads(content[start : start + size])
        archive = cls(content=content, start=start + size, **index)
        if archive.start + struct.unpack("<I", archive.places[-4:])[0] != len(content):
            raise ValueError("not the whole archive")
        return archive

    def operation(self, name: str) -> dict[str, Any]:
        """The model of one operation. Raises KeyError."""
        return self._piece(f"operations {name}")

    def shape(self, name: str) -> dict[str, Any]:
        """The model of one shape. Raises KeyError."""
        return self._piece(f"shapes {name}")

    def _piece(self, key: str) -> dict[str, Any]:
        at = 4 * _bucket(key, len(self.places) // 4 - 1)
        begin, end = struct.unpack_from("<2I", self.places, at)
        bucket = marshal.loads(self.content[self.start + begin : self.start + end])
        piece: dict[str, Any] = marshal.loads(bucket[key])
        return piece


def _bucket(key: str, count: int) -> int:
    return zlib.crc32(key.encode()) % count


def _cut(service: str, path: Path) -> None:
    """Write a service's archive from a process of its own.

    Cutting EC2's model takes tens of megabytes, and a heap that has once grown does not shrink.
    """
    subprocess.run([sys.executable, "-m", __spec__.name, service, str(path)], check=True)


def build(service: str) -> bytes:
    """Cut a service's model into an archive. Raises KeyError when botocore has no such model."""
    if not known(service):
        raise KeyError(service)
    metadata: dict[str, Any] = {}
    routes: list[tuple[str, str, str]] = []
    namespace = ""
    operations: list[str] = []
    pieces: dict[str, bytes] = {}
    for section, name, value in _walk(_model_text(service)):
        if section == "metadata":
            metadata[name] = value
            continue
        pieces[f"{section} {name}"] = marshal.dumps(_without_documentation(value))
        if section == "operations":
            http = value.get("http", {})
            operations.append(name)
            routes.append((http.get("method", "POST"), http.get("requestUri", "/"), name))
            namespace = namespace or value.get("input", {}).get("xmlNamespace", {}).get("uri", "")
    protocol = metadata.get("protocol", "")
    places, buckets = _in_buckets(pieces)
    index = marshal.dumps(
        {
            "metadata": metadata,
            "namespace": metadata.get("xmlNamespace") or namespace,
            "operations": "\n".join(operations),
            "routes": routes if protocol.startswith("rest") else [],
            "places": places,
        }
    )
    return _MAGIC + struct.pack("<I", len(index)) + index + buckets


def _in_buckets(pieces: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    """Where each bucket begins (and the last one ends), and the buckets one after the other."""
    buckets: list[dict[str, bytes]] = [{} for _ in range(len(pieces) // _BUCKET_PIECES + 1)]
    for key, piece in pieces.items():
        buckets[_bucket(key, len(buckets))][key] = piece
    places = bytearray(struct.pack("<I", 0))
    content = bytearray()
    for bucket in buckets:
        content += marshal.dumps(bucket)
        places += struct.pack("<I", len(content))
    return bytes(places), bytes(content)


def _model_text(service: str) -> str:
    version = max(entry.name for entry in (_DATA / service).iterdir() if entry.is_dir())
    path = _DATA / service / version / "service-2.json"
    if path.exists():
        return path.read_text(encoding="utf-8")
    return gzip.decompress(path.with_name("service-2.json.gz").read_bytes()).decode("utf-8")


def _walk(text: str) -> Iterator[tuple[str, str, Any]]:
    """(section, name, value) for each entry, never holding more than one decoded value."""
    decode = json.JSONDecoder().raw_decode
    for section, at in _entries(text, 0):
        if section in ("metadata", "operations", "shapes"):
            for name, inner in _entries(text, at):
                yield section, name, decode(text, inner)[0]


def _entries(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The keys of the JSON object at ``at`` with the place of each value."""
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, at + 1 if text[at] == "{" else at)
    while text[at] != "}":
        key, at = decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        yield key, at
        _, at = decode(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANK:
        at += 1
    return at


def _without_documentation(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    slim = {key: item for key, item in value.items() if key != "documentation"}
    if isinstance(members := slim.get("members"), dict):
        slim["members"] = {
            name: {key: item for key, item in member.items() if key != "documentation"}
            for name, member in members.items()
        }
    for role in ("input", "output", "member", "key", "value"):
        if isinstance(part := slim.get(role), dict):
            slim[role] = {key: item for key, item in part.items() if key != "documentation"}
    return slim


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    try:
        _write_atomically(Path(sys.argv[2]), build(sys.argv[1]))
    except OSError as error:
        sys.exit(f"{sys.argv[2]} is not kept: {error.strerror}")
