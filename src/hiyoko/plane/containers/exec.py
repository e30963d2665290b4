"""ECS Exec in a container: its agent's way to AWS, and a command on a terminal of its own.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html: commands run as root,
whichever user the container has.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios
import tty
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
from hiyoko.plane.containers.session_log import SessionLog

AGAIN_S = 5.0
"""Nothing tells that packets have a way now: it is tried."""
READ_BYTES = 4096
HANG_UP_S = 2.0
"""So long a command that was hung up may take to end."""
_MISSING = re.compile(r'exec: "(/[^"]*)": (?:stat [^:]*: )?(.*)')
"""A path that cannot be run."""


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
    """A command in a container, and our end of its terminal. ``log`` takes what it prints."""

    process: asyncio.subprocess.Process
    master: int
    log: SessionLog | None = None

    @classmethod
    async def open(
        cls, root: Path, cid: str, argv: list[str], log: SessionLog | None = None
    ) -> Terminal:
        """Start it. Why it does not run is said by :meth:`failure`."""
        master, slave = pty.openpty()
        os.set_blocking(master, False)
        make_raw(slave)
        try:
            process = await asyncio.create_subprocess_exec(
                # runc is told of another size by a signal to the terminal's own session.
                *("setsid", "--ctty", "--wait", program("runc"), f"--root={root}"),
                *("--log-format=json", "exec", "--tty"),
                *("--user", "0:0", "--env", "TERM=xterm-256color", cid, *argv),
                stdin=slave,
                stdout=slave,
                stderr=asyncio.subprocess.PIPE,
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        return cls(process, master, log)

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
                try:
                    await room.wait()
                finally:
                    loop.remove_writer(self.master)
            except OSError:
                return  # nobody reads any more

    async def read(self) -> bytes:
        """What was printed; empty when the command and all that it left there have ended."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = os.read(self.master, READ_BYTES)
            except BlockingIOError:
                some = asyncio.Event()
                loop.add_reader(self.master, some.set)
                try:
                    await some.wait()
                finally:
                    loop.remove_reader(self.master)
            except OSError:
                return b""  # EIO: the other end is closed
            else:
                if self.log is not None:
                    await self.log.write(data)
                return data

    async def failure(self) -> str:
        """Why it could not be started, in the words of AWS's agent; empty when it could."""
        assert self.process.stderr is not None
        said = await self.process.stderr.read()
        return start_failure(said.decode(errors="replace"))

    async def close(self) -> None:
        """Hang up; what goes on in spite of it is killed. The log is sent to its end."""
        os.close(self.master)
        try:
            async with asyncio.timeout(HANG_UP_S):
                await self.process.wait()
        except TimeoutError:
            self._kill()
            await self.process.wait()
        if self.log is not None:
            await self.log.close()

    def _kill(self) -> None:
        """End the command itself: runc, whose child it is, follows."""
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            for pid in (thread / "children").read_text().split():
                os.kill(int(pid), signal.SIGKILL)


def make_raw(descriptor: int) -> None:
    """Let keys through as they are: the terminal in the container echoes, and knows of control-C.

    runc does the same when the container's is there; keys may come before. Like runc it leaves the
    ends of lines to this one.
    """
    tty.setraw(descriptor)
    mode = termios.tcgetattr(descriptor)
    mode[1] |= termios.OPOST
    termios.tcsetattr(descriptor, termios.TCSANOW, mode)


def start_failure(log: str) -> str:
    """runc's refusal to start a command, as Go's os/exec tells it; empty where there is none."""
    for line in log.splitlines():
        try:
            message = str(json.loads(line)["msg"])
        except (ValueError, KeyError, TypeError):
            continue
        _, refused, why = message.partition("exec failed: unable to start container process: ")
        if refused:
            missing = _MISSING.fullmatch(why)
            words = f"fork/exec {missing[1]}: {missing[2]}" if missing is not None else why
            return f"Failed to start pty: {words}"
    return ""
