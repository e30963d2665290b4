"""Lines that a service writes into a log group of its user's, as any client writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hiyoko import api
from hiyoko.clock import Clock
from hiyoko.store.database import Store

BATCH_EVENTS, BATCH_BYTES = 5_000, 500_000
"""Half of what PutLogEvents takes."""

Event = tuple[int, str]
"""Milliseconds, and the line."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A stream of a log group."""

    account: str
    region: str
    group: str
    stream: str


def deliver(store: Store, clock: Clock, to: Destination, events: Sequence[Event]) -> str:
    """Put the lines there; why that failed, or an empty string.

    The stream is made where it is missing. Lines whose group is not there are lost, as on AWS.
    """
    place = {"logGroupName": to.group, "logStreamName": to.stream}

    def call(operation: str, request: api.Request) -> None:
        api.invoke(
            store, "logs", operation, request, account=to.account, region=to.region, clock=clock
        )

    def put() -> None:
        for batch in _batches(events):
            told = [{"timestamp": at, "message": line} for at, line in batch]
            call("PutLogEvents", {**place, "logEvents": told})

    try:
        put()
    except api.AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
        try:
            call("CreateLogStream", place)
            put()
        except api.AwsError as gone:
            return str(gone)
    return ""


def _batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    batch, size = list[Event](), 0
    for event in events:
        if batch and (len(batch) == BATCH_EVENTS or size + len(event[1]) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event[1])
    if batch:
        yield batch
