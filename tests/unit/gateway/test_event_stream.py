from __future__ import annotations

from typing import Any

from botocore.eventstream import EventStreamBuffer

from hiyoko.gateway.event_stream import event, exception


def test_frames_are_read_by_botocore() -> None:
    buffer: Any = EventStreamBuffer()
    buffer.add_data(event("sessionUpdate", {"a": "é"}) + exception("Timeout", "over"))
    first, second = list(buffer)
    assert first.headers[":event-type"] == "sessionUpdate"
    assert first.payload == b'{"a": "\\u00e9"}'
    assert second.headers[":message-type"] == "exception"
