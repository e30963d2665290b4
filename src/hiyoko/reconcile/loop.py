"""What wakes reconcilers: a commit, another reconciler's change, a timer. Each only wakes.

A commit wakes those whose last look read a table that it changed: to the others every row is what
it was, and another look would end as the last one did. A step wakes those who look at that part of
the world. Nobody is told what changed: a look compares all with all.

The one place that catches what a reconciler did not expect: it is logged, shown in the report and
tried again, later and later, because a bug in one promise must not stop the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from hiyoko.plane.error import PlaneError, words_of
from hiyoko.reconcile.report import Reconciler, Report
from hiyoko.store.database import StoreError, noting_reads

log = logging.getLogger("hiyoko.reconcile")

FULL_COMPARE_S = 60.0
"""Even when nothing woke us, the world may have changed by itself."""
REST_MAX_S = 0.1
"""One that had nothing to do rests for as long as it looked, and no longer than this: where a look
is long because much is there, many commits in a row are one reason to look again, not many."""
WAITING_S = 10.0
"""Then what should pass by itself is a refusal like any."""
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(slots=True)
class Driver:
    """One reconciler's turn: woken by an event, activated, reported.

    ``read`` are the tables that its last turn has read, or the present one so far; ``told`` the
    refusals that stand in the log, ``waits`` since when there are others, which may pass.
    """

    reconciler: Reconciler
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    read: set[str] = field(default_factory=set)
    report: Report = field(default_factory=Report)
    told: dict[str, str] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    activations: int = 0
    failures: int = 0
    last_s: float = 0.0
    turning: bool = False

    async def turn(self) -> Report:
        """Activate once; a surprise becomes a refusal in the report."""
        self.woken.clear()
        self.turning = True
        begun = monotonic()
        try:
            with noting_reads() as self.read:
                report = await self.reconciler.activate()
        except (PlaneError, StoreError, OSError) as error:
            report = Report(refusals={"activate": words_of(error)})
        except Exception as error:
            report = Report(refusals={"activate": f"{type(error).__name__}: {error}"})
            if self.report.refusals != report.refusals:
                log.exception("%s: activation failed", self.reconciler.name)
        self.turning = False
        self.last_s = monotonic() - begun
        self.activations += 1
        self.failures = self.failures + 1 if report.refusals else 0
        self._log_news(report)
        self.report = report
        return report

    def _log_news(self, report: Report) -> None:
        """A refusal is tried again and again, but told once, and once more when it is over."""
        now = monotonic()
        # Woken meanwhile, it looks again at once: what was refused may be what nobody wishes now.
        passing = set(report.refusals) if self.woken.is_set() else report.waiting
        self.waits = {step: self.waits.get(step, now) for step in passing}
        news = {
            step: why
            for step, why in report.refusals.items()
            if now - self.waits.get(step, -inf) >= WAITING_S
        }
        for step, why in news.items():
            if self.told.get(step) != why:
                log.warning("%s: %s: %s", self.reconciler.name, step, why)
        for step in self.told.keys() - report.refusals.keys():
            log.info("%s: %s: no longer refused", self.reconciler.name, step)
        self.told = news

    @property
    def patience_s(self) -> float:
        """How long to wait for an event before looking again anyway."""
        waits = [FULL_COMPARE_S]
        if self.report.again_s is not None:
            waits.append(self.report.again_s)
        if self.failures:
            waits.append(BACK_OFF_S[min(self.failures, len(BACK_OFF_S)) - 1])
        return min(waits)


@dataclass(slots=True)
class Loop:
    """All reconcilers, each in a task of its own.

    ``follows`` says by name whose steps and news change what a reconciler looks at beside rows;
    without it, everybody's do.
    """

    drivers: list[Driver]
    follows: Mapping[str, Collection[str]] | None = None
    _turned: asyncio.Condition = field(default_factory=asyncio.Condition)

    @classmethod
    def of(
        cls,
        reconcilers: Sequence[Reconciler],
        follows: Mapping[str, Collection[str]] | None = None,
    ) -> Loop:
        """A loop over these reconcilers."""
        names = {one.name for one in reconcilers}
        named = {name for one, others in (follows or {}).items() for name in (one, *others)}
        assert named <= names, f"nobody is {', '.join(sorted(named - names))}"
        return cls([Driver(reconciler) for reconciler in reconcilers], follows)

    def wake(self) -> None:
        """Whatever it is that changed."""
        for driver in self.drivers:
            driver.woken.set()

    def wake_readers(self, tables: frozenset[str]) -> None:
        """A commit changed these tables."""
        for driver in self.drivers:
            if not driver.read.isdisjoint(tables):
                driver.woken.set()

    def wake_one(self, name: str) -> None:
        """Something that only this reconciler looks at changed; its report wakes the others."""
        for driver in self.drivers:
            if driver.reconciler.name == name:
                driver.woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        self.wake()
        async with asyncio.TaskGroup() as group:
            for driver in self.drivers:
                group.create_task(self._drive(driver))

    async def settle(self, timeout_s: float) -> None:
        """Return when every reconciler has looked again and found nothing to do.

        Raises TimeoutError; then the drivers' reports say what is refused.
        """
        since = {driver.reconciler.name: driver.activations for driver in self.drivers}
        self.wake()
        async with asyncio.timeout(timeout_s), self._turned:
            await self._turned.wait_for(
                lambda: all(
                    driver.activations > since[driver.reconciler.name]
                    and driver.report.quiet
                    # The report of a turn that began before: it is looking again right now.
                    and not driver.turning
                    and not driver.woken.is_set()
                    for driver in self.drivers
                )
            )

    async def _drive(self, driver: Driver) -> None:
        while True:
            report = await driver.turn()
            if report.steps or report.saw_change:
                driver.woken.set()  # look again: only a look that finds nothing new is quiet
                self._wake_followers(driver)
            async with self._turned:
                self._turned.notify_all()
            if not report.steps:
                await asyncio.sleep(min(driver.last_s, REST_MAX_S))
            try:
                async with asyncio.timeout(driver.patience_s):
                    await driver.woken.wait()
            except TimeoutError:
                continue

    def _wake_followers(self, one: Driver) -> None:
        name = one.reconciler.name
        for driver in self.drivers:
            followed = None if self.follows is None else self.follows.get(driver.reconciler.name)
            if driver is not one and (self.follows is None or name in (followed or ())):
                driver.woken.set()
