"""A look at a real HAProxy reads what may have changed, and the whole of it in time.

Counted, not timed: ``looks.whole`` and ``looks.asked``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.plane.balancer_world import ENI, GOOD, GROUP, Place, group, node, place, target

from hiyoko.blueprint.balancers import BalancerNode, TargetGroup
from hiyoko.plane.balancer.events import Events
from hiyoko.plane.balancer.looking import WHOLE_S
from hiyoko.plane.balancer.master import MASTER_SOCKET
from hiyoko.plane.balancer.names import backend_name
from hiyoko.plane.balancer.nodes import BalancerPlane, ChangeServers, steps
from hiyoko.plane.balancer.observe import NodeObserved, ServerSeen, parse_info
from hiyoko.plane.balancer.render import render_haproxy
from hiyoko.plane.balancer.socket import ask, ask_worker
from hiyoko.plane.error import PlaneError

__all__ = ["place"]

OTHERS = 8


def arn(number: int) -> str:
    return GROUP.replace("/web/", f"/web{number}/")


def others() -> list[TargetGroup]:
    """Groups of which nothing is ever news: their targets answer."""
    return [group(replace(GOOD, port=9002), arn=arn(number)) for number in range(OTHERS)]


class Look:
    """A plane that hears, its clock, and what is wished of it."""

    def __init__(self, place: Place) -> None:
        self.place, self.at, self.woken = place, 100.0, asyncio.Event()
        events = Events(place.plane.directory, self.woken.set)
        self.plane = place.plane = BalancerPlane(place.plane.directory, events=events)
        self.plane.looks.now = lambda: self.at

    @property
    def counts(self) -> tuple[int, int]:
        return self.plane.looks.whole, self.plane.looks.asked

    async def observe(self) -> NodeObserved:
        self.woken.clear()
        return (await self.plane.observe())[ENI]

    async def worker(self) -> str:
        """The pid of the current worker; empty while none answers."""
        try:
            return parse_info(await self.tell("show info")).get("Pid", "")
        except PlaneError:
            return ""

    def lose(self) -> None:
        """What the node has said by now never came."""
        assert self.plane.events is not None
        self.plane.events.told()

    async def server(self) -> ServerSeen:
        return (await self.observe()).servers[backend_name(GROUP), "10.0.0.10:9001"]

    async def tell(self, command: str) -> str:
        """What a stranger tells the worker."""
        return await ask_worker(self.plane.directory / ENI / MASTER_SOCKET, [command])

    async def settle(self, wish: BalancerNode, count: int) -> None:
        """Until all targets are in use, and nothing is left to be done or told."""
        await self.place.become(wish)
        async with asyncio.timeout(30):
            while sum(seen.up for seen in (await self.observe()).servers.values()) < count:
                await self.place.step()
                await asyncio.sleep(0.05)
            while await self.place.step() or self.woken.is_set():
                await self.observe()
                await asyncio.sleep(0.2)


@pytest.fixture
async def look(place: Place) -> AsyncIterator[Look]:
    plain, made = place.plane, Look(place)
    assert made.plane.events is not None
    try:
        async with target(9001, "one"), target(9002, "others"):
            await made.settle(node(group(GOOD), *others()), OTHERS + 1)
            yield made
    finally:
        made.plane.events.close()
        place.plane = plain


async def test_one_targets_news_are_one_backend_however_many_there_are(look: Look) -> None:
    whole, asked = look.counts
    before = await look.observe()
    assert look.counts == (whole, asked)
    await look.tell(f"set server {backend_name(GROUP)}/10.0.0.10:9001 health down")
    async with asyncio.timeout(10):
        await look.woken.wait()
        assert not (await look.server()).up
        assert look.counts == (whole, asked + 1)
        up = False
        while not up:  # it is asked for until it is settled again, whatever gets lost
            await asyncio.sleep(0.1)
            look.lose()
            up = (await look.server()).up
    assert look.counts[0] == whole
    after = await look.observe()
    assert after.servers.keys() == before.servers.keys()
    assert (after.digest, after.written, after.ports) == (
        before.digest,
        before.written,
        before.ports,
    )


async def test_what_a_node_was_told_is_looked_at_and_its_file_read(look: Look) -> None:
    whole, asked = look.counts
    wish = node(group(GOOD, replace(GOOD, port=9003)), *others())
    look.place.wished = {ENI: (wish, render_haproxy(wish, look.place.paths))}
    (step,) = steps(look.place.wished, await look.plane.observe())
    assert isinstance(step, ChangeServers)
    await look.plane.apply(step)
    look.lose()
    seen = await look.observe()
    assert (backend_name(GROUP), "10.0.0.10:9003") in seen.servers
    assert steps(look.place.wished, {ENI: seen}) == []
    assert look.counts == (whole, asked + 1)


async def test_what_a_stranger_has_done_without_a_word_is_seen_in_time(look: Look) -> None:
    await look.tell(f"set server {backend_name(GROUP)}/10.0.0.10:9001 weight 0")
    look.lose()
    assert (await look.server()).weight == 1
    look.at += WHOLE_S
    assert (await look.server()).weight == 0
    async with asyncio.timeout(10):
        while not (seen := await look.server()).up:
            await look.place.step()
            await asyncio.sleep(0.1)
    assert seen.weight == 1


async def test_another_worker_is_looked_at_as_a_whole(look: Look) -> None:
    whole, _ = look.counts
    before = await look.worker()
    await ask(look.plane.directory / ENI / MASTER_SOCKET, "reload")
    async with asyncio.timeout(10):
        now = before
        while now in ("", before):
            await asyncio.sleep(0.05)
            now = await look.worker()
    look.lose()
    assert len((await look.observe()).servers) == OTHERS + 1
    assert look.counts[0] == whole + 1
