"""A log file that conmon begins anew, at the moments at which it hurts."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hiyoko.plane.log_driver.batches import Batch
from hiyoko.plane.log_driver.order import LOG, CloudWatchOrder, Order, Position, sent, write_order
from hiyoko.plane.log_driver.tail import GivenUp, Tail

ORDER = CloudWatchOrder(
    "cid", "eni-1", "10.0.0.2", "/trust", "r", "g", "s", "k", "secret", "t", 0.0
)


def lines(*words: str) -> str:
    return "".join(f"2026-01-02T03:04:05.000000000Z stdout F {word}\n" for word in words)


@dataclass(slots=True)
class Hurried(Tail):
    """conmon writes, and turns to another file, while it was just read that there is no more."""

    taken: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=lambda: ["late"])

    def _next(self, order: Order, *, last: bool) -> tuple[Batch | None, float]:
        found = Tail._next(self, order, last=last)
        if found[0] is None and self.left:
            log = self.directory / LOG
            with log.open("a") as old:
                old.write(lines(self.left.pop()))
            new = log.with_name("log.tmp")
            new.write_text(lines("new"))
            new.replace(log)
            self.ended.set()
            self.changed.set()
        return found

    async def _put(self, batch: Batch, begin: int) -> None:
        self.taken += [event.message for event in batch.events]


@pytest.mark.parametrize("first", [(), ("early",)])
async def test_what_is_written_right_before_a_turn_is_sent(
    tmp_path: Path, first: tuple[str, ...]
) -> None:
    write_order(tmp_path, ORDER)
    (tmp_path / LOG).write_text(lines(*first))
    tail = Hurried(tmp_path)
    async with asyncio.timeout(10):
        await tail.run()
    assert tail.taken == [*first, "late", "new"]
    assert Position.read(tmp_path).inode == (tmp_path / LOG).stat().st_ino


class Dying(Hurried):
    """The driver is killed with its first batch under way."""

    async def _put(self, batch: Batch, begin: int) -> None:
        raise asyncio.CancelledError


async def test_a_file_that_was_left_while_nobody_read_it_is_sent_to_its_end(tmp_path: Path) -> None:
    write_order(tmp_path, ORDER)
    log = tmp_path / LOG
    log.write_text(lines("first", "second"))
    with pytest.raises(asyncio.CancelledError):
        await Dying(tmp_path).run()
    with log.open("a") as old:
        old.write(lines("third"))
    new = tmp_path / "log.tmp"
    new.write_text(lines("fourth"))
    new.replace(log)
    tail = Hurried(tmp_path, left=[])
    tail.ended.set()
    async with asyncio.timeout(10):
        await tail.run()
    assert tail.taken == ["first", "second", "third", "fourth"]
    assert sent(tmp_path)


@pytest.mark.parametrize("endless", [True, False])
async def test_what_was_sent_of_a_file_without_end_takes_no_room(
    tmp_path: Path, endless: bool
) -> None:
    write_order(tmp_path, replace(ORDER, endless=endless))
    log, words = tmp_path / LOG, [f"{n}".zfill(1000) for n in range(3000)]
    log.write_text(lines(*words))
    before = log.stat()
    with log.open() as file:
        os.fsync(file.fileno())
    tail = Hurried(tmp_path, left=[])
    tail.ended.set()
    async with asyncio.timeout(20):
        await tail.run()
    assert tail.taken == words
    after = log.stat()
    assert after.st_size == before.st_size
    assert (after.st_blocks * 512 < before.st_size // 2) == endless


@dataclass(slots=True)
class Away(Hurried):
    """A proxy writes four megabytes while its first batch is under way, and some more after that.

    ``dies``: the driver is killed in between, and another one goes on.
    """

    denied: bool = True
    dies: bool = False
    most: int = 0

    async def _put(self, batch: Batch, begin: int) -> None:
        if not self.taken:
            self._denied = self.denied
            with (self.directory / LOG).open("ab", buffering=0) as log:
                for number in range(4000):
                    log.write(lines(f"{number}".zfill(1000)).encode())
                    if number % 100 == 0:
                        self.grown()
                        self.most = max(self.most, os.fstat(log.fileno()).st_blocks * 512)
                        os.fsync(log.fileno())
            if self.dies:
                raise asyncio.CancelledError
        await Hurried._put(self, batch, begin)


@pytest.mark.parametrize("denied", [True, False])
@pytest.mark.parametrize("dies", [False, True])
async def test_what_a_proxy_writes_while_nothing_can_be_sent_takes_no_more_than_its_buffer(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    denied: bool,
    dies: bool,
) -> None:
    # With the service itself away, more is kept than the buffer, but not without end.
    room = 1 << 20 if denied else 2 << 20
    monkeypatch.setattr("hiyoko.plane.log_driver.tail.FILE_BYTES_MAX", 4 << 20)
    write_order(tmp_path, replace(ORDER, endless=True, blocking=True, buffer_bytes=1 << 20))
    log = tmp_path / LOG
    log.write_text(lines("first"))
    tail = Away(tmp_path, left=[], denied=denied, dies=dies)
    async with asyncio.timeout(20):
        if dies:
            with pytest.raises(asyncio.CancelledError):
                await tail.run()
            with log.open("a") as file:
                file.write(lines("last"))
            taken = (after := Hurried(tmp_path, left=[])).taken
            after.ended.set()
            await after.run()
            assert taken[-1] == "last"
        else:
            tail.ended.set()
            await tail.run()
            taken = tail.taken
    assert tail.most < room + (2 << 20)
    first, *kept = [word for word in taken if word != "last"]
    assert first == "first"
    kept_before = room // len(lines("0" * 1000))
    assert [int(word) for word in kept[:kept_before]] == list(range(kept_before))
    said = capsys.readouterr().err
    assert said.count("lost") == 1
    if dies:
        assert "at least" in said
    else:
        assert f" {4000 - len(kept)} lines lost: the buffer was full" in said


class Denied(Hurried):
    """There is no way; conmon begins two more files meanwhile, of which one is never read."""

    async def _put(self, batch: Batch, begin: int) -> None:
        if self.taken:
            await Hurried._put(self, batch, begin)
            return
        self._denied = True
        for words in (("second", "third"), ("fourth",)):
            new = self.directory / "log.tmp"
            new.write_text(lines(*words))
            new.replace(self.directory / LOG)
            self.grown()
        self.ended.set()
        await Hurried._put(self, batch, begin)


async def test_what_lay_in_a_file_that_is_gone_is_lost_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_order(tmp_path, ORDER)
    (tmp_path / LOG).write_text(lines("first"))
    tail = Denied(tmp_path, left=[])
    async with asyncio.timeout(10):
        await tail.run()
    assert tail.taken == ["first", "fourth"]
    assert capsys.readouterr().err == f"{tmp_path}: 2 lines lost: two more files have been begun\n"


class Desperate(Hurried):
    """The container has ended, and its output has no way, in a file and in the next one."""

    async def _put(self, batch: Batch, begin: int) -> None:
        new = self.directory / "log.tmp"
        new.write_text(lines("third", "fourth"))
        new.replace(self.directory / LOG)
        raise GivenUp("no way")


async def test_what_is_given_up_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_order(tmp_path, ORDER)
    (tmp_path / LOG).write_text(lines("first", "second"))
    tail = Desperate(tmp_path, left=[])
    await tail.run()
    assert capsys.readouterr().err == f"{tmp_path}: the last 4 lines are lost: no way\n"
    assert sent(tmp_path)
