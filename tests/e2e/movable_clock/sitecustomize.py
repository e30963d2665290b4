"""A wall clock that a test sets: Python imports this when it starts with us in PYTHONPATH.

Seconds are added to the time as the file named by MOVABLE_CLOCK says. The monotonic clock is left
alone, as the kernel leaves it alone.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_real, _file = time.time, os.environ.get("MOVABLE_CLOCK")


def _moved() -> float:
    try:
        return _real() + float(Path(_file or "").read_text() or 0)
    except OSError:
        return _real()


if _file:
    time.time = _moved
