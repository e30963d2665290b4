"""Log events: put, read a stream page by page, search a group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.logs import patterns, rows
from hiyoko.services.logs.errors import InvalidParameter
from hiyoko.services.logs.groups import group_of, now_ms
from hiyoko.services.logs.model import DAY_MS, LogEvent, LogGroup, LogStream, NewEvents
from hiyoko.services.logs.streams import upload_token

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
BATCH_BYTES_MAX = 1_048_576
EVENT_OVERHEAD_BYTES = 26
OLDEST_MS = 14 * DAY_MS
NEWEST_MS = 2 * 3600 * 1000
OUR_BATCH = "awslogs/"
"""How the names of the log driver's batches begin (``plane/log_driver/cloudwatch.py``)."""

PAGE_EVENTS = 10_000
PAGE_BYTES = 1_048_576
FOREVER = 2**62
_TOKEN = re.compile(r"([fb])/(\d{32})(\d{24})/s")


@operation("PutLogEvents", shares_sync=True)
def put_log_events(call: Call, request: Request) -> Response:
    """Add a batch; events that are too old or too new are left out and named.

    A ``sequenceToken`` is taken and not looked at, as AWS does since 2023; but for our own log
    driver's, who sends a batch again when it has heard no answer.
    """
    if request.get("entity"):
        raise unsupported("entity")
    group = group_of(call, request)
    stream = rows.get_stream(call.tx, group, request["logStreamName"])
    batch, token = request["logEvents"], request.get("sequenceToken") or ""
    if token.startswith(OUR_BATCH) and token == stream.last_batch:
        return {"nextSequenceToken": upload_token(stream)}
    _check_batch(batch)
    now = now_ms(call)
    expired = sum(1 for one in batch if one["timestamp"] < group.oldest_ms(now))
    too_old = sum(1 for one in batch if one["timestamp"] < now - OLDEST_MS)
    first = max(expired, too_old)
    last = sum(1 for one in batch if one["timestamp"] <= now + NEWEST_MS)
    with call.tx.unobserved():
        stream = _add(call, group, stream, batch[first:last], now, token)
        rows.delete_expired(call.tx, stream.stream_id, group.oldest_ms(now))
    rejected: dict[str, int] = {}
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    if last < len(batch):
        rejected["tooNewLogEventStartIndex"] = last
    answer: Response = {"nextSequenceToken": upload_token(stream)}
    if rejected:
        answer["rejectedLogEventsInfo"] = rejected
    return answer


def _add(
    call: Call,
    group: LogGroup,
    stream: LogStream,
    taken: Sequence[Request],
    now: int,
    token: str,
) -> LogStream:
    """Write the events behind the stream's others; the stream as it is then."""
    if not taken:
        return stream
    number = stream.next_sequence
    events = tuple(
        LogEvent(stream.stream_id, one["timestamp"], number + i, now, one["message"])
        for i, one in enumerate(taken)
    )
    rows.insert_events(call.tx, events)
    call.tx.say(NewEvents(group, stream, events))
    stream = replace(
        stream,
        next_sequence=number + len(taken),
        last_ingested_ms=now,
        last_batch=token if token.startswith(OUR_BATCH) else stream.last_batch,
    )
    rows.STREAMS.put(call.tx, stream)
    return stream


def _check_batch(batch: Sequence[Request]) -> None:
    size = sum(len(one["message"].encode()) + EVENT_OVERHEAD_BYTES for one in batch)
    if size > BATCH_BYTES_MAX:
        raise InvalidParameter(f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES_MAX}")
    times = [one["timestamp"] for one in batch]
    if times != sorted(times):
        raise InvalidParameter(
            "Log events in a single PutLogEvents request must be in chronological order."
        )
    if times and times[-1] - times[0] > DAY_MS:
        raise InvalidParameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24"
            " hours."
        )


def _token(direction: str, place: tuple[int, int]) -> str:
    return f"{direction}/{max(0, place[0]):032d}{place[1]:024d}/s"


