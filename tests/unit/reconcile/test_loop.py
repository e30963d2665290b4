"""The loop wakes, catches, backs off, and knows when everything is quiet."""

from __future__ import annotations

import asyncio
import errno
import time
from dataclasses import dataclass, field

import pytest

from hiyoko.plane.error import NotYetError
from hiyoko.reconcile.loop import WAITING_S, Loop
from hiyoko.reconcile.report import Report
from hiyoko.store.database import Store
from hiyoko.store.table import Table


@dataclass
class Fake:
    """A reconciler that plays prepared reports, then quiet ones."""

    name: str
    reports: list[Report | Exception] = field(default_factory=list)

    async def activate(self) -> Report:
        if not self.reports:
            return Report()
        report = self.reports.pop(0)
        if isinstance(report, Exception):
            raise report
        return report


@dataclass(frozen=True, slots=True)
class Wish:
    key: str


ONE = Table("test_loop_one", Wish, key=("key",))
TWO = Table("test_loop_two", Wish, key=("key",))


class Reader:
    """A reconciler that reads tables, and may wait after that or before."""

    def __init__(
        self,
        name: str,
        *tables: Table[Wish],
        store: Store | None = None,
        pause: asyncio.Event | None = None,
    ) -> None:
        self.name, self.tables, self.store, self.pause = name, tables, store, pause
        self.reads_late = False

    async def activate(self) -> Report:
        if not self.reads_late:
            self._read()
        if self.pause is not None:
            await self.pause.wait()
        if self.reads_late:
            self._read()
        return Report()

    def _read(self) -> None:
        assert self.store is not None
        with self.store.reading() as tx:
            for table in self.tables:
                table.list(tx)


