"""Lines on their way to S3: appended as they are, then made into AWS's files by a child process.

Everything is bounded: a spool that has become too large is turned over early, as AWS delivers
several files of one period under high traffic; what comes faster than that is dropped and counted.
"""

from __future__ import annotations

import gzip
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.balancer.access_log import access_entry, connection_entry, object_key
from hiyoko.plane.balancer.log_context import LogContext
from hiyoko.plane.balancer.log_line import RequestLine, parse_line

TURN_BYTES = 32 << 20
SPOOL_BYTES_MAX = 64 << 20
READY_FILES_MAX = 200
Contexts = Callable[[str], LogContext | None]


@dataclass(slots=True)
class Spool:
    """One node's lines. ``directory`` is all nodes': ``NODE.raw``, ``ready/``."""

    directory: Path
    node: str
    dropped: int = 0
    _child: int | None = field(default=None)

    @property
    def raw(self) -> Path:
        """Where lines are appended."""
        return self.directory / f"{self.node}.raw"

    def add(self, block: bytes) -> None:
        """Append whole lines, or drop them when there is no more room."""
        try:
            size = self.raw.stat().st_size if self.raw.exists() else 0
            if size + len(block) > SPOOL_BYTES_MAX:
                self.dropped += block.count(b"\n")
                return
            with self.raw.open("ab") as file:
                file.write(block)
        except OSError:  # a full disk: logs are AWS's best effort, requests go on
            self.dropped += block.count(b"\n")

    @property
    def large(self) -> bool:
        """True when it is time to turn over before the period ends."""
        return self.raw.exists() and self.raw.stat().st_size > TURN_BYTES

    def turn(self, end: float, contexts: Contexts) -> None:
        """Let a child make files of what there is; ``end`` is the time in their names."""
        self.reap()
        if self._child is not None or not self.raw.exists():
            return
        turned = self.raw.with_suffix(f".{secrets.token_hex(4)}.turned")
        self.raw.rename(turned)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.nice(20)
                make_files(turned, self.directory, self.node, end, contexts)
                code = 0
            finally:
                if code:  # a full disk, or lines that nobody expected: they are not kept for ever
                    print(f"the lines of {turned} are lost", file=sys.stderr, flush=True)
                    turned.unlink(missing_ok=True)
                os._exit(code)  # nothing of the parent's is to be done twice
        self._child = child

    def reap(self, *, wait: bool = False) -> None:
        """Forget the child when it has ended."""
        if self._child is not None:
            pid, _ = os.waitpid(self._child, 0 if wait else os.WNOHANG)
            if pid:
                self._child = None


def make_files(turned: Path, directory: Path, node: str, end: float, contexts: Contexts) -> None:
    """Write the entries of some lines as ``ready/*.gz``, each with its place in S3 beside it."""
    ready = directory / "ready"
    ready.mkdir(exist_ok=True)
    files: dict[tuple[str, str], _File] = {}
    known = directory / f"{node}.connections"
    before = set(known.read_text().split()) if known.exists() else set()
    seen: set[str] = set()
    for kind, context, entry in _entries(turned, contexts, before, seen):
        place = context.access if kind == "access" else context.connection
        assert place is not None
        key = (kind, f"{context.digest} {place}")
        if key not in files:
            files[key] = _File.begun(ready, context, kind, place[0], end)
        files[key].add(entry)
    for file in files.values():
        file.end()
    known.write_text(" ".join(seen))
    turned.unlink()
    for old in sorted(ready.glob("*.json"), key=lambda one: one.stat().st_mtime)[:-READY_FILES_MAX]:
        old.with_suffix(".gz").unlink(missing_ok=True)
        old.unlink(missing_ok=True)


def _entries(
    turned: Path, contexts: Contexts, before: set[str], seen: set[str]
) -> Iterator[tuple[str, LogContext, str]]:
    with turned.open("rb") as lines:
        for raw in lines:
            line = parse_line(raw.rstrip(b"\n"))
            context = contexts(line.context) if line is not None else None
            if line is None or context is None:
                continue
            if context.access is not None and (entry := access_entry(line, context)) is not None:
                yield "access", context, entry
            if context.connection is None:
                continue
            if isinstance(line, RequestLine):
                # A connection is told once, with its first request; others may follow later.
                new = line.connection not in before and line.connection not in seen
                seen.add(line.connection)
                if not new:
                    continue
            yield "connection", context, connection_entry(line, context)


@dataclass(slots=True)
class _File:
    ready: Path
    name: str
    told: dict[str, str]
    zipped: gzip.GzipFile

    @classmethod
    def begun(cls, ready: Path, context: LogContext, kind: str, bucket: str, end: float) -> _File:
        token = secrets.token_hex(4)
        told = {
            "bucket": bucket,
            "key": object_key(context, kind, end, token),
            "account": context.account,
            "region": context.region,
        }
        name = f"{kind}-{token}"
        return cls(ready, name, told, gzip.GzipFile(ready / f"{name}.new", "wb", mtime=int(end)))

    def add(self, entry: str) -> None:
        self.zipped.write(entry.encode("latin-1", "replace") + b"\n")

    def end(self) -> None:
        """Only a file that is whole gets its note, so only whole files are delivered."""
        self.zipped.close()
        (self.ready / f"{self.name}.new").rename(self.ready / f"{self.name}.gz")
        note = self.ready / f"{self.name}.note"
        note.write_text(json.dumps(self.told))
        note.rename(self.ready / f"{self.name}.json")
