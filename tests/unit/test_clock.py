"""The daemon's time goes on whatever the machine's clock does."""

from __future__ import annotations

from hiyoko.clock import SteadyClock

NOON = 1_800_000_000.0


class Machine:
    """A machine whose clock somebody sets."""

    def __init__(self) -> None:
        self.wall, self.ticks = NOON, 5.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds

    def clock(self, floor: float = 0.0) -> SteadyClock:
        return SteadyClock(floor, lambda: self.wall, lambda: self.ticks)


def test_it_is_the_machines_time() -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.now() == NOON
    machine.passes(10)
    assert clock.now() == NOON + 10
    machine.wall += 3600  # set forward
    assert clock.now() == NOON + 3610


def test_set_back_by_an_hour_it_goes_on_at_half_the_pace_until_they_meet() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.now()
    machine.wall -= 3600
    assert clock.now() == NOON
    for passed in (1, 2, 3):  # however often it is asked
        machine.passes(1)
        assert clock.now() == NOON + passed / 2
    machine.passes(2 * 3600)
    assert clock.now() == machine.wall
    machine.passes(1)
    assert clock.now() == machine.wall


def test_a_restart_does_not_go_back_behind_what_was_written() -> None:
    machine = Machine()
    clock = machine.clock(floor=NOON + 3600)
    assert clock.now() == NOON + 3600
    machine.passes(10)
    assert clock.now() == NOON + 3605


def test_a_clock_that_was_a_year_ahead_was_wrong() -> None:
    machine = Machine()
    machine.wall += 365 * 86_400
    clock = machine.clock()
    clock.now()
    machine.wall = NOON
    assert clock.now() == NOON
    assert machine.clock(floor=NOON + 365 * 86_400).now() == NOON
