"""How the daemon starts the driver and tells it of a container."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.background import Names
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import noted_pid, run
from hiyoko.plane.silent import Silent, kill, patiently

logger = logging.getLogger("hiyoko.plane.log_driver")

MODULE = "hiyoko.plane.log_driver"
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
                *(sys.executable, "-m", MODULE),
                *("--tasks", str(self.tasks), "--directory", str(self.directory)),
            )
            if not self._tell(told):
                raise PlaneError(f"the log driver does not run; see {self.directory / NAMES.log}")

    def pid(self) -> int | None:
        """The driver's process, if there is one."""
        return noted_pid(self.directory / NAMES.lock, MODULE)

    async def replace_silent(self) -> None:
        """Ask the driver whether it still works; one that says nothing is ended, so that its end
        is heard and it is started anew. Raises PlaneError.
        """
        try:
            await patiently(self._ask)
        except Silent as error:
            pid = self.pid()
            logger.warning("end the log driver: %s", error)
            await kill([pid] if pid is not None else [], "the log driver")

    async def _ask(self, timeout_s: float) -> None:
        """Return when it has answered, or is not there to be asked. Raises PlaneError, Silent."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            try:
                place = os.open(self.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    sock.bind("")  # a name of the kernel's choice, which an answer is sent to
                    sock.connect(f"/proc/self/fd/{place}/{NAMES.socket}")
                finally:
                    os.close(place)
                async with asyncio.timeout(timeout_s):
                    await loop.sock_sendall(sock, b"")
                    await loop.sock_recv(sock, 1)
            except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
                return  # it has ended: whoever has logs to send starts it
            except TimeoutError as error:
                text = f"ask the log driver: no answer within {timeout_s:g} s"
                raise Silent(text) from error
            except OSError as error:
                raise PlaneError(f"ask the log driver: {error}") from error

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
