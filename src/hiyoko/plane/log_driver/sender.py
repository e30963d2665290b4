"""What a container's log is sent by, whichever its destination is."""

from __future__ import annotations

from typing import Protocol

from hiyoko.plane.log_driver.batches import Batch, Limits
from hiyoko.plane.log_driver.order import Order


class Denied(Exception):
    """The task's own fault: its packets find no way, or its router is not there."""


class Away(Exception):
    """There is a way, but nobody at its end who could take anything just now."""


class Sender(Protocol):
    """One container's way to its destination, which is opened when it is needed."""

    @property
    def limits(self) -> Limits:
        """What one batch may carry."""
        ...

    @property
    def back_off_s(self) -> tuple[float, ...]:
        """How long to wait after each attempt; the last one is repeated."""
        ...

    @property
    def last_attempts(self) -> int:
        """So often an ended container's log tries to find a way."""
        ...

    def renew(self, order: Order) -> None:
        """Go on with what the daemon says now."""
        ...

    async def put(self, batch: Batch, name: str) -> str:
        """Have a batch taken, once for its name; why not, when it never will be.

        Raises Denied or Away.
        """
        ...

    def close(self) -> None:
        """Close the connection, if there is one."""
        ...
