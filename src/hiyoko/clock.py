"""Time and identity as inputs: passed in, so that tests and goldens can hold them still."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Seconds since the epoch, as AWS's JSON protocols give time stamps."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, to the millisecond: AWS keeps no more."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return round(time.time(), 3)


WRONG_S = 86_400.0
"""A clock that is set back further was simply wrong before."""
SLOWED = 0.5


@dataclass(slots=True)
class SteadyClock:
    """The machine's clock, but it never jumps back: waits and time-outs are differences of it.

    When the machine's is set back, this one goes on at half the pace until they meet, so that a
    wait takes twice its time instead of an hour longer. ``floor``: a moment that has certainly
    been, from before a restart.
    """

    floor: float = 0.0
    wall: Callable[[], float] = time.time
    ticks: Callable[[], float] = time.monotonic
    _last: float = field(init=False)
    _ticked: float = field(init=False)

    def __post_init__(self) -> None:
        self._last, self._ticked = self.floor, self.ticks()

    def now(self) -> float:
        """Seconds since the epoch, to the millisecond."""
        wall, ticked = self.wall(), self.ticks()
        slowed = self._last + (ticked - self._ticked) * SLOWED
        self._last = wall if slowed - wall > WRONG_S else max(wall, slowed)
        self._ticked = ticked
        return round(self._last, 3)


class Ids(Protocol):
    """Where new identifiers come from."""

    def hex(self, digits: int) -> str:
        """So many lower-case hexadecimal digits."""
        ...

    def digits(self, count: int) -> str:
        """So many decimal digits, the first one not 0."""
        ...

    def uuid(self) -> str:
        """A version 4 UUID."""
        ...


@dataclass(frozen=True, slots=True)
class RandomIds:
    """Identifiers from the system's random source."""

    def hex(self, digits: int) -> str:
        """So many lower-case hexadecimal digits."""
        return secrets.token_hex((digits + 1) // 2)[:digits]

    def digits(self, count: int) -> str:
        """So many decimal digits, the first one not 0."""
        return str(secrets.randbelow(9) + 1) + "".join(
            str(secrets.randbelow(10)) for _ in range(count - 1)
        )

    def uuid(self) -> str:
        """A version 4 UUID."""
        return str(uuid.uuid4())
