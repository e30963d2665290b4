"""What one activation of a reconciler did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from hiyoko.plane.error import NotYetError, PlaneError, words_of


@dataclass(slots=True)
class Report:
    """Steps done, steps refused by the world with its words, and whether sightings changed.

    ``again_s`` asks for another activation after so many seconds (a health check's interval);
    a refusal is always tried again. Those of ``waiting`` ask for what another one is about to make.
    """

    steps: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    saw_change: bool = False
    again_s: float | None = None
    waiting: set[str] = field(default_factory=set)

    @property
    def quiet(self) -> bool:
        """True when there was nothing to do: the world already is what was wished."""
        return not self.steps and not self.refusals and not self.saw_change

    @contextmanager
    def attempt(self, step: object) -> Iterator[None]:
        """Note the step as done, or as refused when the world says no to what is in the block.

        A disk that is full says no to any step that writes; the other steps go on.
        """
        try:
            yield
        except (PlaneError, OSError) as error:
            self.refusals[str(step)] = words_of(error)
            if isinstance(error, NotYetError):
                self.waiting.add(str(step))
        else:
            self.steps.append(str(step))

    @contextmanager
    def refusing(self, attempt: str) -> Iterator[None]:
        """Note the world's no to an attempt that is no step (a look); success is not noted."""
        try:
            yield
        except (PlaneError, OSError) as error:
            self.refusals[attempt] = words_of(error)


class Reconciler(Protocol):
    """One promise. ``name`` is shown in reports and in ``cloud status``."""

    @property
    def name(self) -> str:
        """A short name, the module's."""
        ...

    async def activate(self) -> Report:
        """Compare all with all, take the steps, record what is there."""
        ...
