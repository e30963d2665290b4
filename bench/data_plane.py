"""What the way costs: each way against the same programs on loopback, in one run.

    .venv/bin/python -m hiyoko.plane.world -- .venv/bin/python bench/data_plane.py

Each figure is a ratio to a named reference that was measured seconds before or after it; rounds go
there and back, so that nobody is always the one after the heaviest. The rate suffers from whatever
else the machine does; CPU time a request (of client, proxy and server, with the kernel's work for
their packets, which is done on the sender's account) hardly does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.figures import Figure  # noqa: E402
from bench.rig import (  # noqa: E402
    BALANCER,
    BARE,
    BARE_HTTP,
    BARE_HTTPS,
    BARE_SINK,
    CADDY,
    CADDY_TLS,
    FILE_BYTES,
    PUBLIC_TASK,
    SINK,
    rig,
)

CONNECTIONS, SECONDS, ROUNDS = 64, 2, 5
PROGRAMS = ("haproxy", "nginx", "caddy")
SITE = BALANCER.public_address


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the page: a URL, and whose namespace the client is in (None: the internet's)."""

    name: str
    url: str
    netns: str | None = None

    def run(self, *argv: str) -> str:
        """Run a client there; its output. Raises on failure."""
        enter = () if self.netns is None else ("ip", "netns", "exec", self.netns)
        return subprocess.run([*enter, *argv], stdout=subprocess.PIPE, text=True, check=True).stdout


DIRECT = Way("Nginx on loopback", "http://127.0.0.1/", BARE)
PUBLIC = Way("without balancer", f"http://{PUBLIC_TASK.public_address}/")
HTTP_BARE = Way("HTTP, HAProxy bare", f"http://127.0.0.1:{BARE_HTTP}/", BARE)
HTTP = Way("HTTP, whole path", f"http://{SITE}/")
HTTPS_BARE = Way("HTTPS, HAProxy bare", f"https://127.0.0.1:{BARE_HTTPS}/", BARE)
HTTPS = Way("HTTPS, whole path", f"https://{SITE}/")
CADDY_HTTP = Way("HTTP, Caddy in HAProxy's place", f"http://{SITE}:{CADDY}/")
CADDY_HTTPS = Way("HTTPS, Caddy in HAProxy's place", f"https://{SITE}:{CADDY_TLS}/")
SINK_BARE = Way("HAProxy bare", f"http://127.0.0.1:{BARE_SINK}/", BARE)
SINK_WHOLE = Way("whole path", f"http://{SITE}:{SINK}/")


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a client found."""

    rate: float
    cpu_us: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


def programs_cpu_ns() -> dict[str, int]:
    """CPU time by thread of every server in this world, from the scheduler (proc(5))."""
    found: dict[str, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "comm").read_text().strip() not in PROGRAMS:
                continue
            for thread in (place / "task").iterdir():
                found[thread.name] = int((thread / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _client_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def requests(way: Way, *headers: str) -> Run:
    """One run of wrk."""
    before, client = programs_cpu_ns(), _client_cpu_s()
    said = way.run(
        *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "--latency", *headers, way.url)
    )
    used = sum(ns - before.get(thread, 0) for thread, ns in programs_cpu_ns().items()) / 1e9
    rate, count = _number(r"Requests/sec:\s+([\d.]+)", said), _number(r"(\d+) requests in", said)
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{way.name}: {said}")
    cpu_us = (used + _client_cpu_s() - client) * 1e6 / count
    return Run(rate, cpu_us, _latency("50%", said), _latency("99%", said))


def handshakes(way: Way) -> Run:
    """One run of wrk with a new connection, and so a whole handshake, for each request."""
    return requests(way, "-H", "Connection: close")


def multiplexed(way: Way) -> Run:
    """One run of h2load: HTTP/2, as many requests at once as wrk has."""
    before, client = programs_cpu_ns(), _client_cpu_s()
    said = way.run(*("h2load", "-t1", "-c8", f"-m{CONNECTIONS // 8}", f"-D{SECONDS}", way.url))
    used = sum(ns - before.get(thread, 0) for thread, ns in programs_cpu_ns().items()) / 1e9
    count = _number(r"(\d+) succeeded", said)
    cpu_us = (used + _client_cpu_s() - client) * 1e6 / count
    return Run(_number(r"([\d.]+) req/s", said), cpu_us)


def download(way: Way) -> Run:
    """A gigabyte from the task; bytes a second."""
    return _transfer(way, f"{way.url}files/big")


def upload(way: Way) -> Run:
    """A gigabyte to the task; bytes a second."""
    big = next(Path(tempfile.gettempdir()).glob("hiyoko-bench-*/files/big"))
    return _transfer(way, way.url, "-T", str(big), "-H", "Expect:")


def _transfer(way: Way, url: str, *more: str) -> Run:
    before, client, begun = programs_cpu_ns(), _client_cpu_s(), perf_counter()
    said = way.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", *more, url)
    if said != "200":
        raise SystemExit(f"{way.name}: {said}")
    took = perf_counter() - begun
    used = sum(ns - before.get(thread, 0) for thread, ns in programs_cpu_ns().items()) / 1e9
    return Run(FILE_BYTES / took, (used + _client_cpu_s() - client) * 1e6)


def _number(pattern: str, said: str) -> float:
    found = re.search(pattern, said)
    if found is None:
        raise SystemExit(f"the client said something else:\n{said}")
    return float(found[1])


def _latency(share: str, said: str) -> float:
    found = re.search(rf"{share}\s+([\d.]+)(us|ms|s)\b", said)
    if found is None:
        raise SystemExit(f"the client said something else:\n{said}")
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]]


def in_turn(
    ways: tuple[Way, ...], measure: Callable[[Way], Run], rounds: int
) -> dict[str, list[Run]]:
    """Every way, round by round, there and back."""
    found: dict[str, list[Run]] = {way.name: [] for way in ways}
    for number in range(rounds):
        for way in ways if number % 2 == 0 else reversed(ways):
            found[way.name].append(measure(way))
    return found


def ratio(
    one: list[Run], other: list[Run], what: str, of: Callable[[Run], float], goal: str = ""
) -> Figure:
    """The rounds' pairs compared."""
    return Figure.of(what, [of(a) / of(b) for a, b in zip(one, other, strict=True)], "", goal)


