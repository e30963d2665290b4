"""How the daemon starts the driver and tells it of a container."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.background import Names
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import command_line, run

NAMES = Names(lock="lock", socket="socket", log="log")


@dataclass(frozen=True, slots=True)
class LogDriverPlane:
    """This cloud's log driver. ``tasks`` holds the tasks' directories."""

    tasks: Path
    directory: Path
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)

    async def take(self, container: Path | None = None) -> None:
        """See that the driver runs, and that it sends the log in this directory.

        Raises PlaneError.
        """
        told = b"" if container is None else os.fsencode(container.relative_to(self.tasks))
        async with self._starting:
            if self._tell(told):
                return
            await run(
                *(sys.executable, "-m", "hiyoko.plane.log_driver"),
                *("--tasks", str(self.tasks), "--directory", str(self.directory)),
            )
            if not self._tell(told):
                raise PlaneError(f"the log driver does not run; see {self.directory / NAMES.log}")

    def pid(self) -> int | None:
        """The driver's process, if there is one."""
        try:
            pid = int((self.directory / NAMES.lock).read_text())
        except (OSError, ValueError):
            return None
        return pid if "hiyoko.plane.log_driver" in command_line(pid) else None

    def _tell(self, message: bytes) -> bool:
        try:
            place = os.open(self.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(message, f"/proc/self/fd/{place}/{NAMES.socket}")
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError as error:
            raise PlaneError(f"tell the log driver: {error}") from error
        finally:
            os.close(place)
        return True
