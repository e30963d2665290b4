"""What a task costs beside its application: from the wish to its process, and in memory.

    python bench/tasks.py [--rounds 20]

In a throw-away world with a registry, an interface and a task whose image is at hand already; in
the same round ``runc run --detach`` of the very same bundle: what is left is ours. Processor time
says the same on a busy machine: of all processes of the world, and of our own by what it does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.figures import Figure, machine  # noqa: E402
from bench.processes import all_processes  # noqa: E402
from tests.plane.registry_world import (  # noqa: E402
    ECR,
    Driver,
    make_container,
    make_task,
    push,
    registry_world,
)

from hiyoko.plane.containers import agent  # noqa: E402
from hiyoko.plane.containers.cgroups import remove_groups  # noqa: E402
from hiyoko.plane.containers.plane import ContainerPlane  # noqa: E402
from hiyoko.plane.containers.pull import Puller, _Pull  # noqa: E402
from hiyoko.plane.containers.runtime import Runtime  # noqa: E402
from hiyoko.plane.containers.storage import TaskStorage  # noqa: E402
from hiyoko.plane.process import run  # noqa: E402
from hiyoko.upkeep import watch_children_by_descriptor  # noqa: E402

IMAGE = f"{ECR}/app:1"
COMMAND = ("sh", "-c", "trap exit TERM; while :; do sleep 0.05; done")


PIECES: tuple[tuple[str, object, str], ...] = (
    ("ECR's token", agent, "registry_token"),
    ("the manifest", _Pull, "resolve"),
    ("the way to the blobs", _Pull, "reach"),
    ("the layers found, unpacked", Puller, "_unpack"),
    ("its storage", TaskStorage, "mount"),
    ("the overlay", Runtime, "mount"),
    ("the bundle", ContainerPlane, "_write_bundle"),
    ("conmon made and heard", Runtime, "create"),
    ("runc start", Runtime, "start"),
)
"""What our own process does for a start, by name: where it is done."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start; times in milliseconds. ``own`` is our processor time for each piece and whole."""

    pull: float
    start: float
    bare: float
    memory_mb: float
    cpu: float
    bare_cpu: float
    own: dict[str, float]


async def measure(rounds: int) -> list[Figure]:
    """Start as many tasks one after another, each followed by its bundle without us."""
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-") as name, ExitStack() as timing:
        spent: dict[str, float] = {}
        for piece, owner, method in PIECES:
            timed = _timed(getattr(owner, method), piece, spent)
            timing.enter_context(patch.object(owner, method, timed))
        async with registry_world(Path(name)) as world:
            push(world.store, world.settings, "app", "1", COMMAND)
            driver = Driver(world)
            await one_task(driver, 0, spent)  # unpacks the layer, loads what is loaded once
            taken = [await one_task(driver, number + 1, spent) for number in range(rounds)]
            await driver.plane.close()
            remove_groups(world.settings)
    return [*walls(taken), *processor_times(taken)]


def walls(taken: list[Start]) -> list[Figure]:
    """What went by, and memory."""
    return [
        Figure.of("image at hand: token, manifest, layers found", [a.pull for a in taken], "ms"),
        Figure.of("mount, bundle, conmon, runc create and start", [a.start for a in taken], "ms"),
        Figure.of("bare: runc run of the same bundle", [a.bare for a in taken], "ms"),
        Figure.of(
            "whole start less bare", [a.pull + a.start - a.bare for a in taken], "ms", "<= 40"
        ),
        Figure.of("whole start to bare", [(a.pull + a.start) / a.bare for a in taken], "times"),
        Figure.of("memory beside the application (conmon)", [a.memory_mb for a in taken], "MB"),
    ]


def processor_times(taken: list[Start]) -> list[Figure]:
    """Processor time of a start; that of all processes is counted in ticks, so it is a mean."""

    def mean(values: list[float]) -> list[float]:
        return [sum(values) / len(values)]

    whole, bare = mean([a.cpu for a in taken]), mean([a.bare_cpu for a in taken])
    return [
        Figure.of("processor time: the whole start", whole, "ms"),
        Figure.of("processor time: bare", bare, "ms"),
        Figure.of("processor time: the start less bare", [whole[0] - bare[0]], "ms", "<= 40"),
        *(
            Figure.of(f"processor time of our process: {name}", [a.own[name] for a in taken], "ms")
            for name in taken[0].own
        ),
    ]


