"""What a change costs the control plane, by the number of tasks: everything but the planes.

    .venv/bin/python bench/control_plane.py [TASKS ...]

A model: the services, the scheduler, the store and the blueprints are the real ones, and the world
is played by writing what reconcilers of the planes would have seen. A change is one task that ends:
what is measured is each reader's look at it, then calls of the API beside so many tasks. Times are
of the processor. The last lines say where it bends: how much more each takes from size to size.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from time import process_time

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.figures import Figure  # noqa: E402

import hiyoko.services.ec2  # noqa: E402
import hiyoko.services.ecs  # noqa: E402
import hiyoko.services.elbv2  # noqa: E402
import hiyoko.services.servicediscovery  # noqa: E402, F401
from hiyoko import api  # noqa: E402
from hiyoko.blueprint.draw_balancers import DrawnGroups, draw_balancers  # noqa: E402
from hiyoko.blueprint.draw_network import DrawnBefore, draw_network  # noqa: E402
from hiyoko.reconcile.balancers import balancer_rows  # noqa: E402
from hiyoko.reconcile.connect import load_proxies  # noqa: E402
from hiyoko.reconcile.ecs_events import EcsEventsReconciler  # noqa: E402
from hiyoko.reconcile.ecs_services import EcsServicesReconciler  # noqa: E402
from hiyoko.reconcile.task_drawing import TaskDrawing  # noqa: E402
from hiyoko.reconcile.zones import LastTime  # noqa: E402
from hiyoko.reconcile.zones import draw as draw_zones  # noqa: E402
from hiyoko.services.ec2 import rows as ec2  # noqa: E402
from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen  # noqa: E402
from hiyoko.services.ecs import rows  # noqa: E402
from hiyoko.services.ecs.model import Task  # noqa: E402
from hiyoko.services.ecs.seen import TASKS_SEEN, ContainerSeen, TaskSeen  # noqa: E402
from hiyoko.services.elbv2 import rows as elbv2  # noqa: E402
from hiyoko.services.elbv2.seen import TARGETS_SEEN, TargetSeen  # noqa: E402
from hiyoko.store.database import Store, Transaction  # noqa: E402

SERVICE_TASKS = 100
BALANCER_GROUPS = 50
CHANGES = 20
CALLS = 5
IMAGE = f"nginx@sha256:{7:064x}"
GOAL = "<= 10"

Timed = tuple[str, Callable[[], object]]


class Model:
    """An account with so many running tasks, a hundred to a service."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.scheduler = EcsServicesReconciler(store)
        self.teller = EcsEventsReconciler(store, lambda: False)
        self.now = self.scheduler.clock.now
        self.drawn = TaskDrawing()
        self.network = DrawnBefore()
        self.zones = LastTime()
        self.targets = DrawnGroups()
        self.vpc = ""
        self.placed: dict[str, object] = {}
        self.groups: list[str] = []

    def call(self, service: str, name: str, **request: object) -> api.Response:
        return api.invoke(self.store, service, name, request)

    def build(self, tasks: int) -> None:
        """The network, and wishes for so many tasks."""
        vpc = self.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.call("ec2", "ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
        gateway = self.call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
        self.call("ec2", "AttachInternetGateway", VpcId=vpc, InternetGatewayId=gateway)
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
        self.vpc = vpc
        self.placed = {"awsvpcConfiguration": {"subnets": subnets}}
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
            self.create_service(f"s{left}", count)

    def create_service(self, name: str, count: int) -> None:
        """A service of so many tasks."""
        self.call(
            "ecs",
            "CreateService",
            cluster="c",
            serviceName=name,
            taskDefinition="app",
            launchType="FARGATE",
            desiredCount=count,
            networkConfiguration=self.placed,
        )

    def balance(self) -> None:
        """Each service's tasks become healthy targets of a group of its own."""
        with self.store.reading() as tx:
            services = rows.list_services(tx)
            tasks = {one.arn: rows.list_tasks(tx, service=one.arn) for one in services}
        listener, nodes = "", list[str]()
        for number, service in enumerate(services):
            if number % BALANCER_GROUPS == 0:
                listener, nodes = self._balancer(number)
            group = self.call(
                "elbv2", "CreateTargetGroup", Name=service.name, TargetType="ip", Port=80,
                Protocol="HTTP", VpcId=self.vpc,
            )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
            self.groups.append(group)
            self.call(
                "elbv2", "CreateRule", ListenerArn=listener, Priority=number + 1,
                Conditions=[{"Field": "path-pattern", "Values": [f"/{service.name}"]}],
                Actions=[{"Type": "forward", "TargetGroupArn": group}],
            )  # fmt: skip
            addresses = [task.address for task in tasks[service.arn]]
            targets = [{"Id": address, "Port": 80} for address in addresses]
            self.call("elbv2", "RegisterTargets", TargetGroupArn=group, Targets=targets)
            with self.store.transaction() as tx:
                for address in addresses:
                    for eni in nodes:
                        seen = TargetSeen(group, address, 80, eni, "healthy", "", "", self.now())
                        TARGETS_SEEN.put(tx, seen)

    def _balancer(self, number: int) -> tuple[str, list[str]]:
        """A load balancer's listener, and the interfaces of its nodes."""
        subnets = self.placed["awsvpcConfiguration"]["subnets"]  # type: ignore[index]
        made = self.call("elbv2", "CreateLoadBalancer", Name=f"lb{number}", Subnets=subnets)
        arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        listener = self.call(
            "elbv2", "CreateListener", LoadBalancerArn=arn, Protocol="HTTP", Port=80,
            DefaultActions=[answer],
        )["Listeners"][0]["ListenerArn"]  # fmt: skip
        with self.store.reading() as tx:
            return listener, [node.eni_id for node in elbv2.get_load_balancer(tx, arn).nodes]

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
                INTERFACES_SEEN.delete(tx, eni_id=task.eni_id)
                TASKS_SEEN.put(tx, self._sighting(task, "STOPPED", gone=True))

    def _sighting(self, task: Task, status: str, *, gone: bool = False) -> TaskSeen:
        now = self.now() - 60
        ended = now if status == "STOPPED" else None
        container = ContainerSeen("web", status, started_at=now, finished_at=ended)
        return TaskSeen(task.arn, (container,), seen_at=now, gone=gone)

    def end_one(self, number: int) -> None:
        """One task's only container has ended."""
        with self.store.reading() as tx:
            task = _serving(tx)[number * 7]
        with self.store.transaction() as tx:
            TASKS_SEEN.put(tx, self._sighting(task, "STOPPED"))

    def readers(self) -> Iterator[Timed]:
        """Whoever looks at all of it after a change."""
        yield "scheduler", lambda: asyncio.run(self.scheduler.activate())
        yield "events of tasks", lambda: asyncio.run(self.teller.activate())
        yield (
            "blueprint of the network",
            self._reader(lambda tx: draw_network(ec2.network_rows(tx), self.network)),
        )
        yield "blueprint of the tasks", self._reader(self.drawn.read)
        yield "blueprint of proxies", self._reader(load_proxies)
        yield (
            "blueprint of zones",
            self._reader(lambda tx: draw_zones(tx, self.zones.drawn, self.zones.balancers)),
        )
        yield (
            "blueprint of balancers",
            self._reader(lambda tx: draw_balancers(balancer_rows(tx), before=self.targets)),
        )

    def _reader(self, what: Callable[[Transaction], object]) -> Callable[[], object]:
        def read() -> object:
            with self.store.reading() as tx:
                return what(tx)

        return read

    def calls(self, number: int) -> Iterator[Timed]:
        """What clients ask for, each call by itself; ``number`` tells the rounds apart."""
        with self.store.reading() as tx:
            some, service = _serving(tx)[number * 7], rows.list_services(tx)[0].name
        target = {"Id": f"10.1.0.{number + 1}", "Port": 80, "AvailabilityZone": "all"}
        targets: Mapping[str, object] = {
            "TargetGroupArn": self.groups[-1],
            "Targets": [target],
        }
        for api_name, operation, request in (
            ("ecs", "RunTask", {
                "cluster": "c", "taskDefinition": "app", "launchType": "FARGATE",
                "networkConfiguration": self.placed,
            }),
            ("ecs", "StopTask", {"cluster": "c", "task": some.arn}),
            ("ecs", "DescribeTasks", {"cluster": "c", "tasks": [some.arn]}),
            ("ecs", "ListTasks", {"cluster": "c"}),
            ("ecs", "DescribeServices", {"cluster": "c", "services": [service]}),
            ("ecs", "DescribeClusters", {"clusters": ["c"]}),
            ("elbv2", "RegisterTargets", targets),
            ("elbv2", "DescribeTargetHealth", {"TargetGroupArn": self.groups[-1]}),
            ("elbv2", "DeregisterTargets", targets),
            ("ec2", "DescribeNetworkInterfaces", {"NetworkInterfaceIds": [some.eni_id]}),
            ("ec2", "DescribeSubnets", {}),
        ):  # fmt: skip
            yield operation, self._caller(api_name, operation, request)

    def _caller(
        self, service: str, operation: str, request: Mapping[str, object]
    ) -> Callable[[], object]:
        return lambda: self.call(service, operation, **request)


def _serving(tx: Transaction) -> list[Task]:
    """The tasks of services whose end nobody wishes."""
    return [one for one in rows.TASKS.list(tx) if one.service and one.stop is None]


def _ms(action: Callable[[], object]) -> float:
    begun = process_time()
    action()
    return (process_time() - begun) * 1e3


def measure(tasks: int) -> Iterator[tuple[str, list[float], str]]:
    """One size: what was done, its milliseconds, the goal."""
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-") as place:
        model = Model(Store.open(Path(place) / "store.sqlite"))
        model.build(tasks)
        yield "started, each", [_ms(model.schedule) / tasks], ""
        model.balance()
        for _, reader in model.readers():
            reader()
        found: dict[str, list[float]] = {}
        for number in range(CHANGES):
            model.end_one(number % (tasks // 10))
            for name, reader in model.readers():
                found.setdefault(f"one ends: {name}", []).append(_ms(reader))
            model.schedule()
        for number in range(CALLS):
            for name, call in model.calls(number):
                found.setdefault(name, []).append(_ms(call))
        model.schedule()
        for name, values in found.items():
            yield name, values, GOAL
        model.create_service("more", SERVICE_TASKS)
        yield f"{SERVICE_TASKS} more: started, each", [_ms(model.schedule) / SERVICE_TASKS], ""


def bends(sizes: Sequence[int], found: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """How each cost grows from size to size: where it bends, it is no longer the change's own."""
    yield f"  {'':<40} " + " ".join(f"{f'{one:,}':>10}" for one in sizes)
    for name, medians in found.items():
        pairs = pairwise(medians)
        growth = " ".join(f"{f'x {after / before:.1f}':>10}" for before, after in pairs)
        yield f"  {name:<40} {medians[0]:>7.2f} ms {growth}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", type=int, nargs="*", default=[100, 1000, 10000])
    sizes = parser.parse_args().tasks
    found: dict[str, list[float]] = {}
    for tasks in sizes:
        for name, values, goal in measure(tasks):
            found.setdefault(name, []).append(statistics.median(values))
            print(Figure.of(f"{tasks:,} tasks: {name}", values, "ms", goal), flush=True)
    for line in bends(sizes, found):
        print(line)


if __name__ == "__main__":
    main()
