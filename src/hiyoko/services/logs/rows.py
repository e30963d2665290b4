"""Log groups, streams and events in the store.

Events are many: they are written in one statement a batch and read by ranges of the key
(stream, time stamp, sequence), so the row's text is made and read here and not by ``Table``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from hiyoko.services.logs.errors import group_not_found, stream_not_found
from hiyoko.services.logs.model import LogEvent, LogGroup, LogStream
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

GROUPS = Table("logs_group", LogGroup, key=("account", "region", "name"))
STREAMS = Table(
    "logs_stream", LogStream, key=("account", "region", "group_name", "name"), index=("stream_id",)
)
EVENTS = Table("logs_event", LogEvent, key=("stream", "timestamp", "sequence"))

Place = tuple[int, str, int]
"""Time stamp, stream id, sequence: an event's place in its group."""

BEGINNING: Place = (-1, "", 0)
"""Before every event."""


def find_group(tx: Transaction, account: str, region: str, name: str) -> LogGroup | None:
    """The group of this name."""
    return GROUPS.find(tx, account=account, region=region, name=name)


def get_group(tx: Transaction, account: str, region: str, name: str) -> LogGroup:
    """The group of this name; raises ResourceNotFound."""
    group = find_group(tx, account, region, name)
    if group is None:
        raise group_not_found()
    return group


def list_groups(tx: Transaction, account: str, region: str) -> list[LogGroup]:
    """All groups by name."""
    return GROUPS.list(tx, account=account, region=region)


def find_stream(tx: Transaction, group: LogGroup, name: str) -> LogStream | None:
    """The group's stream of this name."""
    return STREAMS.find(
        tx, account=group.account, region=group.region, group_name=group.name, name=name
    )


def get_stream(tx: Transaction, group: LogGroup, name: str) -> LogStream:
    """The group's stream of this name; raises ResourceNotFound."""
    stream = find_stream(tx, group, name)
    if stream is None:
        raise stream_not_found()
    return stream


def list_streams(tx: Transaction, group: LogGroup) -> list[LogStream]:
    """The group's streams by name."""
    return STREAMS.list(tx, account=group.account, region=group.region, group_name=group.name)


def delete_stream(tx: Transaction, stream: LogStream) -> None:
    """Delete a stream with its events."""
    EVENTS.delete(tx, stream=stream.stream_id)
    STREAMS.delete(tx, stream_id=stream.stream_id)


def insert_events(tx: Transaction, events: Iterable[LogEvent]) -> None:
    """Add a batch in one go."""
    tx.connection.executemany(
        "INSERT INTO logs_event (stream, timestamp, sequence, body) VALUES (?, ?, ?, ?)",
        (
            (
                event.stream,
                event.timestamp,
                event.sequence,
                json.dumps([event.ingested_ms, event.message]),
            )
            for event in events
        ),
    )


def _event(row: tuple[str, int, int, str]) -> LogEvent:
    ingested, message = json.loads(row[3])
    return LogEvent(row[0], row[1], row[2], ingested, message)


_SELECT = "SELECT stream, timestamp, sequence, body FROM logs_event"


def list_after(
    tx: Transaction, stream: str, place: tuple[int, int], start: int, end: int, limit: int
) -> list[LogEvent]:
    """A stream's events behind a place with start <= time stamp < end, the earliest first."""
    cursor = tx.execute(
        f"{_SELECT} WHERE stream = ? AND timestamp >= ? AND timestamp < ?"
        " AND (timestamp, sequence) > (?, ?) ORDER BY timestamp, sequence LIMIT ?",
        (stream, start, end, *place, limit),
    )
    return [_event(row) for row in cursor.fetchall()]


def list_before(
    tx: Transaction, stream: str, place: tuple[int, int], start: int, end: int, limit: int
) -> list[LogEvent]:
    """The last of a stream's events ahead of a place, in order."""
    cursor = tx.execute(
        f"{_SELECT} WHERE stream = ? AND timestamp >= ? AND timestamp < ?"
        " AND (timestamp, sequence) < (?, ?) ORDER BY timestamp DESC, sequence DESC LIMIT ?",
        (stream, start, end, *place, limit),
    )
    return [_event(row) for row in cursor.fetchall()][::-1]


def list_across(
    tx: Transaction, streams: Sequence[str], place: Place, start: int, end: int, limit: int
) -> list[LogEvent]:
    """Events of several streams behind a place with start <= time stamp < end, by time."""
    events: list[LogEvent] = []
    for stream in streams:
        cursor = tx.execute(
            f"{_SELECT} WHERE stream = ? AND timestamp >= ? AND timestamp < ?"
            " AND (timestamp, stream, sequence) > (?, ?, ?)"
            " ORDER BY timestamp, sequence LIMIT ?",
            (stream, start, end, *place, limit),
        )
        events.extend(_event(row) for row in cursor.fetchall())
    return sorted(events, key=lambda event: event.place)[:limit]


def bounds(tx: Transaction, stream: str) -> tuple[int | None, int | None]:
    """The first and the last time stamp of a stream."""
    # One by one: SQLite finds either end of an index at once, but reads all of it for both.
    first, last = (
        tx.execute(f"SELECT {end}(timestamp) FROM logs_event WHERE stream = ?", (stream,))
        for end in ("min", "max")
    )
    return first.fetchone()[0], last.fetchone()[0]


def stored_bytes(tx: Transaction, streams: Iterable[LogStream]) -> int:
    """About how much text the streams hold."""
    total = 0
    for stream in streams:
        row = tx.execute(
            "SELECT coalesce(sum(length(body)), 0) FROM logs_event WHERE stream = ?",
            (stream.stream_id,),
        ).fetchone()
        total += int(row[0])
    return total


def delete_expired(tx: Transaction, stream: str, oldest_ms: int) -> int:
    """Delete a stream's events from before this time; how many there were."""
    return tx.execute(
        "DELETE FROM logs_event WHERE stream = ? AND timestamp < ?", (stream, oldest_ms)
    ).rowcount