async def run_until_settled(*fakes: Fake) -> Loop:
    loop = Loop.of(fakes)
    running = asyncio.create_task(loop.run())
    await loop.settle(5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return loop


async def test_a_change_of_one_wakes_the_others() -> None:
    loop = await run_until_settled(Fake("b"), Fake("a", [Report(steps=["did"])]))
    assert all(driver.activations >= 2 for driver in loop.drivers)


def test_whom_nobody_is_cannot_be_followed() -> None:
    with pytest.raises(AssertionError, match="nobody is zone"):
        Loop.of([Fake("zones")], {"zones": ("zone",)})


async def test_what_was_seen_to_change_is_looked_at_again_though_nothing_was_committed() -> None:
    loop = Loop.of([Fake("a", [Report(saw_change=True)])])
    running = asyncio.create_task(loop.run())
    await loop.settle(5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert loop.drivers[0].report.quiet


async def test_a_surprise_is_reported_and_tried_again() -> None:
    loop = await run_until_settled(Fake("a", [ValueError("oh")]), Fake("b"))
    assert loop.drivers[0].activations >= 2
    assert loop.drivers[0].report.quiet


async def test_a_refusal_waits_longer_each_time() -> None:
    fake = Fake("a", [Report(refusals={"step": "no"}) for _ in range(3)])
    driver = Loop.of([fake]).drivers[0]
    waits = []
    for _ in range(3):
        await driver.turn()
        waits.append(driver.patience_s)
    assert waits == sorted(waits)
    assert waits[0] < 1


async def test_a_refusal_is_logged_once_until_its_words_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = ["no", "no", "never", "never", None]
    reports = [Report(refusals={"step": word} if word else {}) for word in words]
    driver = Loop.of([Fake("a", list(reports))]).drivers[0]
    with caplog.at_level("INFO", "hiyoko.reconcile"):
        for _ in words:
            await driver.turn()
    assert caplog.messages == ["a: step: no", "a: step: never", "a: step: no longer refused"]


async def test_a_wait_for_another_reconciler_is_no_news_unless_it_takes_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def report() -> Report:
        made = Report()
        with made.attempt("start"):
            raise NotYetError("no namespace yet")
        return made

    driver = Loop.of([Fake("a", [report(), report(), Report(), report(), report()])]).drivers[0]
    with caplog.at_level("INFO", "hiyoko.reconcile"):
        for _ in range(4):
            await driver.turn()
        assert caplog.messages == []
        assert driver.failures == 1
        driver.waits = {step: since - WAITING_S for step, since in driver.waits.items()}
        for _ in range(2):
            await driver.turn()
    assert caplog.messages == ["a: start: no namespace yet", "a: start: no longer refused"]


async def test_a_refusal_of_what_is_no_longer_wished_is_no_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Overtaken(Fake):
        async def activate(self) -> Report:
            report = await super().activate()
            if report.refusals:
                driver.woken.set()
            return report

    driver = Loop.of([Overtaken("a", [Report(refusals={"reload": "no certificate"})])]).drivers[0]
    for _ in range(2):
        await driver.turn()
    assert caplog.messages == []


async def test_a_bug_is_logged_with_its_traceback_once(caplog: pytest.LogCaptureFixture) -> None:
    driver = Loop.of([Fake("a", [ValueError("oh"), ValueError("oh")])]).drivers[0]
    for _ in range(2):
        await driver.turn()
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_one_reconciler_can_be_woken_alone() -> None:
    loop = Loop.of([Fake("a"), Fake("b")])
    loop.wake_one("b")
    assert [driver.woken.is_set() for driver in loop.drivers] == [False, True]


async def woken_by(loop: Loop, of: Table[Wish]) -> list[str]:
    """Who wakes when this table changes, after everybody's turn."""
    store = Store.open(":memory:")
    store.watch(loop.wake_readers)
    for driver in loop.drivers:
        assert isinstance(driver.reconciler, Reader)
        driver.reconciler.store = store
        await driver.turn()
    with store.transaction() as tx:
        of.insert(tx, Wish("new"))
    return [driver.reconciler.name for driver in loop.drivers if driver.woken.is_set()]


async def test_a_commit_wakes_those_who_have_read_what_it_changed() -> None:
    loop = Loop.of([Reader("one", ONE), Reader("two", TWO), Reader("both", ONE, TWO)])
    assert await woken_by(loop, ONE) == ["one", "both"]
    assert await woken_by(loop, TWO) == ["two", "both"]


async def test_a_commit_amid_a_turn_wakes_whoever_has_read_before_it() -> None:
    """What was read is another now: the turn that goes on does not know."""
    store = Store.open(":memory:")
    early, late = (Reader(name, ONE, store=store, pause=asyncio.Event()) for name in ("a", "b"))
    late.reads_late = True
    loop = Loop.of([early, late])
    store.watch(loop.wake_readers)
    turns = [asyncio.create_task(driver.turn()) for driver in loop.drivers]
    await asyncio.sleep(0)
    with store.transaction() as tx:
        ONE.insert(tx, Wish("new"))
    for one in (early, late):
        assert one.pause is not None
        one.pause.set()
    await asyncio.gather(*turns)
    assert [driver.woken.is_set() for driver in loop.drivers] == [True, False]


async def test_a_step_wakes_those_who_look_at_what_it_made() -> None:
    again = asyncio.Event()

    class Follower(Fake):
        async def activate(self) -> Report:
            if not self.reports:
                again.set()
            return await super().activate()

    follower, stranger = Follower("follower", [Report()]), Fake("stranger")
    maker = Fake("maker", [Report(steps=["made"])])
    loop = Loop.of([follower, stranger, maker], {"follower": ("maker",)})
    running = asyncio.create_task(loop.run())
    await again.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert loop.drivers[1].activations == 1


async def test_a_turn_that_began_before_does_not_count_as_settled() -> None:
    """What is wished while a turn is under way, that turn has not seen."""
    wished, seen = [1], list[int]()
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        name = "slow"

        async def activate(self) -> Report:
            found = list(wished)
            begun.set()
            await go_on.wait()
            await asyncio.sleep(0.01)
            seen[:] = found
            return Report()

    loop = Loop.of([Slow()])
    running = asyncio.create_task(loop.run())
    await begun.wait()
    wished.append(2)
    settled = asyncio.create_task(loop.settle(5))
    await asyncio.sleep(0)
    go_on.set()
    await settled
    assert seen == [1, 2]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_full_disk_is_told_with_the_way_out_and_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    driver = Loop.of([Fake("a", [full, full])]).drivers[0]
    for _ in range(2):
        report = await driver.turn()
        assert "make room" in report.refusals["activate"]
    assert [record.exc_info for record in caplog.records] == [None]  # and once


def test_a_step_that_the_disk_refuses_stops_no_other() -> None:
    report = Report()
    for step in ("one", "two"):
        with report.attempt(step):
            if step == "one":
                raise OSError(errno.ENOSPC, "No space left on device")
    assert list(report.refusals) == ["one"]
    assert report.steps == ["two"]


@dataclass
class Slow:
    """A reconciler that looks for a while, and is woken all the time."""

    name: str = "slow"
    look_s: float = 0.05
    looking_s: float = 0.0

    async def activate(self) -> Report:
        begun = time.monotonic()
        await asyncio.sleep(self.look_s)
        self.looking_s += time.monotonic() - begun
        return Report()


async def test_a_long_look_is_followed_by_as_long_a_rest() -> None:
    slow = Slow()
    loop = Loop.of([slow])
    running = asyncio.create_task(loop.run())
    begun = time.monotonic()
    while loop.drivers[0].activations < 4:
        loop.wake()
        await asyncio.sleep(0)
    taken_s = time.monotonic() - begun
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    # Three rests between four looks, and none is shorter than a look at its fastest.
    assert taken_s - slow.looking_s > 2.9 * slow.look_s
