"""A load balancer as large as AWS allows: 100 rules, 100 target groups, 1,000 targets.

Run inside a world of its own:

    .venv/bin/python -m hiyoko.plane.world -- .venv/bin/python bench/big_balancer.py

One HAProxy checks and serves all targets, which are one process on a thousand addresses. The wishes
are rows, made true by the reconciler, as in a cloud. Nothing is asserted.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.figures import Figure

from hiyoko.plane.balancer.nodes import BalancerPlane, StopNode
from hiyoko.plane.process import command_line, run
from hiyoko.reconcile.balancers import BalancerReconciler
from hiyoko.services import elbv2
from hiyoko.services.elbv2 import model, rows
from hiyoko.services.elbv2.seen import TARGETS_SEEN
from hiyoko.settings import Settings
from hiyoko.store.database import Store

ENI = "eni-0b16ba1a0ce7000be"
ADDRESS = "10.0.0.10"
BALANCER = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/big/0123456789abcdef"
PLACE = ("1", "r")
FIRST = IPv4Address("10.1.0.0")
PATIENCE_S = 120
CHANGES = 200
UNDER_LOAD_TARGETS_MAX = 100
TARGETS = """
import asyncio
class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest = transport, b""
    def data_received(self, data):
        *heads, self.rest = (self.rest + data).split(b"\\r\\n\\r\\n")
        body = self.transport.get_extra_info("sockname")[0].encode()
        answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body)
        self.transport.write(answer * len(heads))
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "0.0.0.0", 9000, backlog=2048)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def group_arn(number: int) -> str:
    """The ARN of a target group."""
    return f"arn:aws:elasticloadbalancing:r:1:targetgroup/g{number}/{number:016x}"


def forward(number: int) -> tuple[model.Action, ...]:
    """The action that leads to a target group."""
    return (model.Action("forward", groups=(model.WeightedGroup(group_arn(number)),)),)


def registration(number: int, groups: int) -> model.Registration:
    """Target ``number``, in one of the groups."""
    address = str(FIRST + 256 + number)
    return model.Registration(group_arn(number % groups), *PLACE, address, 9000, "a", 0.0)


def wishes(groups: int, targets: int) -> Store:
    """A balancer of one node with a rule for each group, and the targets shared out to them."""
    assert elbv2.__doc__
    store = Store.open(":memory:")
    node = model.Node("subnet-1", "a", ENI, ADDRESS)
    with store.transaction() as tx:
        rows.LOAD_BALANCERS.insert(
            tx,
            model.LoadBalancer(
                BALANCER, *PLACE, "big", "big.r", "internal", "vpc-1", ("sg-1",), (node,), 0.0
            ),
        )
        rows.LISTENERS.insert(
            tx, model.Listener("l", *PLACE, BALANCER, 8080, "HTTP", "d", forward(0))
        )
        for number in range(groups):
            rows.TARGET_GROUPS.insert(
                tx,
                model.TargetGroup(
                    group_arn(number), *PLACE, f"g{number}", "HTTP", 9000, "vpc-1", 0.0
                ),
            )
            condition = model.Condition("path-pattern", (f"/{number}/*",))
            rows.RULES.insert(
                tx,
                model.Rule(f"r{number}", *PLACE, "l", number + 1, (condition,), forward(number)),
            )
        for number in range(targets):
            rows.REGISTRATIONS.insert(tx, registration(number, groups))
    return store


@dataclass(frozen=True, slots=True)
class Rig:
    """A store's wishes and what makes them true, woken by HAProxy as in a cloud."""

    store: Store
    reconciler: BalancerReconciler
    woken: asyncio.Event

    async def settle(self) -> float:
        """Activate until nothing is left to do; the seconds that it took."""
        begun = perf_counter()
        while True:
            report = await self.reconciler.activate()
            if report.refusals:
                raise SystemExit(f"refused: {report.refusals}")
            if report.quiet:
                return perf_counter() - begun

    async def until_healthy(self, count: int) -> float:
        """Activate when woken until so many targets are healthy; the seconds that it took."""
        begun = perf_counter()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.woken.clear()
                report = await self.reconciler.activate()
                with self.store.reading() as tx:
                    healthy = sum(row.state == "healthy" for row in TARGETS_SEEN.list(tx))
                if healthy == count:
                    return perf_counter() - begun
                if report.quiet:
                    await self.woken.wait()

    async def ask(self, path: str) -> str:
        """What the balancer answers."""
        return await run("curl", "-sf", f"http://{ADDRESS}:8080{path}", netns=ENI)

    def change_rule(self, number: int, path: str = "/more") -> None:
        """Lead one more path to a rule's group."""
        with self.store.transaction() as tx:
            row = rows.get_rule(tx, f"r{number}")
            condition = model.Condition("path-pattern", (f"/{number}/*", path))
            rows.RULES.put(tx, replace(row, conditions=(condition,)))


