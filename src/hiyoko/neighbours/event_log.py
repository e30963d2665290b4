"""Events of EventBridge whose rule targets a log group, written to CloudWatch Logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hiyoko import api
from hiyoko.clock import Clock
from hiyoko.store.database import Store

_log = logging.getLogger(__name__)


def event_log(store: Store, clock: Clock) -> Callable[[str, str, str, str, str], None]:
    """A writer that any thread may call; the store is written by the loop's own thread."""
    loop = asyncio.get_running_loop()

    def write(account: str, region: str, group: str, stream: str, text: str) -> None:
        loop.call_soon_threadsafe(_write, account, region, group, stream, text)

    def _write(account: str, region: str, group: str, stream: str, text: str) -> None:
        place = {"logGroupName": group, "logStreamName": stream}
        event = {"timestamp": int(clock.now() * 1000), "message": text}
        try:
            for operation, request in (
                ("CreateLogStream", place),
                ("PutLogEvents", {**place, "logEvents": [event]}),
            ):
                api.invoke(
                    store, "logs", operation, request, account=account, region=region, clock=clock
                )
        except api.AwsError as error:
            # EventBridge tells the sender nothing of it either: the event is dropped.
            _log.warning("an event for the log group %s was dropped: %s", group, error.code)

    return write
