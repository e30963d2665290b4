"""Serves a pair of sockets: reads questions, has them answered, sends answers.

UDP answers that are ready at once never leave the read loop; the others become tasks. A TCP client
may ask several questions, and is let go when it stays silent.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from hiyoko.plane.dns.sockets import IP_PKTINFO, Pair

BATCH = 64
"""Questions read at a time, so that one busy socket does not keep the others waiting."""
PACKET_MAX = 4096
TCP_IDLE_S = 10.0
TCP_CLIENTS_MAX = 200
ADDRESSES_MAX = 4096
"""As many as there are name servers on this internet, and some."""
WAITING_MAX = 2000
"""Questions under way per socket; beyond, new ones are dropped, as a full server does."""

_PKTINFO = struct.Struct("@i4s4s")
_ANCILLARY = socket.CMSG_SPACE(_PKTINFO.size)


class Answering(Protocol):
    """Answers a client's question that was sent to an address: now, later or never."""

    def __call__(
        self, wire: bytes, address: str, client: tuple[str, int], *, tcp: bool
    ) -> bytes | Awaitable[bytes | None] | None:
        """The answer, something to await it from, or None for no answer at all."""
        ...


@dataclass(slots=True)
class Service:
    """A served pair of sockets."""

    pair: Pair
    answering: Answering
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _clients: dict[asyncio.StreamWriter, None] = field(default_factory=dict)
    """Who has been silent longest is the first."""

    def start(self) -> None:
        """Begin to serve."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.pair.udp, self._read_udp)
        loop.add_reader(self.pair.tcp, self._accept)

    def stop(self) -> None:
        """Stop serving and close the sockets."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.pair.udp)
        loop.remove_reader(self.pair.tcp)
        for task in self._tasks:
            task.cancel()
        self.pair.close()

    def _read_udp(self) -> None:
        receive = self.pair.udp.recvmsg
        for _ in range(BATCH):
            try:
                wire, ancillary, _, client = receive(PACKET_MAX, _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                return  # an ICMP error of an earlier answer
            for _, kind, data in ancillary:
                if kind == IP_PKTINFO:
                    self._question(wire, data[4:8], client)

    def _question(self, wire: bytes, address: bytes, client: tuple[str, int]) -> None:
        answer = self.answering(wire, _text(address), client, tcp=False)
        if answer is None:
            return
        if isinstance(answer, bytes):
            self._send(answer, address, client)
        elif len(self._tasks) < WAITING_MAX:
            self._spawn(self._send_later(answer, address, client))
        elif asyncio.iscoroutine(answer):
            answer.close()

    async def _send_later(
        self, answer: Awaitable[bytes | None], address: bytes, client: tuple[str, int]
    ) -> None:
        wire = await answer
        if wire is not None:
            self._send(wire, address, client)

    def _send(self, wire: bytes, address: bytes, client: tuple[str, int]) -> None:
        try:
            self.pair.udp.sendmsg((wire,), _source(address), 0, client)
        except OSError:
            return  # lost, as packets are: the client asks again

    def _accept(self) -> None:
        try:
            client, _ = self.pair.tcp.accept()
        except OSError:
            return
        if len(self._clients) >= TCP_CLIENTS_MAX:
            # Nobody keeps the others out by being silent (RFC 7766, section 6.2.3).
            silent = next(iter(self._clients))
            del self._clients[silent]
            silent.transport.abort()
        client.setblocking(False)
        self._spawn(self._converse(client))

    async def _converse(self, client: socket.socket) -> None:
        address = client.getsockname()[0]
        try:
            peer = client.getpeername()
            reader, writer = await asyncio.open_connection(sock=client)
        except OSError:
            client.close()  # it has gone already
            return
        try:
            while True:
                self._clients.pop(writer, None)
                self._clients[writer] = None
                async with asyncio.timeout(TCP_IDLE_S):
                    size = int.from_bytes(await reader.readexactly(2))
                    wire = await reader.readexactly(size)
                answer = self.answering(wire, address, peer, tcp=True)
                if answer is not None and not isinstance(answer, bytes):
                    answer = await answer
                if answer is None:
                    return
                writer.write(len(answer).to_bytes(2) + answer)
                async with asyncio.timeout(TCP_IDLE_S):
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return
        finally:
            self._clients.pop(writer, None)
            writer.close()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@lru_cache(maxsize=ADDRESSES_MAX)
def _text(address: bytes) -> str:
    return socket.inet_ntoa(address)


@lru_cache(maxsize=ADDRESSES_MAX)
def _source(address: bytes) -> tuple[tuple[int, int, bytes], ...]:
    """The answer leaves from the address that was asked; the interface is the kernel's choice."""
    return ((socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(0, address, b"\0\0\0\0")),)
