"""Lines of a container's log file.

conmon writes the Kubernetes log format: time, stream, ``F`` for a full line or ``P`` for a part of
one (https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

_STREAMS = {b"stdout": "stdout", b"stderr": "stderr"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the container printed, and to which stream.

    Once it is taken, and what came before it, one may go on at ``end``: behind the line, or where
    the last one before it ended as long as it is inside of another stream's unfinished line.
    ``piece``: its number from 1, and whether it is the last, where it is a piece of a long line.
    """

    timestamp_ns: int
    message: str
    end: int
    stream: str = "stdout"
    piece: tuple[int, bool] | None = None

    @property
    def timestamp_ms(self) -> int:
        """As CloudWatch Logs counts."""
        return self.timestamp_ns // 1_000_000


@dataclass(slots=True)
class _Unfinished:
    """Parts of a line whose end has not been read; ``index``: of the next line when it began."""

    timestamp_ns: int
    index: int
    parts: list[tuple[int, bytes]] = field(default_factory=list)

    def text(self, until: int) -> str:
        """The parts that end before this place."""
        found = b"".join(part for end, part in self.parts if end <= until)
        return found.decode(errors="replace")


def parse_lines(data: bytes, *, whole: bool = False) -> list[LogLine]:
    """The lines in ``data``, their parts joined; an unfinished one only when that is the ``whole``.

    So nothing behind the last line's ``end`` has been taken. A line of the other stream ends what
    is unfinished before it, unless its end is in ``data``, too. What is no line is passed over: on
    a full disk conmon writes a part of one, and the next one right behind it.
    """
    lines: list[LogLine] = []
    unfinished: dict[str, _Unfinished] = {}
    at = safe = last = 0
    while (end := data.find(b"\n", at)) >= 0:
        fields = data[at:end].split(b" ", 3)
        at = end + 1
        moment = _nanoseconds(fields[0]) if len(fields) == 4 else None
        if moment is None:
            unfinished.clear()
            continue
        stream = _STREAMS.get(fields[1]) or fields[1].decode(errors="replace")
        if fields[2] != b"P" and not unfinished:  # as nearly all of them are
            last = safe = at
            text = fields[3].decode(errors="replace")
            lines.append(LogLine(moment, text, at, stream))
            continue
        line = unfinished.setdefault(stream, _Unfinished(moment, len(lines)))
        line.parts.append((at, fields[3]))
        if fields[2] != b"P":
            del unfinished[stream]
            last = at
            safe = safe if unfinished else at
            lines.append(LogLine(line.timestamp_ns, line.text(at), safe, stream))
    if whole:
        last = at
    return _with_unfinished(lines, unfinished, safe, last)


def _with_unfinished(
    lines: list[LogLine], unfinished: dict[str, _Unfinished], safe: int, last: int
) -> list[LogLine]:
    """Give the parts that end before ``last`` as lines of their own, where these began."""
    for stream, line in reversed(unfinished.items()):
        if line.parts[0][0] <= last:
            text = line.text(last)
            lines.insert(line.index, LogLine(line.timestamp_ns, text, safe, stream))
    if lines and lines[-1].end != last:
        final = lines[-1]
        lines[-1] = LogLine(final.timestamp_ns, final.message, last, final.stream)
    return lines


def _nanoseconds(stamp: bytes) -> int | None:
    """RFC 3339 with nanoseconds, which Python's own times do not have. None when it is no time."""
    head, _, tail = stamp.partition(b".")
    try:
        return _seconds(head, tail[9:]) * 1_000_000_000 + int(tail[:9].ljust(9, b"0"))
    except ValueError:
        return None


@lru_cache(maxsize=8)
def _seconds(head: bytes, zone: bytes) -> int:
    """Seconds of the epoch; those that follow each other are mostly the same ones."""
    text = (head + (zone or b"+00:00")).decode(errors="replace")
    return int(datetime.fromisoformat(text).timestamp())
