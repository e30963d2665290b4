"""A step: one difference between blueprint and world, as a value that a plane can apply."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """Base of every plane's steps. ``str(step)`` is what reports and goldens show."""

    def __str__(self) -> str:
        """The step in words, from its class and fields."""
        return repr(self)
