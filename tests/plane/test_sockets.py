"""A task's look-ups, made inside its namespace."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.plane.registry_world import ECR, ENDPOINT, ENI, Names, registry_world

from hiyoko.plane.containers.sockets import REFUSED_S, LookupFailed, look_up
from hiyoko.plane.process import run

LATE = IPv4Address("198.18.0.81")


async def test_a_resolver_that_is_about_to_listen_is_waited_for(tmp_path: Path) -> None:
    """After a power cut a task's interface may stand a moment before its resolver does."""
    loop = asyncio.get_running_loop()
    async with registry_world(tmp_path):
        await run("ip", "addr", "add", f"{LATE}/32", "dev", "lo")
        begun = loop.time()
        try:
            with pytest.raises(LookupFailed, match="refused"):
                await look_up(ENI, LATE, ECR)
            assert loop.time() - begun >= REFUSED_S
            asking = loop.create_task(look_up(ENI, LATE, ECR))
            await asyncio.sleep(0.1)
            assert not asking.done()
            names, _ = await loop.create_datagram_endpoint(Names, local_addr=(str(LATE), 53))
            try:
                assert await asking == [ENDPOINT]
            finally:
                names.close()
        finally:
            await run("ip", "addr", "del", f"{LATE}/32", "dev", "lo")
