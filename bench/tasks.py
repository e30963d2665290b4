"""What a task costs beside its application: from the wish to its process, and in memory.

    python bench/tasks.py [--rounds 20]

In a throw-away world with a registry, an interface and a task whose image is at hand already; in
the same round ``runc run --detach`` of the very same bundle: what is left is ours. Beside it an
interface is attached to a router of the tutorial's VPC, as it is before each task. Processor time
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
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
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

from hiyoko.blueprint import example  # noqa: E402
from hiyoko.blueprint.network import Network, Vpc  # noqa: E402
from hiyoko.plane.containers import agent  # noqa: E402
from hiyoko.plane.containers.cgroups import remove_groups  # noqa: E402
from hiyoko.plane.containers.plane import ContainerPlane  # noqa: E402
from hiyoko.plane.containers.pull import Puller, _Pull  # noqa: E402
from hiyoko.plane.containers.runtime import Runtime  # noqa: E402
from hiyoko.plane.containers.storage import TaskStorage  # noqa: E402
from hiyoko.plane.containers.trial import users_refused  # noqa: E402
from hiyoko.plane.network import LATER, NetworkPlane, Rendered, standing, steps  # noqa: E402
from hiyoko.plane.network.steps import RemoveNamespaces  # noqa: E402
from hiyoko.plane.process import run  # noqa: E402
from hiyoko.upkeep import watch_children_by_descriptor  # noqa: E402

IMAGE = f"{ECR}/app:1"
VPC = replace(example.example_vpc(), internet_gateway_id=None)
LESS = replace(VPC, interfaces=VPC.interfaces[:-1])
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
Spent = dict[str, tuple[float, float]]
"""For each piece what went by and our processor time, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start; times in milliseconds. ``own`` is our processor time for each piece and whole.

    ``walls`` is what went by in each piece. ``added_mb`` is all that a running task has more in
    memory, of whatever process, without its application.
    """

    interface: float
    whole: float
    walls: dict[str, float]
    added_mb: float
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
        spent: Spent = {}
        for piece, owner, method in PIECES:
            timed = _timed(getattr(owner, method), piece, spent)
            timing.enter_context(patch.object(owner, method, timed))
        async with registry_world(Path(name)) as world:
            push(world.store, world.settings, "app", "1", COMMAND)
            driver = Driver(world)
            users = not await users_refused(world.settings.image_dir)
            async with Router.made(users) as router:
                # The first one unpacks the layer, and loads what is loaded once.
                every = [await one_task(driver, router, n, spent) for n in range(rounds + 1)]
            taken = every[1:]
            await driver.plane.close()
            remove_groups(world.settings)
    return [*walls(taken), *processor_times(taken)]


def walls(taken: list[Start]) -> list[Figure]:
    """What went by, and memory."""
    pieces = [
        Figure.of(f"went by in: {name}", [a.walls[name] for a in taken], "ms")
        for name in taken[0].walls
    ]
    return [
        Figure.of(
            "interface: made, with gates and route, and seen", [a.interface for a in taken], "ms"
        ),
        *pieces,
        Figure.of("from the wish to a process that is seen", [a.whole for a in taken], "ms"),
        Figure.of("  less bare", [a.whole - a.bare for a in taken], "ms", "<= 40"),
        Figure.of("image at hand: token, manifest, layers found", [a.pull for a in taken], "ms"),
        Figure.of("mount, bundle, conmon, runc create and start", [a.start for a in taken], "ms"),
        Figure.of("bare: runc run of the same bundle", [a.bare for a in taken], "ms"),
        Figure.of(
            "whole start less bare", [a.pull + a.start - a.bare for a in taken], "ms", "<= 40"
        ),
        Figure.of("whole start to bare", [(a.pull + a.start) / a.bare for a in taken], "times"),
        Figure.of("memory beside the application: conmon", [a.memory_mb for a in taken], "MB"),
        Figure.of("memory beside the application: all", [a.added_mb for a in taken], "MB", "<= 5"),
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


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _timed(method: Callable[..., Any], piece: str, spent: Spent) -> Callable[..., Any]:
    """The same, its times added up; what it waits for that is ours counts as ours, too."""

    def note(begun: tuple[float, float]) -> None:
        before, ended = spent.get(piece, (0.0, 0.0)), _now()
        wall, own = ((end - start) * 1000 for start, end in zip(begun, ended, strict=True))
        spent[piece] = before[0] + wall, before[1] + own

    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        begun = _now()
        try:
            return method(*arguments, **named)
        finally:
            note(begun)

    @wraps(method)
    async def wait(*arguments: Any, **named: Any) -> Any:
        begun = _now()
        try:
            return await method(*arguments, **named)
        finally:
            note(begun)

    return wait if iscoroutinefunction(method) else call


def processor_ms() -> float:
    """Of every process of this world since its start, those that have ended among them."""
    return sum(one.cpu_s for one in all_processes()) * 1000


@dataclass(slots=True)
class Router:
    """The tutorial's VPC in the kernel, to which an interface is attached, and taken away again."""

    plane: NetworkPlane
    rendered: Rendered

    @classmethod
    @asynccontextmanager
    async def made(cls, users: bool) -> AsyncIterator[Router]:
        """Without the last of its interfaces, and without a way out."""
        router = cls(NetworkPlane(users=users), Rendered())
        await router.become(LESS)
        try:
            yield router
        finally:
            names = (VPC.vpc_id, *(each.eni_id for each in LESS.interfaces))
            await router.plane.apply(RemoveNamespaces(names))

    async def become(self, vpc: Vpc) -> float:
        """What the reconciler does; milliseconds until it has seen what it made."""
        begun = time.perf_counter()
        network = Network((vpc,))
        todo = steps(network, await self.plane.observe(), self.rendered)
        for step in todo:
            if not isinstance(step, LATER):
                await self.plane.apply(step)
        standing(network, await self.plane.observe(), self.rendered)
        took = (time.perf_counter() - begun) * 1000
        for step in todo:
            # Namespaces of others are here, too.
            if isinstance(step, LATER) and not isinstance(step, RemoveNamespaces):
                await self.plane.apply(step)
        return took

    async def attach(self) -> float:
        """Milliseconds until one more interface was seen."""
        took = await self.become(VPC)
        await self.become(LESS)
        await self.plane.apply(RemoveNamespaces((VPC.interfaces[-1].eni_id,)))
        return took


