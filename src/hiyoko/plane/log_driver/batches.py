"""Lines become events, and events the batches that their destination takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hiyoko.plane.log_driver.lines import LogLine


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch may carry. A message of more than ``message_bytes_max`` becomes pieces.

    ``overhead_bytes`` are reckoned for each event; None for ``span_ms_max`` is any.
    """

    bytes_max: int
    events_max: int
    message_bytes_max: int
    overhead_bytes: int
    span_ms_max: int | None = None
    empty: bool = True
    """Whether it takes empty messages."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent at once. ``end``: where its last line ends."""

    events: tuple[LogLine, ...]
    end: int


def joined(lines: Iterable[LogLine], start: re.Pattern[str] | None) -> list[LogLine]:
    """Lines as events: each line that ``start`` is found in begins one; without it, every line."""
    events: list[LogLine] = []
    for line in lines:
        if start is not None and events and not start.search(line.message):
            before = events[-1]
            events[-1] = replace(before, message=f"{before.message}\n{line.message}", end=line.end)
        else:
            events.append(line)
    return events


def next_batch(events: Sequence[LogLine], limits: Limits) -> Batch | None:
    """As many of the first events as one batch may carry; None when there are none.

    It ends where one may go on: it never parts what has to be taken together.
    """
    taken: list[LogLine] = []
    size = end = whole = 0
    earliest = latest = events[0].timestamp_ms if events else 0
    for event in events:
        found = _pieces(event, limits)
        weight = sum(len(one.message.encode()) + limits.overhead_bytes for one in found)
        earliest, latest = min(earliest, event.timestamp_ms), max(latest, event.timestamp_ms)
        full = size + weight > limits.bytes_max or len(taken) + len(found) > limits.events_max
        apart = limits.span_ms_max is not None and latest - earliest > limits.span_ms_max
        if end and (full or apart):
            break
        taken += found
        size += weight
        if event.end > end:
            end, whole = event.end, len(taken)
    return Batch(tuple(taken[:whole]), end) if end else None


def _pieces(event: LogLine, limits: Limits) -> list[LogLine]:
    """The event, or its pieces, of which none ends inside of a character."""
    data = event.message.encode()
    if not data:
        return [event] if limits.empty else []
    if len(data) <= limits.message_bytes_max:
        return [event]
    found: list[LogLine] = []
    at = 0
    while at < len(data):
        stop = min(at + limits.message_bytes_max, len(data))
        while stop < len(data) and data[stop] & 0xC0 == 0x80:  # inside a character
            stop -= 1
        piece = len(found) + 1, stop == len(data)
        found.append(replace(event, message=data[at:stop].decode(), piece=piece))
        at = stop
    return found