def small_answers(rounds: int) -> Iterator[Figure]:
    """Six bytes a request over 64 connections: all the way is made of packets."""
    ways = (DIRECT, PUBLIC, HTTP_BARE, HTTP, HTTPS_BARE, HTTPS)
    found = in_turn(ways, requests, rounds)
    for name, runs in found.items():
        yield Figure.of(name, [run.rate for run in runs], "requests/s")
        yield Figure.of("  CPU time a request, all programs", [run.cpu_us for run in runs], "us")
        yield Figure.of("  p50", [run.p50_ms for run in runs], "ms")
        yield Figure.of("  p99", [run.p99_ms for run in runs], "ms")
    pairs = (
        (PUBLIC, DIRECT, ">= 0.8"),
        (HTTP, HTTP_BARE, ">= 0.95"),
        (HTTPS, HTTPS_BARE, ">= 0.95"),
    )
    for whole, alone, goal in pairs:
        one, other = found[whole.name], found[alone.name]
        what = f"{whole.name} : {alone.name.rpartition(', ')[2]}"
        yield ratio(one, other, f"{what}, requests/s", lambda run: run.rate, goal)
        yield ratio(other, one, f"{what}, by CPU time", lambda run: run.cpu_us, goal)
        yield ratio(one, other, f"{what}, p99", lambda run: run.p99_ms, "<= 1.2")


def http2(rounds: int) -> Iterator[Figure]:
    """HTTP/2 towards the client."""
    found = in_turn((HTTPS_BARE, HTTPS), multiplexed, rounds)
    one, other = found[HTTPS.name], found[HTTPS_BARE.name]
    yield Figure.of("h2, whole path", [run.rate for run in one], "requests/s")
    yield ratio(
        one, other, "h2, whole path : HAProxy bare, requests/s", lambda r: r.rate, ">= 0.95"
    )
    yield ratio(
        other, one, "h2, whole path : HAProxy bare, by CPU time", lambda r: r.cpu_us, ">= 0.95"
    )


