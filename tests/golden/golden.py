"""Goldens: text kept in a file beside the tests, and time and ids that stand still.

``HIYOKO_GOLDEN=rewrite`` writes the files anew; the difference is then reviewed like code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def check_golden(name: str, text: str) -> None:
    """Compare with ``tests/golden/NAME``, or write it when asked to."""
    path = HERE / name
    if os.environ.get("HIYOKO_GOLDEN") == "rewrite":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{path} differs; HIYOKO_GOLDEN=rewrite writes it anew"


def drawn(value: Any, name: str = "", depth: int = 0) -> str:
    """A blueprint as text: one line per thing, nested ones indented."""
    pad = "  " * depth
    if isinstance(value, tuple) and any(is_dataclass(item) for item in value):
        body = "".join(drawn(item, "", depth + 1) for item in value)
        return f"{pad}{name}:\n{body}"
    if is_dataclass(value) and not isinstance(value, type):
        members = {f.name: getattr(value, f.name) for f in fields(value)}
        nested = {
            key: member
            for key, member in members.items()
            if isinstance(member, tuple) and any(is_dataclass(item) for item in member)
        }
        flat = " ".join(f"{key}={_short(v)}" for key, v in members.items() if key not in nested)
        rest = "".join(drawn(member, key, depth + 1) for key, member in nested.items())
        return f"{pad}{type(value).__name__} {flat}".rstrip() + f"\n{rest}"
    return f"{pad}{name}={_short(value)}\n"


def _short(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        inner = " ".join(f"{f.name}={_short(getattr(value, f.name))}" for f in fields(value))
        return f"{type(value).__name__}({inner})"
    if isinstance(value, tuple):
        return "[" + " ".join(_short(item) for item in value) + "]"
    return str(value)


@dataclass
class CountingIds:
    """Ids that count up from 1."""

    last: int = field(default=0)

    def hex(self, digits: int) -> str:
        """The next number in hexadecimal."""
        self.last += 1
        return f"{self.last:0{digits}x}"

    def digits(self, count: int) -> str:
        """The next number, after a 1."""
        self.last += 1
        return "1" + f"{self.last:0{count - 1}d}"

    def uuid(self) -> str:
        """The next number as a UUID."""
        self.last += 1
        return f"00000000-0000-4000-8000-{self.last:012d}"


@dataclass
class FixedClock:
    """A clock that moves only when told."""

    time: float = 1_700_000_000.0

    def now(self) -> float:
        """The time it was set to."""
        return self.time
