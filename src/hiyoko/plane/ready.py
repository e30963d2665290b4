"""Processes that say when they serve: started apart from the daemon, awaited without polling."""

from __future__ import annotations

import asyncio
import os
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
