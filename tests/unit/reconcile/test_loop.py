"""The loop wakes, catches, backs off, and knows when everything is quiet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hiyoko.reconcile.loop import Loop
from hiyoko.reconcile.report import Report


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
