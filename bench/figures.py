"""What a benchmark found out, for people and as JSON."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """A median with its range; ``goal`` is printed beside it, nothing is asserted."""

    name: str
    value: float
    unit: str
    low: float
    high: float
    goal: str = ""

    @classmethod
    def of(cls, name: str, values: Sequence[float], unit: str, goal: str = "") -> Figure:
        """The figure of several measurements."""
        return cls(name, statistics.median(values), unit, min(values), max(values), goal)

    def __str__(self) -> str:
        """One line."""
        line = f"  {self.name:<55} {_number(self.value):>8} {self.unit:<10}"
        if self.low != self.high:
            line += f" {_number(self.low)}-{_number(self.high)}"
        return f"{line}{f'   goal {self.goal}' if self.goal else ''}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def machine() -> dict[str, str | int | float]:
    """The machine's size, the date, and how busy it was before we came."""
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count() or 0,
        "memory_gb": round(int(memory) / 1e6, 1),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }
