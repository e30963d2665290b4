"""Lines become events, and events the requests that CloudWatch Logs takes. Pure.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hiyoko.plane.log_driver.lines import LogLine

BATCH_BYTES_MAX = 1_048_576
EVENT_OVERHEAD_BYTES = 26
EVENT_BYTES_MAX = 262_144 - EVENT_OVERHEAD_BYTES
EVENTS_MAX = 10_000
SPAN_MS_MAX = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request carries: (time stamp, message). ``end``: where its last line ends."""

    events: tuple[tuple[int, str], ...]
    end: int


def joined(lines: Iterable[LogLine], start: re.Pattern[str] | None) -> list[LogLine]:
    """Lines as events: each line that ``start`` is found in begins one; without it, every line."""
    events: list[LogLine] = []
    for line in lines:
        if start is not None and events and not start.search(line.message):
            before = events[-1]
            text = f"{before.message}\n{line.message}"
            events[-1] = LogLine(before.timestamp_ms, text, line.end)
        else:
            events.append(line)
    return events


def next_batch(events: Sequence[LogLine]) -> Batch | None:
    """As many of the first events as one request may carry; None when there are none."""
    taken: list[tuple[int, str]] = []
    size, end = 0, None
    earliest = latest = events[0].timestamp_ms if events else 0
    for event in events:
        # The service takes no empty messages; the driver leaves them out too.
        pieces = list(_pieces(event.message))
        weight = sum(len(piece.encode()) + EVENT_OVERHEAD_BYTES for piece in pieces)
        earliest, latest = min(earliest, event.timestamp_ms), max(latest, event.timestamp_ms)
        full = size + weight > BATCH_BYTES_MAX or len(taken) + len(pieces) > EVENTS_MAX
        if end is not None and (full or latest - earliest > SPAN_MS_MAX):
            break
        taken += [(event.timestamp_ms, piece) for piece in pieces]
        size, end = size + weight, event.end
    if end is None:
        return None
    # In order of time, and among equals in order of arrival.
    return Batch(tuple(sorted(taken, key=lambda one: one[0])), end)


def _pieces(message: str) -> Iterator[str]:
    """A message that is too long for one event becomes several."""
    data = message.encode()
    at = 0
    while at < len(data):
        stop = min(at + EVENT_BYTES_MAX, len(data))
        while stop < len(data) and data[stop] & 0xC0 == 0x80:  # inside a character
            stop -= 1
        yield data[at:stop].decode()
        at = stop
