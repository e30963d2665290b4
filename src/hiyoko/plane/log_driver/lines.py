"""Lines of a container's log file.

conmon writes the Kubernetes log format: time, stream, ``F`` for a full line or ``P`` for a part of
one (https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the container printed. ``end`` is where it ends in what was read."""

    timestamp_ms: int
    message: str
    end: int


def parse_lines(data: bytes, *, whole: bool = False) -> list[LogLine]:
    """The lines in ``data``, their parts joined; an unfinished one only when that is the ``whole``.

    So nothing behind the last line's ``end`` has been taken. What is no line is passed over: on a
    full disk conmon writes a part of one, and the next one right behind it.
    """
    lines: list[LogLine] = []
    at, parts, stamp = 0, b"", 0
    while (end := data.find(b"\n", at)) >= 0:
        fields = data[at:end].split(b" ", 3)
        at = end + 1
        moment = _milliseconds(fields[0]) if len(fields) == 4 else None
        if moment is None:
            parts = b""
            continue
        stamp = stamp if parts else moment
        parts += fields[3]
        if fields[2] != b"P":
            lines.append(LogLine(stamp, parts.decode(errors="replace"), at))
            parts = b""
    if whole and parts:
        lines.append(LogLine(stamp, parts.decode(errors="replace"), at))
    return lines


def _milliseconds(stamp: bytes) -> int | None:
    """RFC 3339 with nanoseconds, of which Python keeps six digits. None when it is no time."""
    head, _, tail = stamp.decode(errors="replace").partition(".")
    zone = tail[9:] or "+00:00"
    try:
        moment = datetime.fromisoformat(f"{head}.{tail[:6] or '000000'}{zone}")
    except ValueError:
        return None
    return int(moment.timestamp() * 1000)
