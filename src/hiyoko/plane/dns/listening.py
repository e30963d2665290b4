"""Sockets in other namespaces: opened where the namespace stands, closed where it does no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import identity
from hiyoko.plane.process import NETNS_DIR

Stop = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be open in a namespace. ``purpose`` tells it from what was wanted before.

    ``make`` opens it, and gives what closes it again; it raises PlaneError.
    """

    purpose: tuple[str, ...]
    make: Callable[[Path], Stop]


@dataclass(frozen=True, slots=True)
class _Open:
    purpose: tuple[str, ...]
    namespace: tuple[int, int]
    stop: Stop


@dataclass(slots=True)
class Listening:
    """What is open, by the namespace's name, and why the rest of what is wanted is not."""

    open: dict[str, _Open] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def settle(self, wanted: Mapping[str, Wanted]) -> None:
        """Open what is missing, after closing what is too much or in a namespace that is gone."""
        for name, one in list(self.open.items()):
            entry, there = wanted.get(name), identity(NETNS_DIR / name)
            if entry is None or (entry.purpose, there) != (one.purpose, one.namespace):
                one.stop()
                del self.open[name]
        self.refused = {}
        for name in wanted.keys() - self.open.keys():
            self._open(name, wanted[name])

    def _open(self, name: str, entry: Wanted) -> None:
        namespace = NETNS_DIR / name
        there = identity(namespace)
        if there is None:
            self.refused[name] = "its namespace is not there yet"
            return
        try:
            stop = entry.make(namespace)
        except PlaneError as error:
            self.refused[name] = str(error)
            return
        self.open[name] = _Open(entry.purpose, there, stop)
