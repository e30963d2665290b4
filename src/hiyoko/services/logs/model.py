"""What CloudWatch Logs keeps. Times are epoch milliseconds, as in its API."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A group of streams with one retention; None keeps events for ever."""

    account: str
    region: str
    name: str
    arn: str
    created_ms: int
    retention_days: int | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def oldest_ms(self, now_ms: int) -> int:
        """The time before which events have expired."""
        return 0 if self.retention_days is None else now_ms - self.retention_days * DAY_MS


@dataclass(frozen=True, slots=True)
class LogStream:
    """A sequence of events from one source. ``stream_id`` is a decimal number of its own.

    ``last_batch`` is the name that the log driver gave its last batch.
    """

    account: str
    region: str
    group_name: str
    name: str
    stream_id: str
    arn: str
    created_ms: int
    next_sequence: int = 1
    last_ingested_ms: int | None = None
    last_batch: str = ""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A line. Within a stream ordered by time stamp, then by arrival."""

    stream: str
    timestamp: int
    sequence: int
    ingested_ms: int
    message: str

    @property
    def place(self) -> tuple[int, str, int]:
        """Where it stands among the events of a group."""
        return self.timestamp, self.stream, self.sequence


@dataclass(frozen=True, slots=True)
class NewEvents:
    """What a stream has just been given, for those who watch it live."""

    group: LogGroup
    stream: LogStream
    events: tuple[LogEvent, ...]
