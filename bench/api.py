"""How many API calls a second: the gateway against a bare aiohttp server, in one run.

    python bench/api.py                        an in-process gateway, store on disk
    python bench/api.py http://127.0.0.1:4566  a running cloud (then without the ratio's context)

The small call is DescribeLoadBalancers where elbv2 has it, GetCallerIdentity otherwise. Clients
run in processes of their own; on two cores they share the machine with the server, as users' do.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import multiprocessing
import pkgutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

HEAD = (
    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
    "X-Amz-Date: 20260102T030405Z\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAX/20260102/ap-northeast-1/{scope}/aws4_request,"
    " SignedHeaders=content-type;host;x-amz-date, Signature={signature}\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)
DESCRIBE = ("elasticloadbalancing", "Action=DescribeLoadBalancers&Version=2015-12-01")
IDENTITY = ("sts", "Action=GetCallerIdentity&Version=2011-06-15")
BOTO3_CALLS = 400


def request_bytes(scope: str, body: str) -> bytes:
    head = HEAD.format(scope=scope, signature="0" * 64, length=len(body), body=body)
    return head.encode()


def call(sock: socket.socket, request: bytes) -> bytes:
    """One request, one response with a Content-Length."""
    sock.sendall(request)
    data = sock.recv(65536)
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(65536)
    assert head.startswith(b"HTTP/1.1 200"), data[:600]
    return body


def client(address: tuple[str, int], request: bytes, seconds: float, results: Queue[float]) -> None:
    """Call in a closed loop for so long, then put the count."""
    with socket.create_connection(address) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        call(sock, request)
        count, start = 0, time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            call(sock, request)
            count += 1
    results.put(count / (now - start))


def load_client(
    address: tuple[str, int],
    request: bytes,
    seconds: float,
    connections: int,
    results: Queue[float],
) -> None:
    """Several connections from one process, each a closed loop."""

    async def one() -> int:
        reader, writer = await asyncio.open_connection(*address)
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            count += 1
        writer.close()
        return count

    async def main() -> float:
        counts = await asyncio.gather(*(one() for _ in range(connections)))
        return sum(counts) / seconds

    results.put(asyncio.run(main()))


def rate(address: tuple[str, int], request: bytes, connections: int, seconds: float) -> float:
    """Calls a second with so many connections."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    if connections == 1:
        process = context.Process(target=client, args=(address, request, seconds, results))
    else:
        process = context.Process(
            target=load_client, args=(address, request, seconds, connections, results)
        )
    process.start()
    found: float = results.get()
    process.join()
    return found


def boto3_times(url: str, service: str, method: str, results: Queue[list[float]]) -> None:
    import boto3

    made = boto3.client(
        service,
        endpoint_url=url,
        region_name="ap-northeast-1",
        aws_access_key_id="AKIAX",
        aws_secret_access_key="x",
    )
    getattr(made, method)()
    times = []
    for _ in range(BOTO3_CALLS):
        start = time.perf_counter()
        getattr(made, method)()
        times.append((time.perf_counter() - start) * 1000)
    results.put(times)


@dataclass
class InProcess:
    """A server in a thread of this process."""

    serve: Callable[[socket.socket], Awaitable[Callable[[], Awaitable[None]]]]

    def __enter__(self) -> tuple[str, int]:
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self.thread.start()
        self.ready.wait()
        return ("127.0.0.1", self.listener.getsockname()[1])

    async def _main(self) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        address = self.listener.getsockname()
        assert address
        end = await self.serve(self.listener)
        self.ready.set()
        await self.stop.wait()
        await end()

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join()


async def bare(listener: socket.socket) -> Callable[[], Awaitable[None]]:
    """The fastest that aiohttp gets: read the body, say hello."""

    async def hello(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return web.Response(body=b"hello")

    runner = web.ServerRunner(web.Server(hello), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner.cleanup


async def gateway(listener: socket.socket) -> Callable[[], Awaitable[None]]:
    """Ours, with a store on disk."""
    import hiyoko.services
    from hiyoko.gateway.server import Gateway
    from hiyoko.settings import Settings
    from hiyoko.store.database import Store

    for module in pkgutil.iter_modules(hiyoko.services.__path__):
        importlib.import_module(f"hiyoko.services.{module.name}")
    state = tempfile.TemporaryDirectory(prefix="hiyoko-bench-")
    store = Store.open(Path(state.name) / "hiyoko.db")
    served = Gateway(store, Settings(Path(state.name)))
    await served.serve(listener)

    async def end() -> None:
        await served.close()
        store.close()
        state.cleanup()

    return end


def measure(address: tuple[str, int], request: bytes, seconds: float) -> tuple[float, float]:
    return rate(address, request, 1, seconds), rate(address, request, 8, seconds)


def report(url: str | None, seconds: float) -> None:
    hello = InProcess(bare)
    with hello as address:
        bare_one, bare_eight = measure(address, request_bytes(*IDENTITY), seconds)
    print(
        f"bare aiohttp      1 connection {bare_one:8,.0f}/s    8 connections {bare_eight:8,.0f}/s"
    )
    if url is not None:
        split = urlsplit(url)
        _report_gateway(
            (split.hostname or "127.0.0.1", split.port or 80), bare_one, bare_eight, seconds
        )
        return
    with InProcess(gateway) as address:
        _report_gateway(address, bare_one, bare_eight, seconds)


def _report_gateway(
    address: tuple[str, int], bare_one: float, bare_eight: float, seconds: float
) -> None:
    choices = [("DescribeLoadBalancers", DESCRIBE, "elbv2", "describe_load_balancers"),
               ("GetCallerIdentity", IDENTITY, "sts", "get_caller_identity")]  # fmt: skip
    for name, what, service, method in choices:
        request = request_bytes(*what)
        try:
            with socket.create_connection(address) as sock:
                call(sock, request)
        except AssertionError:
            print(f"{name}: not implemented there")
            continue
        one, eight = measure(address, request, seconds)
        print(f"{name:22} 1 connection {one:6,.0f}/s ({one / bare_one:.0%} of bare)"
              f"    8 connections {eight:6,.0f}/s ({eight / bare_eight:.0%} of bare)")  # fmt: skip
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        url = f"http://{address[0]}:{address[1]}"
        process = context.Process(target=boto3_times, args=(url, service, method, results))
        process.start()
        times = sorted(results.get())
        process.join()
        print(f"{'  through boto3':22} p50 {statistics.median(times):.2f} ms"
              f"    p99 {times[int(len(times) * 0.99)]:.2f} ms")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", help="a running cloud's endpoint")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    arguments = parser.parse_args()
    report(arguments.url, arguments.seconds)
