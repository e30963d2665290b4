"""Log streams."""

from __future__ import annotations

import re
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.logs import rows
from hiyoko.services.logs.errors import AlreadyExists, InvalidParameter
from hiyoko.services.logs.groups import group_of, now_ms
from hiyoko.services.logs.model import LogStream

_NAME = re.compile(r"[^:*]{1,512}")


@operation("CreateLogStream")
def create_log_stream(call: Call, request: Request) -> Response:
    """Create a stream in a group."""
    group, name = group_of(call, request), request["logStreamName"]
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f"1 validation error detected: Value '{name}' at 'logStreamName' failed to satisfy"
            " constraint: Member must satisfy regular expression pattern: [^:*]*"
        )
    if rows.find_stream(call.tx, group, name) is not None:
        raise AlreadyExists("The specified log stream already exists")
    stream = LogStream(
        account=group.account,
        region=group.region,
        group_name=group.name,
        name=name,
        stream_id=call.ids.digits(18),
        arn=f"{group.arn}:log-stream:{name}",
        created_ms=now_ms(call),
    )
    rows.STREAMS.insert(call.tx, stream)
    return {}


@operation("DeleteLogStream")
def delete_log_stream(call: Call, request: Request) -> Response:
    """Delete a stream with its events."""
    group = group_of(call, request)
    rows.delete_stream(call.tx, rows.get_stream(call.tx, group, request["logStreamName"]))
    return {}


@operation("DescribeLogStreams")
def describe_log_streams(call: Call, request: Request) -> Response:
    """A group's streams by name or by their last event."""
    group = group_of(call, request)
    prefix = request.get("logStreamNamePrefix") or ""
    by_time = request.get("orderBy") == "LastEventTime"
    if prefix and by_time:
        raise InvalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
    streams = [
        _view(call, stream)
        for stream in rows.list_streams(call.tx, group)
        if stream.name.startswith(prefix)
    ]

    def order(stream: dict[str, Any]) -> tuple[int, str]:
        return (stream.get("lastEventTimestamp", 0) if by_time else 0, stream["logStreamName"])

    streams.sort(key=order, reverse=bool(request.get("descending")))
    start, limit = _offset(request.get("nextToken")), request.get("limit") or 50
    answer: Response = {"logStreams": streams[start : start + limit]}
    if len(streams) > start + limit:
        answer["nextToken"] = str(start + limit)
    return answer


def _offset(token: str | None) -> int:
    if not token:
        return 0
    if not token.isdigit():
        raise InvalidParameter("The specified nextToken is invalid.")
    return int(token)


def _view(call: Call, stream: LogStream) -> dict[str, Any]:
    first, last = rows.bounds(call.tx, stream.stream_id)
    shape: dict[str, Any] = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": first,
        "lastEventTimestamp": last,
        "lastIngestionTime": stream.last_ingested_ms,
        "uploadSequenceToken": upload_token(stream),
        "arn": stream.arn,
        # AWS stopped counting per stream in 2019 and always shows 0.
        "storedBytes": 0,
    }
    return {key: value for key, value in shape.items() if value is not None}


def upload_token(stream: LogStream) -> str:
    """A sequence token: still shown, no longer asked for."""
    return f"{int(stream.stream_id) * 10**12 + stream.next_sequence:056d}"