def _timed(method: Callable[..., Any], piece: str, spent: dict[str, float]) -> Callable[..., Any]:
    """The same, its processor time added up; what it waits for that is ours counts, too."""

    def note(begun: float) -> None:
        spent[piece] = spent.get(piece, 0.0) + (time.process_time() - begun) * 1000

    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        begun = time.process_time()
        try:
            return method(*arguments, **named)
        finally:
            note(begun)

    @wraps(method)
    async def wait(*arguments: Any, **named: Any) -> Any:
        begun = time.process_time()
        try:
            return await method(*arguments, **named)
        finally:
            note(begun)

    return wait if iscoroutinefunction(method) else call


def processor_ms() -> float:
    """Of every process of this world since its start, those that have ended among them."""
    return sum(one.cpu_s for one in all_processes()) * 1000


async def one_task(driver: Driver, number: int, spent: dict[str, float]) -> Start:
    """A task from its wish to its process, and runc alone with its bundle."""
    task = replace(make_task(number, make_container(IMAGE)), storage_gib=20)
    spent.clear()
    before, begun = processor_ms(), time.process_time()
    running = await driver.until(task, "RUNNING")
    whole, cpu = (time.process_time() - begun) * 1000, processor_ms() - before
    own = {name: spent.get(name, 0.0) for name, _, _ in PIECES}
    own |= {"looks, and what else there is": whole - sum(own.values()), "all of it": whole}
    progress = driver.progress(task)
    assert progress.pull_started_at is not None
    assert progress.pull_stopped_at is not None
    assert running.started_at is not None
    (files,) = driver.plane.directory(task.arn).containers(task.arn)
    before = processor_ms()
    bare_s = await run_bare(driver.world.settings.run_dir / "bare", files.bundle)
    found = Start(
        pull=(progress.pull_stopped_at - progress.pull_started_at) * 1000,
        start=(running.started_at - progress.pull_stopped_at) * 1000,
        bare=bare_s * 1000,
        memory_mb=proportional_mb(running.monitor or 0),
        cpu=cpu,
        bare_cpu=processor_ms() - before,
        own=own,
    )
    await end_bare(driver.world.settings.run_dir / "bare")
    await driver.settle(replace(task, run=False))
    return found


async def run_bare(root: Path, bundle: Path) -> float:
    """Seconds until runc has started the bundle's process by itself."""
    own = root / "bundle"
    own.mkdir(parents=True, exist_ok=True)
    config = json.loads((bundle / "config.json").read_text())
    if "cgroupsPath" in config["linux"]:
        config["linux"]["cgroupsPath"] += "-bare"  # a group of its own, as ours has
    (own / "config.json").write_text(json.dumps(config))
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *("runc", f"--root={root}", "run", "--detach", "--bundle", str(own), "bare"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # as conmon gives ours: the scheduler shares out by sessions
    )
    assert await process.wait() == 0
    return time.perf_counter() - begun


async def end_bare(root: Path) -> None:
    """Take away what :func:`run_bare` made."""
    await run("runc", f"--root={root}", "delete", "--force", "bare")


def proportional_mb(pid: int) -> float:
    """A process's memory, what it shares divided among those who share it (proc(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    return 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        again = [sys.executable, __file__, "--inside", f"--rounds={options.rounds}"]
        world = [sys.executable, "-m", "hiyoko.plane.world", "--", *again]
        return subprocess.run(world, check=False, env=dict(os.environ)).returncode
    watch_children_by_descriptor()  # as the daemon does
    about = machine()
    print(f"{about['cpus']} CPUs, load {about['load_before']:.1f} before\n")
    for figure in asyncio.run(measure(options.rounds)):
        print(figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
