"""How far back: ``30s``, ``10m``, ``2h``, ``1d``."""

from __future__ import annotations

import re

from hiyoko.cli.errors import CommandError

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """The duration that ``--since`` tells. Raises CommandError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise CommandError(f"--since {text}: write a number and a unit, as 30s, 10m, 2h, 1d", 2)
    return int(match[1]) * UNITS_S[match[2]]
