"""The awsfirelens driver's destination: the socket on which the task's own log router listens.

Whoever is there is other people's code: nothing it does may lead to a socket that is not its own.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_firelens.html
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
import struct
import sys
import termios
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.log_driver.batches import Batch, Limits
from hiyoko.plane.log_driver.forward import Source, acknowledgement, chunk_of, forward
from hiyoko.plane.log_driver.order import Order, RouterOrder
from hiyoko.plane.log_driver.sender import Denied

SOCKET = "fluent.sock"
ANSWER_TIMEOUT_S = 10.0
LIMITS = Limits(
    # A message has to fit into the buffer of a router: Fluent Bit's has room for 6 MB.
    bytes_max=1 << 21,
    events_max=16_384,
    # What Docker's and containerd's shims read of a line at a time.
    message_bytes_max=16_384,
    # Members of a record, and their names.
    overhead_bytes=160,
)


@dataclass(slots=True)
class RouterSender:
    """Speaks Forward to the router; what is not acknowledged is sent again, as the same chunk."""

    order: RouterOrder
    limits: Limits = LIMITS
    back_off_s: tuple[float, ...] = (0.2, 0.5, 1.0)
    """To ask costs no packet; Docker's driver asks once a second, too."""
    last_attempts: int = 8
    """A router that is started again takes a while."""
    _reader: asyncio.StreamReader | None = field(default=None)
    _writer: asyncio.StreamWriter | None = field(default=None)
    _silent: bool = False

    def renew(self, order: Order) -> None:
        """Go on to this router."""
        assert isinstance(order, RouterOrder), "a container keeps its driver"
        self.order = order

    async def put(self, batch: Batch, name: str) -> str:
        """Have a batch taken. Raises Denied."""
        chunk = chunk_of(name)
        asks = self.order.acknowledges and not self._silent
        source = Source(self.order.cid, self.order.name)
        message = forward(self.order.tag, source, batch, chunk, asks=asks)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = await self._connection()
                writer.write(message)
                await writer.drain()
                if asks:
                    await _acknowledged(reader, acknowledgement(chunk))
        except TimeoutError as error:
            if asks and self._all_read():
                self._be_content()
                return ""
            self.close()
            raise Denied(f"{self.order.router} takes nothing") from error
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise Denied(f"{self.order.router}: {type(error).__name__}: {error}") from error
        return ""

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            sock = await _connected(Path(self.order.directory) / SOCKET)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=sock)
            # What is drained is the kernel's.
            self._writer.transport.set_write_buffer_limits(0)
        return self._reader, self._writer

    def _all_read(self) -> bool:
        """Whether the router has read all that it was sent."""
        if self._writer is None:
            return False
        sock = self._writer.get_extra_info("socket")
        left = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
        return struct.unpack("i", left) == (0,)

    def _be_content(self) -> None:
        """It reads and never answers: to send again what it may well have would double it."""
        self._silent = True
        print(
            f"{self.order.cid}: {self.order.router} acknowledges nothing",
            file=sys.stderr,
            flush=True,
        )

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None
        self._silent = False


async def _connected(path: Path) -> socket.socket:
    """A connection to the socket at this very place, not to what a link there leads to."""
    place = _place(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, f"/proc/self/fd/{place}")
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(place)
    return sock


def _place(path: Path) -> int:
    """A handle of the socket. Raises OSError, or ValueError when there is something else."""
    place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISSOCK(os.fstat(place).st_mode):
        os.close(place)
        raise ValueError(f"{path.name} is no socket")
    return place


async def _acknowledged(reader: asyncio.StreamReader, wanted: bytes) -> None:
    """Wait for this answer. Raises EOFError, or ValueError for another one."""
    said = await reader.readexactly(len(wanted))
    if said != wanted:
        raise ValueError(f"it acknowledged {said!r}")
