"""A site's clients, who note every request that failed: ``python load.py URL CONNECTIONS``.

Runs inside the world (``hiyoko run``). Each connection asks again as soon as it is answered, and
stays open as long as the server keeps it; not more often than every PACE_S, so that there is
something left of two cores for what is tested. A client that is refused by one address of a name
tries the next, as browsers and curl do; anything else than a whole 200 is a failed request. It ends
when its standard input does; a line there is answered with a line once every connection has been
served since. Its last line is what happened, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 10.0
PACE_S = 0.05


@dataclass
class Crowd:
    """All connections together."""

    url: str
    failed: list[tuple[float, str]] = field(default_factory=list)
    answered: int = 0
    refused: int = 0
    served_by: dict[int, float] = field(default_factory=dict)
    turned: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, number: int) -> None:
        """One connection's life, and the next one's."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        context = ssl.create_default_context() if parts.scheme == "https" else None
        request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    reader, writer = await self._connect(host, port, context)
            except (OSError, TimeoutError, ssl.SSLError) as error:
                self._fail(f"connect: {error!r}")
                await asyncio.sleep(0.01)
                continue
            try:
                another = True
                while another:
                    another = await self._once(number, reader, writer, request)
                    await asyncio.sleep(PACE_S)
            except (OSError, TimeoutError, EOFError, ValueError) as error:
                self._fail(repr(error))
            finally:
                writer.transport.abort()

    async def _connect(
        self, host: str, port: int, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, family=socket.AF_INET, type=socket.SOCK_STREAM
        )
        addresses = sorted({str(one[4][0]) for one in found})
        random.shuffle(addresses)
        for address in addresses[:-1]:
            try:
                return await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=host if context else None
                )
            except ConnectionRefusedError:
                self.refused += 1
        return await asyncio.open_connection(
            addresses[-1], port, ssl=context, server_hostname=host if context else None
        )

    async def _once(
        self,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: bytes,
    ) -> bool:
        """One request; whether another may follow."""
        async with asyncio.timeout(PATIENCE_S):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            await reader.readexactly(length)
        status = head.split(" ", 2)[1]
        if status == "200":
            self.answered += 1
            self.served_by[number] = time.monotonic()
            self.turned.set()
        else:
            self._fail(status)
        return "connection: close" not in head

    def _fail(self, why: str) -> None:
        self.failed.append((time.monotonic(), why))

    async def all_served(self, count: int) -> None:
        """Return when every connection has had an answer from now on."""
        since = time.monotonic()
        while not all(self.served_by.get(number, 0) > since for number in range(count)):
            self.turned.clear()
            await self.turned.wait()


async def main(url: str, count: int) -> None:
    """Until standard input ends."""
    crowd = Crowd(url)
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    connections = [asyncio.create_task(crowd.ask(number)) for number in range(count)]

    def say(**more: Any) -> None:
        print(json.dumps(more), flush=True)

    while await lines.readline():
        await crowd.all_served(count)
        say(at=time.monotonic(), answered=crowd.answered, failed=len(crowd.failed))
    for connection in connections:
        connection.cancel()
    say(answered=crowd.answered, refused=crowd.refused, failed=crowd.failed)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
