"""StartLiveTail: what a session wants to see. The gateway streams it (``gateway/live_tail.py``).

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.logs import rows
from hiyoko.services.logs.errors import InvalidParameter
from hiyoko.services.logs.model import NewEvents
from hiyoko.services.logs.patterns import Pattern, parse

UPDATE_EVENTS_MAX = 500


@dataclass(frozen=True, slots=True)
class Session:
    """Groups by their ARN; streams by name or by prefix, all when neither is given."""

    groups: frozenset[str]
    names: tuple[str, ...]
    prefixes: tuple[str, ...]
    pattern: Pattern

    def results(self, news: NewEvents) -> list[dict[str, Any]]:
        """The events of those just written that the session shows."""
        stream = news.stream.name
        if news.group.arn not in self.groups:
            return []
        if (self.names or self.prefixes) and not (
            stream in self.names or stream.startswith(self.prefixes)
        ):
            return []
        # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LiveTailSessionLogEvent.html
        identifier = f"{news.group.account}:{news.group.name}"
        return [
            {
                "logStreamName": stream,
                "logGroupIdentifier": identifier,
                "message": event.message,
                "timestamp": event.timestamp,
                "ingestionTime": event.ingested_ms,
            }
            for event in news.events
            if self.pattern.matches(event.message)
        ]


@operation("StartLiveTail")
def start_live_tail(call: Call, request: Request) -> Response:
    """Check what is asked for; the stream itself is the gateway's."""
    arns = request["logGroupIdentifiers"]
    names, prefixes = request.get("logStreamNames"), request.get("logStreamNamePrefixes")
    if names and prefixes:
        raise InvalidParameter(
            "LogStreamNamePrefixes and LogStreamNames are mutually exclusive parameters."
        )
    if (names or prefixes) and len(arns) > 1:
        raise InvalidParameter(
            "LogStreamNames and LogStreamNamePrefixes can be specified for one log group only."
        )
    for arn in arns:
        name = arn.partition(":log-group:")[2]
        if not name or arn.endswith(":*"):
            raise InvalidParameter(f"{arn} is not the ARN of a log group.")
        group = rows.get_group(call.tx, call.account, call.region, name)
        for stream in names or ():
            rows.get_stream(call.tx, group, stream)
    session_of(request)
    return {}


def session_of(request: Request) -> Session:
    """What a request asks to see."""
    return Session(
        frozenset(request["logGroupIdentifiers"]),
        tuple(request.get("logStreamNames") or ()),
        tuple(request.get("logStreamNamePrefixes") or ()),
        parse(request.get("logEventFilterPattern") or ""),
    )
