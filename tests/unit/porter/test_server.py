"""The porter's process: it answers clearly, stays small, and ends with the keeper."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hiyoko.plane.containers.blobs import BuildFailed
from hiyoko.porter.client import PorterClient

RESIDENT_KB_MAX = 20_000


@dataclass
class Running:
    keeper: subprocess.Popen[bytes]
    porter: subprocess.Popen[bytes]
    run_dir: Path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    # Longer than the 108 bytes that a socket's path may have.
    state_dir = tmp_path / ("long" * 30)
    keeper = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    porter = subprocess.Popen(
        [
            *(sys.executable, "-m", "hiyoko.porter"),
            *("--state-dir", str(state_dir), "--keeper-pid", str(keeper.pid)),
        ]
    )
    try:
        yield Running(keeper, porter, state_dir / "run")
    finally:
        keeper.kill()
        keeper.communicate()
        porter.wait(10)


async def ask(running: Running, name: str) -> None:
    async with asyncio.timeout(20):
        while not (running.run_dir / "porter.sock").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await PorterClient(running.run_dir).build(name)


async def test_an_unknown_image_is_refused_to_everyone_who_asks(running: Running) -> None:
    answers = await asyncio.gather(
        *(ask(running, "nonesuch") for _ in range(3)), return_exceptions=True
    )
    assert [str(one) for one in answers] == ["there is no recipe for an image named 'nonesuch'"] * 3
    status = await asyncio.to_thread(Path(f"/proc/{running.porter.pid}/status").read_text)
    assert int(status.partition("VmRSS:")[2].split()[0]) < RESIDENT_KB_MAX
    mode = (running.run_dir / "porter.sock").lstat().st_mode
    assert stat.S_IMODE(mode) & 0o077 == 0


async def test_it_ends_with_the_keeper(running: Running) -> None:
    with pytest.raises(BuildFailed):
        await ask(running, "nonesuch")
    running.keeper.kill()
    assert await asyncio.to_thread(running.porter.wait, 10) == 0
    with pytest.raises(BuildFailed, match="does not answer"):
        await PorterClient(running.run_dir).build("nginx")
