"""Where a container's output goes; part of ``model``, through which others know it."""

from __future__ import annotations

from dataclasses import dataclass

ROUTED = "awsfirelens"
"""The driver of containers whose output goes to their task's log router."""


@dataclass(frozen=True, slots=True)
class LogConfiguration:
    """A driver and its options; ``secrets`` are options with the ARN or name of their value."""

    driver: str
    options: tuple[tuple[str, str], ...]
    secrets: tuple[tuple[str, str], ...] = ()

    def option(self, name: str, default: str = "") -> str:
        """An option's value."""
        return dict(self.options).get(name, default)

    @property
    def routed(self) -> bool:
        """Whether it goes to the task's log router."""
        return self.driver == ROUTED


@dataclass(frozen=True, slots=True)
class FirelensConfiguration:
    """Which log router a container is (fluentbit or fluentd), and its options."""

    kind: str
    options: tuple[tuple[str, str], ...] = ()

    def option(self, name: str, default: str = "") -> str:
        """An option's value."""
        return dict(self.options).get(name, default)
