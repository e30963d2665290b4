"""StartLiveTail over HTTP: boto3 decodes the stream."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import botocore.session
import pytest
from botocore.exceptions import ClientError
from tests.api.conftest import Endpoint

from hiyoko.cli.logs import Wanted
from hiyoko.cli.target import Target


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


class Way:
    """A way to the gateway, by a port of its own, that can be cut."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.own = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._open(self._listener)

    def _open(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self.port))
            self._ends += [here, there]
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.own))
        self._open(self._listener)


class Enough(Exception):
    """The last line was shown."""


class Tries(Target):
    """A cloud, and how often somebody turned to it."""

    tries: ClassVar[queue.Queue[str]] = queue.Queue()

    def client(self, service: str) -> Any:
        self.tries.put(service)
        return super().client(service)


class Lines(Wanted):
    """What ``hiyoko logs -f`` shows, until it shows "end"."""

    seen: ClassVar[queue.Queue[str]] = queue.Queue()

    def show(self, event: dict[str, Any]) -> None:
        self.seen.put(event["message"])
        if event["message"] == "end":
            raise Enough


def test_logs_are_followed_beyond_the_cloud_s_end(
    endpoint: Endpoint,
    logs: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("hiyoko.cli.logs.POLL_S", 0.05)
    way = Way(endpoint.port)
    target = Tries(
        "local", "ap-northeast-1", f"http://127.0.0.1:{way.own}", botocore.session.Session()
    )
    wanted = Lines(target, "app", None, as_json=False)
    put(logs, "web/1", "before", "before")  # the same line twice is two lines

    def follow() -> None:
        with contextlib.suppress(Enough):
            wanted.follow(0)

    following = threading.Thread(target=follow)
    following.start()
    assert [wanted.seen.get(timeout=10) for _ in range(2)] == ["before", "before"]
    put(logs, "web/1", "live")
    assert wanted.seen.get(timeout=10) == "live"
    target.tries.queue.clear()
    way.cut()
    put(logs, "api/1", "while it was away")
    for _ in range(4):  # it tries, and finds nobody
        target.tries.get(timeout=10)
    way.mend()
    assert wanted.seen.get(timeout=10) == "while it was away"
    put(logs, "web/1", "again", "end")
    following.join(10)
    assert [wanted.seen.get(timeout=1) for _ in range(2)] == ["again", "end"]
    assert wanted.seen.empty()
    assert capsys.readouterr().err == "hiyoko: the local cloud does not answer; waiting for it\n"
    way.cut()