def new_connections(rounds: int) -> Iterator[Figure]:
    """Connections that are made for one request."""
    found = in_turn((HTTPS_BARE, HTTPS), handshakes, rounds)
    one, other = found[HTTPS.name], found[HTTPS_BARE.name]
    yield Figure.of("TLS handshakes, whole path", [run.rate for run in one], "1/s")
    what = "TLS handshakes, whole path : HAProxy bare"
    yield ratio(one, other, f"{what}, 1/s", lambda run: run.rate, ">= 0.9")
    yield ratio(other, one, f"{what}, by CPU time", lambda run: run.cpu_us, ">= 0.9")


def gigabytes(rounds: int) -> Iterator[Figure]:
    """A gigabyte each way, and what the balancer's memory does meanwhile."""
    before = _memory_mb("VmRSS")
    for what, measure, ways in (
        ("1 GB down", download, (HTTP_BARE, HTTP)),
        ("1 GB up", upload, (SINK_BARE, SINK_WHOLE)),
    ):
        alone, whole = in_turn(ways, measure, rounds).values()
        yield Figure.of(f"{what}, whole path", [run.rate / 1e6 for run in whole], "MB/s")
        name = f"{what}, whole path : HAProxy bare"
        yield ratio(whole, alone, f"{name}, bytes/s", lambda run: run.rate)
        yield ratio(alone, whole, f"{name}, by CPU time", lambda run: run.cpu_us)
    grown = _memory_mb("VmHWM") - before
    yield Figure.of("HAProxy's memory, highest during 1 GB - before", [grown], "MB", "flat")


def _memory_mb(field: str) -> float:
    """Of the balancer's HAProxys in this world: the largest."""
    found = [0.0]
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "comm").read_text().strip() == "haproxy":
                said = (place / "status").read_text()
                found.append(_number(rf"{field}:\s+(\d+) kB", said) / 1e3)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return max(found)


def other_proxy(rounds: int) -> Iterator[Figure]:
    """Caddy in HAProxy's place: the same way, the same task."""
    for ours, theirs in ((HTTP, CADDY_HTTP), (HTTPS, CADDY_HTTPS)):
        found = in_turn((ours, theirs), requests, rounds)
        one, other = found[ours.name], found[theirs.name]
        yield Figure.of(theirs.name, [run.rate for run in other], "requests/s")
        what = f"{ours.name} : Caddy's, requests/s"
        yield ratio(one, other, what, lambda run: run.rate, ">= 2.5")


def until_answered(ways: tuple[Way, ...]) -> None:
    """HAProxy tells nobody of a passed check, nor a server that it listens: they are asked."""
    for way in ways:
        ask = f"curl -skf -o /dev/null --max-time 1 '{way.url}'"
        way.run("timeout", "20", "sh", "-c", f"until {ask}; do sleep 0.05; done")


def measure(rounds: int, *, caddy: bool) -> Iterator[Figure]:
    """Every figure as soon as it is known."""
    ways = (DIRECT, PUBLIC, HTTP_BARE, HTTP, HTTPS_BARE, HTTPS, SINK_BARE, SINK_WHOLE)
    until_answered((*ways, *((CADDY_HTTP, CADDY_HTTPS) if caddy else ())))
    yield from gigabytes(rounds=3)
    yield from small_answers(rounds)
    yield from http2(rounds)
    yield from new_connections(rounds)
    if caddy:
        yield from other_proxy(rounds=2)


async def main() -> None:
    """Measure and print, each figure as soon as it is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-") as name:
        async with rig(Path(name)):
            caddy = (Path(name) / "Caddyfile").exists()
            for figure in measure(options.rounds, caddy=caddy):
                print(json.dumps(asdict(figure)) if options.json else figure, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