@asynccontextmanager
async def rig(place: Path, groups: int, targets: int, program: str = TARGETS) -> AsyncIterator[Rig]:
    """The namespace, the targets, the reconciler; all is gone after the block."""
    await run("ip", "netns", "add", ENI)
    process = None
    woken = asyncio.Event()
    plane = BalancerPlane.hearing(place / "balancer", woken.set)
    try:
        await run("ip", "-n", ENI, "link", "set", "lo", "up")
        await run("ip", "-n", ENI, "addr", "add", f"{ADDRESS}/32", "dev", "lo")
        await run("ip", "-n", ENI, "route", "add", "local", "10.1.0.0/16", "dev", "lo")
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", ENI, sys.executable, "-c", program),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        store = wishes(groups, targets)
        yield Rig(store, BalancerReconciler(store, plane, Settings(place)), woken)
    finally:
        if ENI in await plane.observe():
            await plane.apply(StopNode(ENI))
        assert plane.events is not None
        plane.events.close()
        if process is not None:
            process.kill()
            await process.communicate()
        await run("ip", "netns", "del", ENI)


def haproxy_mb() -> float:
    """The resident memory of the largest HAProxy, its worker, in MB."""
    found = [0.0]
    for place in Path("/proc").glob("[0-9]*"):
        try:
            status = (place / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status.startswith("Name:\thaproxy") and "VmRSS" in status:
            found.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    return max(found)


async def measure(big: Rig, groups: int, targets: int) -> AsyncIterator[Figure]:
    """Every figure as soon as it is known."""

    def one(name: str, value: float, unit: str = "s", goal: str = "") -> Figure:
        return Figure.of(name, [value], unit, goal)

    yield one("from rows to a node that runs", await big.settle())
    yield one("until all targets are healthy", await big.until_healthy(targets))
    await big.settle()
    yield one("HAProxy's resident memory", haproxy_mb(), "MB")
    yield one("a look at it when nothing has changed", await big.settle())
    new = [registration(targets + number, groups) for number in range(5)]
    applied, serving = [], []
    for row in new:
        with big.store.transaction() as tx:
            rows.REGISTRATIONS.insert(tx, row)
        begun = perf_counter()
        applied.append(await big.settle())
        targets += 1
        await big.until_healthy(targets)
        serving.append(perf_counter() - begun)
    yield Figure.of("one target registered, applied", applied, "s", "<= 1 s")
    yield Figure.of("one target registered until it is healthy", serving, "s")
    for row in new:
        with big.store.transaction() as tx:
            rows.REGISTRATIONS.delete(
                tx, group_arn=row.group_arn, target_id=row.target_id, port=row.port
            )
    yield one("five targets deregistered, applied", await big.settle(), goal="<= 1 s")
    changed = []
    for number in range(3):
        big.change_rule(number % groups, f"/more{number}")
        begun = perf_counter()
        await big.reconciler.activate()
        changed.append(perf_counter() - begun)
        await big.settle()
    yield Figure.of("one rule changed, applied (a reload)", changed, "s", "<= 1 s")
    if targets <= UNDER_LOAD_TARGETS_MAX:
        took, errors = await under_load(big, groups, targets - len(new))
        yield Figure.of(f"{len(took)} changes under load, each", took, "s")
        yield one(f"{len(took)} changes under load, all", sum(took))
        yield one("requests that failed meanwhile", errors, "")
    yield one("HAProxy's resident memory after all", haproxy_mb(), "MB")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield one("the reconciler's resident memory, at most", own, "MB")


async def under_load(big: Rig, groups: int, targets: int) -> tuple[list[float], int]:
    """Changes while wrk asks on 64 connections: how long each took, and how many requests failed.

    Of twenty changes one is of a rule; the others register and deregister a target.
    """
    load = asyncio.create_task(
        run("wrk", "-t1", "-c64", "-d300", f"http://{ADDRESS}:8080/1/x", netns=ENI, timeout_s=400)
    )
    took = []
    for number in range(CHANGES):
        row = registration(targets + number // 2, groups)
        if number % 20 == 19:
            big.change_rule(number // 20 % groups, f"/{number}")
        else:
            with big.store.transaction() as tx:
                if number % 2 == 0:
                    rows.REGISTRATIONS.put(tx, row)
                else:
                    rows.REGISTRATIONS.delete(
                        tx, group_arn=row.group_arn, target_id=row.target_id, port=row.port
                    )
        begun = perf_counter()
        report = await big.reconciler.activate()
        took.append(perf_counter() - begun)
        if report.refusals:
            raise SystemExit(f"refused: {report.refusals}")
    for pid in (await run("ip", "netns", "pids", ENI)).split():
        if command_line(int(pid))[:1] == ("wrk",):
            os.kill(int(pid), signal.SIGINT)
    said = await load
    wrong = re.findall(
        r"Non-2xx or 3xx responses: (\d+)|(?:connect|read|write|timeout) (\d+)", said
    )
    return took, sum(int(one or other) for one, other in wrong)


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        async with rig(Path(place), options.groups, options.targets) as big:
            async for figure in measure(big, options.groups, options.targets):
                print(json.dumps(asdict(figure)) if options.json else figure, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
