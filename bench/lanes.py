"""Two fast lanes compared: BPF programs (root's worlds) and nftables' chains (everybody else's).

    sudo .venv/bin/python bench/lanes.py [--rounds N] [WHAT ...]

Two worlds stand side by side and are measured in turn, each with bare HAProxy on its own loopback
right before or after; a figure is the median of its rounds' ratios, whole path : bare.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.data_plane import (  # noqa: E402
    DIRECT,
    HTTP,
    HTTP_BARE,
    HTTPS,
    HTTPS_BARE,
    PUBLIC,
    SINK_BARE,
    SINK_WHOLE,
    Run,
    Way,
    download,
    handshakes,
    multiplexed,
    requests,
    until_answered,
    upload,
)
from bench.figures import Figure, machine  # noqa: E402
from bench.rig import rig  # noqa: E402

MEASURES: dict[str, tuple[Callable[[Way], Run], Way, Way]] = {
    "HTTP": (requests, HTTP_BARE, HTTP),
    "HTTPS": (requests, HTTPS_BARE, HTTPS),
    "h2": (multiplexed, HTTPS_BARE, HTTPS),
    "handshakes": (handshakes, HTTPS_BARE, HTTPS),
    "task": (requests, DIRECT, PUBLIC),
    "down": (download, HTTP_BARE, HTTP),
    "up": (upload, SINK_BARE, SINK_WHOLE),
}
"""``task``: without a balancer. ``down``, ``up``: a gigabyte, by bytes a second."""
GOALS = {"HTTP": 0.95, "HTTPS": 0.95, "h2": 0.95, "handshakes": 0.9, "task": 0.8}
LANES = ("programs", "nftables")


async def serve(lane: str) -> None:
    """Inside a world: a line says what to measure, a line of JSON what was found."""
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-") as name:
        async with rig(Path(name), programs=lane == "programs"):
            until_answered(tuple(way for _, *ways in MEASURES.values() for way in ways))
            print("ready", flush=True)
            for line in sys.stdin:
                what, order = line.split()
                measure, bare, whole = MEASURES[what]
                ways = (bare, whole) if order == "bare-first" else (whole, bare)
                found = {way.name: asdict(measure(way)) for way in ways}
                print(json.dumps([found[bare.name], found[whole.name]]), flush=True)


@dataclass(frozen=True, slots=True)
class World:
    """A world with a site in it, which measures when it is told to."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, lane: str) -> World:
        """Begin; ``answer`` says when it stands."""
        here = (sys.executable, str(Path(__file__)), "--serve", lane)
        world = (sys.executable, "-m", "hiyoko.plane.world", "--", *here)
        pipe = subprocess.PIPE
        return cls(subprocess.Popen(world, stdin=pipe, stdout=pipe, text=True))

    def answer(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a world ended: see above")
        return line

    def pair(self, what: str, order: str) -> tuple[Run, Run]:
        """Bare HAProxy and the whole path."""
        assert self.process.stdin is not None
        print(what, order, file=self.process.stdin, flush=True)
        bare, whole = (Run(**each) for each in json.loads(self.answer()))
        return bare, whole

    def end(self) -> None:
        """No more questions."""
        self.process.communicate()


def compare(worlds: dict[str, World], what: str, rounds: int) -> None:
    """Print the figures of one measure."""
    pairs: dict[str, list[tuple[Run, Run]]] = {lane: [] for lane in worlds}
    for number in range(rounds):
        for lane in random.sample(LANES, len(LANES)):
            pairs[lane].append(worlds[lane].pair(what, ("bare-first", "bare-last")[number % 2]))
    for lane, found in pairs.items():
        goal = f">= {GOALS[what]}" if what in GOALS else ""
        for name, ratios, wished in (
            ("pace", [whole.rate / bare.rate for bare, whole in found], goal),
            ("by CPU time", [bare.cpu_us / whole.cpu_us for bare, whole in found], goal),
            ("p99", [whole.p99_ms / bare.p99_ms for bare, whole in found if bare.p99_ms], "<= 1.2"),
        ):
            if ratios:
                print(Figure.of(f"{what}, {lane}, {name}", ratios, "", wished), flush=True)
        whole_us = [whole.cpu_us for _, whole in found]
        print(Figure.of(f"{what}, {lane}, CPU time", whole_us, "us"), flush=True)


def main() -> None:
    """Start both worlds, measure, end them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="*", help=f"of {', '.join(MEASURES)}; default: all")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", choices=LANES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    print(" ".join(f"{key}={value}" for key, value in machine().items()), flush=True)
    worlds = {lane: World.start(lane) for lane in LANES}
    try:
        for world in worlds.values():
            world.answer()
        for what in options.what or MEASURES:
            compare(worlds, what, options.rounds)
    finally:
        for world in worlds.values():
            world.end()


if __name__ == "__main__":
    main()
