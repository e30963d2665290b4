"""A container's log file, read from where it was read last.

conmon writes the Kubernetes log format: time, stream, ``F`` for a full line or ``P`` for a part of
one (https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

BATCH_BYTES = 512 * 1024
"""PutLogEvents takes at most 1 MiB and 10,000 events; each event counts 26 bytes more."""
EVENTS_MAX = 5000
FILE_BYTES_MAX = 64 << 20
"""conmon begins the file anew here: a container that prints faster than we deliver loses lines, as
on AWS with awslogs' default mode, non-blocking."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the container printed."""

    timestamp_ms: int
    message: str


def parse_lines(data: bytes) -> tuple[list[LogLine], int]:
    """The whole lines in ``data`` and how many bytes they took; parts are joined.

    What is no line is passed over: on a full disk conmon writes a part of one, and the next one
    right behind it.
    """
    lines: list[LogLine] = []
    used, at, parts = 0, 0, b""
    while len(lines) < EVENTS_MAX:
        end = data.find(b"\n", at)
        if end < 0:
            break
        entry, at = data[at:end], end + 1
        fields = entry.split(b" ", 3)
        moment = _milliseconds(fields[0]) if len(fields) == 4 else None
        if moment is None:
            used, parts = at, b""
            continue
        parts += fields[3]
        if fields[2] == b"P":
            continue
        lines.append(LogLine(moment, parts.decode(errors="replace")))
        used, parts = at, b""
    return lines, used


def _milliseconds(stamp: bytes) -> int | None:
    """RFC 3339 with nanoseconds, of which Python keeps six digits. None when it is no time."""
    head, _, tail = stamp.decode(errors="replace").partition(".")
    zone = tail[9:] or "+00:00"
    try:
        moment = datetime.fromisoformat(f"{head}.{tail[:6] or '000000'}{zone}")
    except ValueError:
        return None
    return int(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A container's log and, beside it, how far it was read."""

    path: Path

    @property
    def _mark(self) -> Path:
        return self.path.with_name("log.read")

    @property
    def offset(self) -> int:
        """How many bytes have been delivered."""
        try:
            return int(self._mark.read_text())
        except (OSError, ValueError):
            return 0

    def unread(self) -> tuple[list[LogLine], int]:
        """The next whole lines, and the offset after them."""
        offset = self.offset
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < offset:
                    offset = 0
                file.seek(offset)
                data = file.read(BATCH_BYTES)
        except FileNotFoundError:
            return [], offset
        lines, used = parse_lines(data)
        return lines, offset + used

    def delivered(self, offset: int) -> None:
        """Note that everything before ``offset`` was delivered.

        In place and always as long: a disk that has filled up since takes that too, so that lines
        are not delivered again and again.
        """
        mark = os.open(self._mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(mark, b"%020d" % offset, 0)
        finally:
            os.close(mark)
