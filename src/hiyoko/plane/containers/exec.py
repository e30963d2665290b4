"""ECS Exec in a container: its agent's way to AWS, and a command on a terminal of its own.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html: commands run as root,
whichever user the container has.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from hiyoko.blueprint.tasks import Task
from hiyoko.clock import Clock
from hiyoko.plane.containers import sockets
from hiyoko.plane.containers.directory import ContainerDirectory
from hiyoko.plane.containers.pull import CONNECT_TIMEOUT_S
from hiyoko.plane.containers.runtime import program

AGAIN_S = 5.0
"""Nothing tells that packets have a way now: it is tried."""
READ_BYTES = 4096


async def watch_agent(
    task: Task, files: ContainerDirectory, trust: Path, wake: Callable[[], None], clock: Clock
) -> None:
    """Until the task's packets have reached Session Manager: then its agent is there."""
    url = f"https://ssmmessages.{task.region}.amazonaws.com/"
    names = sockets.TaskResolver(task.eni_id, task.resolver)
    async with sockets.session(task.eni_id, names, trust, CONNECT_TIMEOUT_S) as client:
        while True:
            try:
                async with client.get(url):
                    break  # any answer is one
            except aiohttp.ClientError:
                await asyncio.sleep(AGAIN_S)
    files.mark_agent(clock.now())
    wake()


@dataclass(slots=True)
class Terminal:
    """A command in a container, and our end of its terminal."""

    process: asyncio.subprocess.Process
    master: int

    @classmethod
    async def open(cls, root: Path, cid: str, argv: list[str]) -> Terminal:
        """Start it. What can't be started says so on the terminal, as runc puts it."""
        master, slave = pty.openpty()
        os.set_blocking(master, False)
        try:
            process = await asyncio.create_subprocess_exec(
                # runc is told of another size by a signal to the terminal's own session.
                *("setsid", "--ctty", "--wait", program("runc"), f"--root={root}", "exec", "--tty"),
                *("--user", "0:0", "--env", "TERM=xterm-256color", cid, *argv),
                stdin=slave,
                stdout=slave,
                stderr=slave,
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        return cls(process, master)

    def resize(self, columns: int, rows: int) -> None:
        """Another size."""
        size = struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    async def write(self, data: bytes) -> None:
        """Keys that were pressed."""
        loop = asyncio.get_running_loop()
        while data:
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                room = asyncio.Event()
                loop.add_writer(self.master, room.set)
                await room.wait()
                loop.remove_writer(self.master)
            except OSError:
                return  # nobody reads any more

    async def read(self) -> bytes:
        """What was printed; empty when the command and all that it left there have ended."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return os.read(self.master, READ_BYTES)
            except BlockingIOError:
                some = asyncio.Event()
                loop.add_reader(self.master, some.set)
                try:
                    await some.wait()
                finally:
                    loop.remove_reader(self.master)
            except OSError:
                return b""  # EIO: the other end is closed

    async def close(self) -> int:
        """Hang up; the command's exit status."""
        os.close(self.master)
        return await self.process.wait()
