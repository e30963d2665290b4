"""StartLiveTail over HTTP: boto3 decodes the stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.api.conftest import Endpoint


@pytest.fixture
def logs(endpoint: Endpoint) -> Any:
    client = endpoint.client("logs")
    client.create_log_group(logGroupName="app")
    for name in ("web/1", "api/1"):
        client.create_log_stream(logGroupName="app", logStreamName=name)
    return client


def arn(logs: Any) -> str:
    group = logs.describe_log_groups(logGroupNamePrefix="app")["logGroups"][0]
    return str(group["logGroupArn"])


def put(logs: Any, stream: str, *messages: str) -> None:
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    logs.put_log_events(logGroupName="app", logStreamName=stream, logEvents=events)


def results(stream: Any) -> Iterator[dict[str, Any]]:
    for update in stream:
        yield from update.get("sessionUpdate", {}).get("sessionResults", ())


def test_what_is_written_is_shown_at_once(logs: Any) -> None:
    put(logs, "web/1", "before")
    asked = {"logGroupIdentifiers": [arn(logs)], "logStreamNamePrefixes": ["web/"]}
    stream = logs.start_live_tail(**asked, logEventFilterPattern="GET")["responseStream"]
    events = iter(stream)
    start = next(events)["sessionStart"]
    assert start["logGroupIdentifiers"] == [arn(logs)]
    assert start["logEventFilterPattern"] == "GET"
    took: list[float] = []
    for number in range(5):

        def write(number: int = number) -> None:
            put(logs, "api/1", "GET /other")
            put(logs, "web/1", "POST /", f"GET /{number}")

        begun = time.monotonic()
        writer = threading.Timer(0.05, write)
        writer.start()
        shown = next(results(events))
        took.append(time.monotonic() - begun)
        writer.join()
        assert (shown["logStreamName"], shown["message"]) == ("web/1", f"GET /{number}")
        assert shown["logGroupIdentifier"] == "123456789012:app"
    stream.close()
    # AWS's own updates come once a second. Least of a few: a busy machine is late now and then.
    assert min(took) < 0.5


def test_an_update_without_events_comes_every_second(logs: Any) -> None:
    stream = logs.start_live_tail(logGroupIdentifiers=[arn(logs)])["responseStream"]
    events = iter(stream)
    assert "sessionStart" in next(events)
    assert next(events) == {
        "sessionUpdate": {"sessionMetadata": {"sampled": False}, "sessionResults": []}
    }
    stream.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"logGroupIdentifiers": ["app"]}, "InvalidParameterException"),
        ({"logStreamNames": ["none"]}, "ResourceNotFoundException"),
        (
            {"logStreamNames": ["web/1"], "logStreamNamePrefixes": ["w"]},
            "InvalidParameterException",
        ),
    ],
)
def test_a_session_that_cannot_be_is_refused(logs: Any, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        logs.start_live_tail(**{"logGroupIdentifiers": [arn(logs)]} | changes)
    assert refused.value.response["Error"]["Code"] == code