def memory_mb() -> dict[int, float]:
    """By process of this world."""
    return {one.pid: one.pss_mb for one in all_processes()}


def added_mb(before: dict[int, float], application: int) -> float:
    """What there is more in memory than before, without a container's own processes."""
    now = {one.pid: one for one in all_processes()}
    its = {application} | {pid for pid, one in now.items() if one.parent == application}
    beside = sum(one.pss_mb for pid, one in now.items() if pid not in its)
    return beside - sum(before.values())


async def one_task(driver: Driver, router: Router, number: int, spent: Spent) -> Start:
    """A task from its wish to its process, and runc alone with its bundle."""
    task = make_task(number, make_container(IMAGE))
    interface, there = await router.attach(), memory_mb()
    spent.clear()
    before, begun = processor_ms(), _now()
    running = await driver.until(task, "RUNNING")
    wall, whole = ((end - start) * 1000 for start, end in zip(begun, _now(), strict=True))
    cpu = processor_ms() - before
    walls = {name: spent.get(name, (0.0, 0.0))[0] for name, _, _ in PIECES}
    walls |= {"looks, noticing, and what else there is": wall - sum(walls.values())}
    own = {name: spent.get(name, (0.0, 0.0))[1] for name, _, _ in PIECES}
    own |= {"looks, and what else there is": whole - sum(own.values()), "all of it": whole}
    more_mb = added_mb(there, running.pid or 0)
    progress = driver.progress(task)
    assert progress.pull_started_at is not None
    assert progress.pull_stopped_at is not None
    assert running.started_at is not None
    (files,) = driver.plane.directory(task.arn).containers(task.arn)
    before = processor_ms()
    bare_s = await run_bare(driver.world.settings.run_dir / "bare", files.bundle)
    found = Start(
        interface=interface,
        whole=wall,
        walls=walls,
        added_mb=more_mb,
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