@operation("GetLogEvents")
def get_log_events(call: Call, request: Request) -> Response:
    """A page of a stream: its end unless ``startFromHead``, or where a token points.

    The last page gives back the token that it was asked with.
    """
    if request.get("unmask"):
        raise unsupported("unmask")
    group = group_of(call, request)
    stream = rows.get_stream(call.tx, group, request["logStreamName"])
    start = max(request.get("startTime") or 0, group.oldest_ms(now_ms(call)))
    end = request["endTime"] if request.get("endTime") is not None else FOREVER
    limit = min(request.get("limit") or PAGE_EVENTS, PAGE_EVENTS)
    forward, place = _position(request)
    listing = rows.list_after if forward else rows.list_before
    events = listing(call.tx, stream.stream_id, place, start, end, limit)
    events = _fitting(events if forward else events[::-1])
    if not forward:
        events.reverse()
    if events:
        earliest = events[0].timestamp, events[0].sequence
        latest = events[-1].timestamp, events[-1].sequence
    else:
        place = place if request.get("nextToken") else (start, 0)
        earliest = latest = place
    return {
        "events": [_view(event) for event in events],
        "nextForwardToken": _token("f", latest),
        "nextBackwardToken": _token("b", earliest),
    }


def _position(request: Request) -> tuple[bool, tuple[int, int]]:
    """Whether to read forward, and from behind (or ahead of) which place."""
    token = request.get("nextToken")
    if token:
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise InvalidParameter("The specified nextToken is invalid.")
        return match[1] == "f", (int(match[2]), int(match[3]))
    if request.get("startFromHead"):
        return True, (-1, 0)
    return False, (FOREVER, 0)


def _fitting(events: list[LogEvent]) -> list[LogEvent]:
    """As many of the events as one answer may hold."""
    size, count = 0, 0
    for event in events:
        size += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        if size > PAGE_BYTES and count:
            break
        count += 1
    return events[:count]


def _view(event: LogEvent) -> dict[str, Any]:
    return {
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
    }


@operation("FilterLogEvents")
def filter_log_events(call: Call, request: Request) -> Response:
    """A group's events by time, in some or all of its streams, that match a pattern.

    ``interleaved`` changes nothing, as at AWS: events of several streams always are.
    """
    if request.get("unmask"):
        raise unsupported("unmask")
    group = group_of(call, request)
    pattern = patterns.parse(request.get("filterPattern") or "")
    streams = {one.stream_id: one.name for one in _streams(call, group, request)}
    start = max(request.get("startTime") or 0, group.oldest_ms(now_ms(call)))
    end = FOREVER if request.get("endTime") is None else request["endTime"] + 1
    limit = min(request.get("limit") or PAGE_EVENTS, PAGE_EVENTS)
    place = _filter_place(request.get("nextToken"))
    found: list[LogEvent] = []
    more = True
    while more and len(found) < limit:
        read = rows.list_across(call.tx, list(streams), place, start, end, PAGE_EVENTS)
        more = len(read) == PAGE_EVENTS
        for event in read:
            place = event.place
            if pattern.matches(event.message):
                found.append(event)
                if len(found) == limit:
                    more = True
                    break
    fitting = _fitting(found)
    if len(fitting) < len(found):
        place, more = fitting[-1].place, True
    answer: Response = {
        "events": [
            {
                "logStreamName": streams[event.stream],
                **_view(event),
                "eventId": f"{event.timestamp:018d}{int(event.stream):018d}{event.sequence:020d}",
            }
            for event in fitting
        ],
        "searchedLogStreams": [],
    }
    if more and fitting:
        answer["nextToken"] = "{}.{}.{}".format(*place)
    return answer


def _streams(call: Call, group: LogGroup, request: Request) -> list[LogStream]:
    chosen, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if chosen and prefix:
        raise InvalidParameter(
            "LogStreamNamePrefix and LogStreamNames are mutually exclusive parameters."
        )
    if chosen:
        return [rows.get_stream(call.tx, group, name) for name in chosen]
    streams = rows.list_streams(call.tx, group)
    return [one for one in streams if one.name.startswith(prefix or "")]


def _filter_place(token: str | None) -> rows.Place:
    if not token:
        return rows.BEGINNING
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", token)
    if match is None:
        raise InvalidParameter("The specified nextToken is invalid.")
    return int(match[1]), match[2], int(match[3])
