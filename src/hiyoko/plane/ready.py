"""Processes of their own: started apart from the daemon, awaited and ended without polling."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import spawn_detached


async def spawn_ready(*argv: str, what: str, log: Path, timeout_s: float) -> None:
    """Start a program that outlives the daemon, and wait until it says that it serves.

    It gets ``--ready SOCKET`` and connects to that socket. Raises PlaneError when it ends before,
    or does not within ``timeout_s``.
    """
    said: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def settle(ready: bool) -> None:
        if not said.done():
            said.set_result(ready)

    def on_ready(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        settle(True)
        writer.close()

    with tempfile.TemporaryDirectory(prefix="hiyoko-") as directory:
        ready = Path(directory) / "ready"
        async with await asyncio.start_unix_server(on_ready, str(ready)):
            pid = await spawn_detached(*argv, "--ready", str(ready), log=log)
            with when_ended(pid, partial(settle, False)):
                try:
                    async with asyncio.timeout(timeout_s):
                        started = await said
                except TimeoutError:
                    started = False
    if not started:
        raise PlaneError(f"start {what}: it ended or took too long, see {log}")


async def end(pid: int, what: str, timeout_s: float = 10.0) -> None:
    """Ask a process to end (SIGTERM), and wait until it has. Raises PlaneError when it does not."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    if not await wait_end(pid, timeout_s):
        raise PlaneError(f"end {what} {pid}: still there after {timeout_s:g} s")


async def wait_end(pid: int, timeout_s: float | None) -> bool:
    """Wait for a process that is not our child to end; False when it did not in time."""
    ended = asyncio.Event()
    with when_ended(pid, ended.set):
        try:
            async with asyncio.timeout(timeout_s):
                await ended.wait()
        except TimeoutError:
            return False
    return True


@contextmanager
def when_ended(pid: int, call: Callable[[], None]) -> Iterator[None]:
    """Call back when the process ends while the block lasts (at once when it already has)."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        call()
        yield
        return
    loop.add_reader(descriptor, call)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
