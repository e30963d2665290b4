"""What the client of a data channel is told in order: numbered, and kept until it acknowledges it.

A client may drop what it is not ready for and count on getting it again:
https://github.com/aws/session-manager-plugin acknowledges no output before its shell has begun,
which is some time after the handshake is complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hiyoko.clock import Clock
from hiyoko.gateway.agent_message import OUTPUT, SYN, AgentMessage

KEPT_MAX = 1000
"""So many may be unacknowledged; then the command waits, as for a terminal that is slow."""
AGAIN_S, AGAIN_MAX_S = 0.2, 1.0
"""The first and the longest wait for an acknowledgement; AWS's agent has the same ones."""


@dataclass(slots=True)
class Outgoing:
    """The stream of one channel. ``send`` writes a frame."""

    send: Callable[[bytes], Awaitable[None]]
    clock: Clock
    _sent: int = 0
    _kept: dict[int, bytes] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, payload_type: int, payload: bytes) -> None:
        """Send the next message, once there is room for it."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._kept) < KEPT_MAX)
            flags = 0 if self._sent else SYN
            created = int(self.clock.now() * 1000)
            message = AgentMessage(OUTPUT, self._sent, payload_type, payload, created, flags)
            frame = self._kept[self._sent] = message.encode()
            self._sent += 1
            self._changed.notify_all()
        await self.send(frame)

    async def acknowledged(self, sequence: int) -> None:
        """The client has it."""
        async with self._changed:
            if self._kept.pop(sequence, None) is not None:
                self._changed.notify_all()

    async def drained(self) -> None:
        """Until the client has everything."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._kept)

    async def repeat(self) -> None:
        """Send the oldest message again, and again, for as long as it is not acknowledged."""
        while True:
            oldest, wait_s = self._oldest(), AGAIN_S
            while not await self._passed(oldest, wait_s):
                await self.send(self._kept[oldest])
                wait_s = min(2 * wait_s, AGAIN_MAX_S)

    def _oldest(self) -> int:
        return next(iter(self._kept), self._sent)

    async def _passed(self, oldest: int, wait_s: float) -> bool:
        """Whether this message is acknowledged in this time; one not sent yet has all the time."""
        there = oldest in self._kept
        try:
            async with asyncio.timeout(wait_s if there else None), self._changed:
                await self._changed.wait_for(lambda: (oldest in self._kept) != there)
        except TimeoutError:
            return oldest not in self._kept
        return True
