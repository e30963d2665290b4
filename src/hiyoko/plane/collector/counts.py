"""What was counted, by minute, until somebody has taken it.

A batch is given out again and again until it is acknowledged: whoever takes it writes it down
together with its number, so that a crash in between counts nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hiyoko.plane.balancer.counting import Tally, as_json

MINUTE_S = 60
MINUTES_MAX = 24 * 60
"""How long counts wait for a daemon that does not come back."""


@dataclass(slots=True)
class Counts:
    """``instance`` tells this process's batches from another one's."""

    instance: str
    minutes: dict[int, Tally] = field(default_factory=dict)
    sequence: int = 0
    lost_minutes: int = 0
    _given: dict[str, Any] | None = None

    def tally(self, now: float) -> Tally:
        """Where to count what happens now."""
        minute = int(now) // MINUTE_S * MINUTE_S
        while len(self.minutes) >= MINUTES_MAX and minute not in self.minutes:
            del self.minutes[min(self.minutes)]
            self.lost_minutes += 1
        return self.minutes.setdefault(minute, Tally())

    def take(self, now: float, *, unfinished: bool = False) -> dict[str, Any]:
        """The next batch: minutes that are over, or all; the last one again if nobody had it."""
        if self._given is None:
            ready = [at for at in sorted(self.minutes) if unfinished or at + MINUTE_S <= now]
            taken = [[at, as_json(self.minutes.pop(at))] for at in ready]
            taken = [[at, tally] for at, tally in taken if tally]
            if not taken:
                return {"instance": self.instance, "sequence": self.sequence, "minutes": []}
            self.sequence += 1
            self._given = {
                "instance": self.instance,
                "sequence": self.sequence,
                "minutes": taken,
            }
        return self._given

    def done(self, sequence: int) -> None:
        """The batch of this number is written down."""
        if self._given is not None and self._given["sequence"] == sequence:
            self._given = None
