from __future__ import annotations

import asyncio

import pytest

from hiyoko.clock import SystemClock
from hiyoko.gateway import outgoing
from hiyoko.gateway.agent_message import SYN, AgentMessage, Payload
from hiyoko.gateway.outgoing import Outgoing


class Wire:
    """What was sent, and one who waits for it."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[AgentMessage] = asyncio.Queue()
        self.outgoing = Outgoing(self.send, SystemClock())

    async def send(self, frame: bytes) -> None:
        self.messages.put_nowait(AgentMessage.decode(frame))

    async def next(self) -> AgentMessage:
        async with asyncio.timeout(10):
            return await self.messages.get()


async def test_the_oldest_comes_again_until_it_is_acknowledged() -> None:
    wire = Wire()
    async with asyncio.timeout(20):
        repeating = asyncio.create_task(wire.outgoing.repeat())
        for word in (b"a", b"b"):
            await wire.outgoing.put(Payload.OUTPUT, word)
        first, second = await wire.next(), await wire.next()
        assert [(one.sequence, one.flags, one.payload) for one in (first, second)] == [
            (0, SYN, b"a"),
            (1, 0, b"b"),
        ]
        assert await wire.next() == first
        assert await wire.next() == first
        await wire.outgoing.acknowledged(0)
        await wire.outgoing.acknowledged(7)  # nobody said that
        assert await wire.next() == second
        drained = asyncio.create_task(wire.outgoing.drained())
        await wire.outgoing.acknowledged(1)
        await drained
        repeating.cancel()
    assert wire.messages.empty()


async def test_who_acknowledges_nothing_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "KEPT_MAX", 2)
    wire = Wire()
    for word in (b"a", b"b"):
        await wire.outgoing.put(Payload.OUTPUT, word)
    third = asyncio.create_task(wire.outgoing.put(Payload.OUTPUT, b"c"))
    await asyncio.sleep(0)
    assert wire.messages.qsize() == 2
    await wire.outgoing.acknowledged(0)
    await third
    assert [(await wire.next()).payload for _ in range(3)] == [b"a", b"b", b"c"]
