"""What a task costs beside its application: from the wish to its process, and in memory.

    python bench/tasks.py [--rounds 20]

In a throw-away world with a registry, an interface and a task whose image is at hand already; in
the same round ``runc run --detach`` of the very same bundle: what is left is ours.
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
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.figures import Figure, machine  # noqa: E402
from tests.plane.registry_world import (  # noqa: E402
    ECR,
    Driver,
    make_container,
    make_task,
    push,
    registry_world,
)

from hiyoko.plane.containers.cgroups import remove_groups  # noqa: E402
from hiyoko.plane.process import run  # noqa: E402
from hiyoko.upkeep import watch_children_by_descriptor  # noqa: E402

IMAGE = f"{ECR}/app:1"
COMMAND = ("sh", "-c", "trap exit TERM; while :; do sleep 0.05; done")


async def measure(rounds: int) -> list[Figure]:
    """Start as many tasks one after another, each followed by its bundle without us."""
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-") as name:
        async with registry_world(Path(name)) as world:
            push(world.store, world.settings, "app", "1", COMMAND)
            driver = Driver(world)
            await one_task(driver, 0)  # unpacks the layer, loads what is loaded once
            taken = [await one_task(driver, number + 1) for number in range(rounds)]
            await driver.plane.close()
            remove_groups(world.settings)
    pulls, starts, bare, memory = (list(column) for column in zip(*taken, strict=True))
    whole = [pull + start for pull, start in zip(pulls, starts, strict=True)]
    return [
        Figure.of("image at hand: token, manifest, layers found", pulls, "ms"),
        Figure.of("mount, bundle, conmon, runc create and start", starts, "ms"),
        Figure.of("bare: runc run of the same bundle", bare, "ms"),
        Figure.of(
            "whole start less bare",
            [ours - theirs for ours, theirs in zip(whole, bare, strict=True)],
            "ms",
            "<= 40",
        ),
        Figure.of(
            "whole start to bare",
            [ours / theirs for ours, theirs in zip(whole, bare, strict=True)],
            "times",
        ),
        Figure.of("memory beside the application (conmon)", memory, "MB", "<= 5"),
    ]


async def one_task(driver: Driver, number: int) -> tuple[float, float, float, float]:
    """Milliseconds of the pull, of the start, of bare runc; megabytes beside the application."""
    task = make_task(number, make_container(IMAGE))
    running = await driver.until(task, "RUNNING")
    progress = driver.progress(task)
    assert progress.pull_started_at is not None
    assert progress.pull_stopped_at is not None
    assert running.started_at is not None
    pull = progress.pull_stopped_at - progress.pull_started_at
    start = running.started_at - progress.pull_stopped_at
    memory = proportional_mb(running.monitor or 0)
    (files,) = driver.plane.directory(task.arn).containers(task.arn)
    bare = await run_bare(driver.world.settings.run_dir / "bare", files.bundle)
    await driver.settle(replace(task, run=False))
    return pull * 1000, start * 1000, bare * 1000, memory


async def run_bare(root: Path, bundle: Path) -> float:
    """Seconds until runc has started the bundle's process by itself; it is ended again."""
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
    taken = time.perf_counter() - begun
    await run("runc", f"--root={root}", "delete", "--force", "bare")
    return taken


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
