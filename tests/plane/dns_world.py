"""The simulated internet's addresses for tests, and dig."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from hiyoko.plane.addresses import HEALTH_CHECKERS
from hiyoko.plane.dns.control import ask
from hiyoko.plane.process import run
from hiyoko.settings import Settings

RESOLVER = "198.18.0.53"


@pytest.fixture(scope="module", autouse=True)
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The infrastructure's addresses, and a resolv.conf for dig's own look-ups."""
    resolv = tmp_path_factory.mktemp("etc") / "resolv.conf"
    resolv.write_text(f"nameserver {RESOLVER}\n")
    commands = [
        "ip link set lo up",
        *(f"ip address replace 198.18.0.{n}/32 dev lo" for n in (1, 2, 53, 54, 80, 100)),
        *(f"ip address replace {address}/32 dev lo" for address in HEALTH_CHECKERS.values()),
        "ip route replace local 198.18.8.0/21 dev lo",
        f"mount --bind {resolv} /etc/resolv.conf",
    ]
    for command in commands:
        subprocess.run(command.split(), check=True)
    yield
    subprocess.run(["umount", "/etc/resolv.conf"], check=True)


async def stop(settings: Settings, how: signal.Signals) -> None:
    """End the process of this cloud, by its own word on which one it is."""
    answer = await ask(settings.run_dir, "status")
    assert answer is not None
    descriptor = os.pidfd_open(answer["pid"])
    signal.pidfd_send_signal(descriptor, how)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    async with asyncio.timeout(30):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


async def dig(*arguments: str, netns: str | None = None) -> str:
    return await run("dig", "+tries=1", "+time=10", *arguments, netns=netns)
