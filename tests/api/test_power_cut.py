"""The power goes at any moment: what was answered is on the disk, though calls share its syncs.

The disk is played: it holds what the files held when a sync had been asked for, and nothing of
what was written since.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import itertools
import json
import shutil
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from hiyoko import api
from hiyoko.gateway.server import Gateway
from hiyoko.settings import Settings
from hiyoko.store import shared_sync
from hiyoko.store.database import Store

CALLERS, CALLS = 8, 10
SYNC_S = 0.01
EVENTS = "SELECT body FROM logs_event"
AUTH = (
    "AWS4-HMAC-SHA256 Credential=AKIAX/20260102/ap-northeast-1/logs/aws4_request,"
    f" SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)


@dataclass
class Disk:
    """What would be left of a database, were the power to go now."""

    place: Path
    syncs: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    kept: Path | None = None

    def sync(self, wal: str) -> None:
        """Take what is in the files when the sync begins; it is kept when the sync is over."""
        copy = self.place / str(next(self._numbers))
        copy.mkdir()
        for path in (Path(wal), Path(wal.removesuffix("-wal"))):
            shutil.copy(path, copy / path.name)
        time.sleep(SYNC_S)  # noqa: TID251 - a disk takes its time
        self.kept, self.syncs = copy, self.syncs + 1

    def messages(self) -> set[str]:
        """The log events that it holds."""
        if self.kept is None:
            return set()
        found = sqlite3.connect(self.kept / "store.sqlite")
        try:
            return {json.loads(body)[1] for (body,) in found.execute(EVENTS)}
        finally:
            found.close()


Put = Callable[[str], Awaitable[int]]
"""Puts a log event with this message; the status of the answer."""


async def with_gateway(place: Path, cache: Path, scene: Callable[[Put], Awaitable[None]]) -> None:
    """A gateway over a store in this place, with a stream that events can be put into."""
    importlib.import_module("hiyoko.services.logs")
    importlib.import_module("hiyoko.services.sts")
    store = Store.open(place / "store.sqlite")
    group: dict[str, Any] = {"logGroupName": "g"}
    api.invoke(store, "logs", "CreateLogGroup", group)
    api.invoke(store, "logs", "CreateLogStream", group | {"logStreamName": "s"})
    gateway = Gateway(store, Settings(cache))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    await gateway.serve(listener)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    headers = {
        "X-Amz-Target": "Logs_20140328.PutLogEvents",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Date": "20260102T030405Z",
        "Authorization": AUTH,
    }
    async with ClientSession(headers=headers) as session:

        async def put(message: str) -> int:
            event = {"timestamp": int(time.time() * 1000), "message": message}
            request = {"logGroupName": "g", "logStreamName": "s", "logEvents": [event]}
            async with session.post(url, data=json.dumps(request)) as answer:
                return answer.status

        await scene(put)
    await gateway.close()
    store.close()


def test_what_was_answered_is_on_the_disk_and_calls_share_syncs(
    tmp_path: Path, spec_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "disk")
    disk.place.mkdir()
    monkeypatch.setattr(shared_sync, "sync_file", disk.sync)
    lost: list[str] = []

    async def caller(put: Put, name: int) -> None:
        for number in range(CALLS):
            message = f"{name}-{number}"
            assert await put(message) == 200
            if message not in disk.messages():
                lost.append(message)

    async def scene(put: Put) -> None:
        await asyncio.gather(*(caller(put, name) for name in range(CALLERS)))

    asyncio.run(asyncio.wait_for(with_gateway(tmp_path, spec_cache, scene), 60))
    assert not lost
    assert len(disk.messages()) == CALLERS * CALLS
    # Each waits for its own, and all eight callers for one of two.
    assert CALLS <= disk.syncs <= CALLERS * CALLS / 2


def test_what_the_disk_has_lost_is_not_answered_as_if_it_were_there(
    tmp_path: Path, spec_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(wal: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shared_sync, "sync_file", sync)

    async def scene(put: Put) -> None:
        assert await put("one") == 503
        assert await put("another") == 503

    asyncio.run(asyncio.wait_for(with_gateway(tmp_path, spec_cache, scene), 60))
