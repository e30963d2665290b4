"""Commits that share a sync: nobody goes on before it, one is enough for many."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hiyoko.store import shared_sync
from hiyoko.store.database import Store, StoreError
from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class Line:
    number: int


LINES = Table("test_shared_sync_line", Line, key=("number",))


@dataclass
class Disk:
    """A disk whose syncs end when they are told to."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    error: OSError | None = None
    syncs: int = 0

    def sync(self, path: str) -> None:
        self.syncs += 1
        self.begun.release()
        assert self.end.acquire(timeout=10)
        if self.error is not None:
            raise self.error

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=10)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(shared_sync, "sync_file", disk.sync)
    return disk


@pytest.fixture
def opened(tmp_path: Path, disk: Disk) -> Callable[[], Store]:
    return lambda: Store.open(tmp_path / "store.sqlite")


def commit(store: Store, number: int) -> None:
    with store.transaction(share_sync=True) as tx, tx.unobserved():
        LINES.put(tx, Line(number))


def test_who_waits_goes_on_after_a_sync_that_began_after_its_commit(
    disk: Disk, opened: Callable[[], Store]
) -> None:
    async def scene() -> None:
        store = opened()
        commit(store, 1)
        first = asyncio.create_task(store.synced())
        await disk.has_begun()
        commit(store, 2)  # the sync that is under way may have missed it
        late = [asyncio.create_task(store.synced()) for _ in range(9)]
        await asyncio.sleep(0)
        assert not first.done()
        disk.end.release()
        await first
        await disk.has_begun()
        assert not any(one.done() for one in late)
        disk.end.release()
        await asyncio.gather(*late)
        assert disk.syncs == 2
        await store.synced()  # nothing is left to wait for
        assert disk.syncs == 2
        store.close()

    asyncio.run(asyncio.wait_for(scene(), 20))


def test_who_stops_waiting_stops_nobody_else(disk: Disk, opened: Callable[[], Store]) -> None:
    async def scene() -> None:
        store = opened()
        commit(store, 1)
        one, other = (asyncio.create_task(store.synced()) for _ in range(2))
        await disk.has_begun()
        one.cancel()
        await asyncio.sleep(0)
        assert not other.done()
        disk.end.release()
        await other
        assert disk.syncs == 1
        store.close()

    asyncio.run(asyncio.wait_for(scene(), 20))


def test_a_failed_sync_is_told_to_all_and_nothing_is_written_after_it(
    disk: Disk, opened: Callable[[], Store]
) -> None:
    async def scene() -> None:
        store = opened()
        commit(store, 1)
        disk.error = OSError(5, "Input/output error")
        disk.end.release()
        with pytest.raises(StoreError, match="Input/output error"):
            await store.synced()
        disk.error = None  # what the kernel says now is no proof of what it said before
        with pytest.raises(StoreError, match="start it again"):
            await store.synced()
        for share_sync in (True, False):
            with (
                pytest.raises(StoreError, match="start it again"),
                store.transaction(share_sync=share_sync) as tx,
            ):
                LINES.put(tx, Line(2))
        assert disk.syncs == 1
        store.close()

    asyncio.run(asyncio.wait_for(scene(), 20))


def test_what_a_reconciler_looks_at_shares_no_sync(opened: Callable[[], Store]) -> None:
    store = opened()
    with pytest.raises(AssertionError), store.transaction(share_sync=True) as tx:
        LINES.put(tx, Line(1))
    with store.reading() as tx:
        assert LINES.list(tx) == []
    store.close()


def test_every_other_commit_is_synced_by_itself(opened: Callable[[], Store]) -> None:
    """SQLite's own word for it, after commits that shared theirs and one that failed."""

    def level(connection: sqlite3.Connection) -> int:
        found: int = connection.execute("PRAGMA synchronous").fetchone()[0]
        return found

    store = opened()
    full = level(store.connection)
    with store.transaction(share_sync=True) as tx, tx.unobserved():
        assert level(store.connection) < full
        LINES.put(tx, Line(1))
    assert level(store.connection) == full
    with pytest.raises(ZeroDivisionError), store.transaction(share_sync=True):
        raise ZeroDivisionError
    assert level(store.connection) == full == 2
    store.close()
