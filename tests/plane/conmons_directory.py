"""A container's directory as conmon makes it, with a process in conmon's place."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from hiyoko.plane.log_driver.control import LogDriverPlane
from hiyoko.plane.log_driver.order import LOG
from hiyoko.settings import Settings


class ConmonsDirectory:
    """What the log driver finds; whoever has it writes the order."""

    def __init__(self, settings: Settings) -> None:
        self.directory = settings.task_dir / "1" / "web"
        self.directory.mkdir(parents=True)
        self.log = self.directory / LOG
        self.log.touch()
        self.driver = LogDriverPlane(settings.task_dir, settings.run_dir / "log_driver")
        self.monitor: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        self.monitor = await asyncio.create_subprocess_exec("sh", "-c", "read x", "cid-1", stdin=-1)
        (self.directory / "conmon.pid").write_text(str(self.monitor.pid))
        await self.driver.take(self.directory)

    async def end(self) -> None:
        assert self.monitor is not None
        self.monitor.kill()
        await self.monitor.wait()

    def print(self, *messages: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000+00:00")
        with self.log.open("a") as file:
            file.write("".join(f"{stamp} stdout F {message}\n" for message in messages))
