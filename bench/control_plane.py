"""What a change costs the control plane, by the number of tasks: everything but the planes.

    .venv/bin/python bench/control_plane.py [TASKS ...]

A model: the services, the scheduler, the store and the blueprints are the real ones, and the world
is played by writing what reconcilers of the planes would have seen. A change is one task that ends:
what is measured is each reader's work until the service has its replacement and all is at rest.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.figures import Figure  # noqa: E402

import hiyoko.services.ec2  # noqa: E402
import hiyoko.services.ecs  # noqa: E402
import hiyoko.services.elbv2  # noqa: E402, F401
from hiyoko import api  # noqa: E402
from hiyoko.blueprint.draw_network import DrawnBefore, draw_network  # noqa: E402
from hiyoko.blueprint.draw_tasks import Known  # noqa: E402
from hiyoko.reconcile.ecs_services import EcsServicesReconciler  # noqa: E402
from hiyoko.reconcile.tasks import load_tasks  # noqa: E402
from hiyoko.services.ec2 import rows as ec2  # noqa: E402
from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen  # noqa: E402
from hiyoko.services.ecs import rows  # noqa: E402
from hiyoko.services.ecs.model import Task  # noqa: E402
from hiyoko.services.ecs.seen import TASKS_SEEN, ContainerSeen, TaskSeen  # noqa: E402
from hiyoko.store.database import Store  # noqa: E402

SERVICE_TASKS = 100
CHANGES = 20
IMAGE = f"nginx@sha256:{7:064x}"


class Model:
    """An account with so many running tasks, a hundred to a service."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.scheduler = EcsServicesReconciler(store)
        self.now = self.scheduler.clock.now
        self.drawn: Known = {}
        self.network = DrawnBefore()

    def call(self, service: str, name: str, **request: object) -> api.Response:
        return api.invoke(self.store, service, name, request)

    def build(self, tasks: int) -> None:
        vpc = self.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            self.call(
                "ec2",
                "CreateSubnet",
                VpcId=vpc,
                CidrBlock=f"10.0.{128 * number}.0/17",
                AvailabilityZone=f"ap-northeast-1{zone}",
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("ac")
        ]
        self.call("ecs", "CreateCluster", clusterName="c")
        self.call(
            "ecs",
            "RegisterTaskDefinition",
            family="app",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "web", "image": IMAGE}],
        )
        left = tasks
        while left:
            count = min(SERVICE_TASKS, left)
            left -= count
            self.call(
                "ecs",
                "CreateService",
                cluster="c",
                serviceName=f"s{left}",
                taskDefinition="app",
                launchType="FARGATE",
                desiredCount=count,
                networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
            )

    def schedule(self) -> None:
        """The scheduler, until it is at rest."""
        while asyncio.run(self.scheduler.activate()).steps:
            self.play()

    def play(self) -> None:
        """The world does what tasks wish."""
        with self.store.reading() as tx:
            seen = {one.task_arn: one for one in TASKS_SEEN.list(tx)}
            tasks = rows.TASKS.list(tx)
        fresh = [one for one in tasks if one.arn not in seen]
        ending = [one for one in tasks if one.stop and not one.ended_at and not seen[one.arn].gone]
        if not fresh and not ending:
            return
        with self.store.transaction() as tx:
            for task in fresh:
                INTERFACES_SEEN.put(tx, InterfaceSeen(task.eni_id, self.now()))
                TASKS_SEEN.put(tx, self._sighting(task, "RUNNING"))
            for task in ending:
                TASKS_SEEN.put(tx, self._sighting(task, "STOPPED", gone=True))

    def _sighting(self, task: Task, status: str, *, gone: bool = False) -> TaskSeen:
        now = self.now() - 60
        ended = now if status == "STOPPED" else None
        container = ContainerSeen("web", status, started_at=now, finished_at=ended)
        return TaskSeen(task.arn, (container,), seen_at=now, gone=gone)

    def end_one(self, number: int) -> None:
        """One task's only container has ended."""
        with self.store.reading() as tx:
            task = [one for one in rows.TASKS.list(tx) if one.stop is None][number * 7]
        with self.store.transaction() as tx:
            TASKS_SEEN.put(tx, self._sighting(task, "STOPPED"))

    def readers(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Whoever reads all of it after a change."""
        yield "scheduler", lambda: asyncio.run(self.scheduler.activate())
        yield (
            "blueprint of the network",
            lambda: self._read(lambda tx: draw_network(ec2.network_rows(tx), self.network)),
        )
        yield "blueprint of the tasks", lambda: self._read(lambda tx: load_tasks(tx, self.drawn))

    def _read(self, what: Callable[..., object]) -> object:
        with self.store.reading() as tx:
            return what(tx)


def _ms(action: Callable[[], object]) -> float:
    begun = process_time()
    action()
    return (process_time() - begun) * 1e3


def measure(tasks: int) -> Iterator[Figure]:
    """One size."""
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-") as place:
        model = Model(Store.open(Path(place) / "store.sqlite"))
        model.build(tasks)
        yield Figure.of(f"{tasks:,} tasks: started, each", [_ms(model.schedule) / tasks], "ms")
        found: dict[str, list[float]] = {}
        for number in range(CHANGES):
            model.end_one(number % (tasks // 10))
            for name, reader in model.readers():
                found.setdefault(name, []).append(_ms(reader))
            model.schedule()
        for name, values in found.items():
            yield Figure.of(f"{tasks:,} tasks: one ends: {name}", values, "ms", "<= 10")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", type=int, nargs="*", default=[100, 1000, 10000])
    for tasks in parser.parse_args().tasks:
        for figure in measure(tasks):
            print(figure, flush=True)


if __name__ == "__main__":
    main()
