"""How many PutLogEvents a second, from many tasks at once: the gateway with its store on disk.

    .venv/bin/python bench/log_events.py [--callers N] [--seconds S]

Each caller has a connection and a stream of its own, and calls again once it was answered. They run
in another process; the gateway's processor time is its own. Beside it: what a sync of the disk
takes, which is what each call would cost by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.figures import Figure  # noqa: E402

import hiyoko.services.logs  # noqa: E402
import hiyoko.services.sts  # noqa: E402, F401
from hiyoko import api  # noqa: E402
from hiyoko.gateway.server import Gateway  # noqa: E402
from hiyoko.settings import Settings  # noqa: E402
from hiyoko.store.database import Store  # noqa: E402

HEAD = (
    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.1\r\n"
    "X-Amz-Target: Logs_20140328.PutLogEvents\r\nX-Amz-Date: 20260102T030405Z\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAX/20260102/ap-northeast-1/logs/aws4_request,"
    " SignedHeaders=host;x-amz-date, Signature={signature}\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)
LINES = 5
SYNCS = 200


async def _calls(address: tuple[str, int], stream: str, until: float) -> int:
    """How many calls one caller got answered."""
    reader, writer = await asyncio.open_connection(*address)
    count = 0
    while time.monotonic() < until:
        event = {"timestamp": int(time.time() * 1000), "message": "x" * 80}
        request = {"logGroupName": "g", "logStreamName": stream, "logEvents": [event] * LINES}
        body = json.dumps(request)
        writer.write(HEAD.format(signature="0" * 64, length=len(body), body=body).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        count += 1
    writer.close()
    return count


def _all_calls(address: tuple[str, int], callers: int, seconds: float) -> int:
    async def every() -> int:
        until = time.monotonic() + seconds
        streams = (f"s{number}" for number in range(callers))
        return sum(await asyncio.gather(*(_calls(address, one, until) for one in streams)))

    return asyncio.run(every())


def _sync_ms(place: Path) -> list[float]:
    """What it takes to put two pages on the disk."""
    found = []
    with (place / "page").open("wb") as file:
        for _ in range(SYNCS):
            file.write(os.urandom(8192))
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            found.append((time.perf_counter() - begun) * 1e3)
    return found


async def _measure(place: Path, callers: int, seconds: float) -> tuple[float, float]:
    """Calls a second, and the gateway's processor time for each in milliseconds."""
    store = Store.open(place / "store.sqlite")
    group = {"logGroupName": "g"}
    api.invoke(store, "logs", "CreateLogGroup", group)
    for number in range(callers):
        api.invoke(store, "logs", "CreateLogStream", {**group, "logStreamName": f"s{number}"})
    gateway = Gateway(store, Settings(place))
    listener = socket.create_server(("127.0.0.1", 0))
    await gateway.serve(listener)
    with ProcessPoolExecutor(1) as pool:
        begun = time.process_time()
        answered = await asyncio.get_running_loop().run_in_executor(
            pool, _all_calls, listener.getsockname()[:2], callers, seconds
        )
        spent = time.process_time() - begun
    await gateway.close()
    store.close()
    return answered / seconds, spent / answered * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    wanted = parser.parse_args()
    # A directory that is not in memory: what is measured is a disk.
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-", dir="/var/tmp") as made:
        place = Path(made)
        print(Figure.of("a sync of the disk", _sync_ms(place), "ms"))
        for callers in sorted({1, wanted.callers}):
            rate, spent = asyncio.run(_measure(place, callers, wanted.seconds))
            print(Figure.of(f"{callers} callers: PutLogEvents", [rate], "calls/s"))
            print(Figure.of(f"{callers} callers: processor time of a call", [spent], "ms"))
            for path in place.glob("store.sqlite*"):
                path.unlink()


if __name__ == "__main__":
    main()
