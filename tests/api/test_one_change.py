"""One task's change writes and asks the same, however many tasks there are beside it.

Counted, not timed: the model of ``bench/control_plane.py``, in which everything but the planes is
the real thing.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from bench.control_plane import IMAGE, Model

from hiyoko.api import Call
from hiyoko.reconcile import ecs_services
from hiyoko.reconcile.ecs_plan import TargetHealth
from hiyoko.services.ec2.rows import SUBNETS
from hiyoko.services.elbv2.rows import LOAD_BALANCERS, REGISTRATIONS
from hiyoko.services.elbv2.seen import TARGETS_SEEN, TargetSeen
from hiyoko.store.database import Store

SIZES = (2, 50)
CROWDS = (200, 800)
ROUNDS = 4
PROPORTIONAL = ("scheduler", "events of tasks", "blueprint of the tasks")
"""Readers that look at what changed and at nothing beside it."""
PROPORTIONAL_CALLS = (
    *("RunTask", "StopTask", "DescribeTasks", "ListTasks", "DescribeServices", "RegisterTargets"),
    *("DescribeTargetHealth", "DeregisterTargets", "DescribeNetworkInterfaces", "DescribeSubnets"),
)


@contextmanager
def statements(store: Store) -> Iterator[Counter[str]]:
    """The SQL statements that reach SQLite, by their first words."""
    seen: Counter[str] = Counter()
    store.connection.set_trace_callback(lambda sql: seen.update([" ".join(sql.split()[:3])]))
    try:
        yield seen
    finally:
        store.connection.set_trace_callback(None)


def model_at_rest(tasks: int) -> Model:
    model = Model(Store.open(":memory:"))
    model.build(tasks)
    model.schedule()
    return model


def replacement(tasks: int) -> tuple[Counter[str], int]:
    """What the replacement of one task takes: statements, and steps of the scheduler."""
    model = model_at_rest(tasks)
    model.end_one(0)
    steps = 0
    with statements(model.store) as seen:
        while done := asyncio.run(model.scheduler.activate()).steps:
            steps += len(done)
            model.play()
    return seen, steps


def test_a_task_is_replaced_by_as_many_statements_whatever_is_beside_it() -> None:
    (few, few_steps), (many, many_steps) = (replacement(size) for size in SIZES)
    assert few_steps == many_steps > 0
    assert many == few


def looks(tasks: int) -> dict[str, Counter[str]]:
    """What each reader asks the database for once a task has ended."""
    model = model_at_rest(tasks)
    for _, look in model.readers():
        look()
    model.end_one(0)
    found = {}
    for name, look in reversed(list(model.readers())):
        with statements(model.store) as seen:
            look()
        found[name] = seen
    return found


def test_a_look_after_one_change_asks_the_database_as_often() -> None:
    few, many = (looks(size) for size in SIZES)
    assert many == few
    assert few["blueprint of the network"].total() <= 3  # begin, the revision, end: rows are kept


def lines_run(action: Callable[[], object]) -> int:
    """How many lines of Python run: each row that is looked at in a loop is one at least."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def crowd(tasks: int) -> dict[str, int]:
    """The lines that each reader and each call takes for one change beside so many tasks."""
    model = model_at_rest(tasks)
    model.balance()
    found: dict[str, list[int]] = {}
    for number in range(ROUNDS):
        model.end_one(number)
        for name, look in model.readers():
            found.setdefault(name, []).append(lines_run(look))
        model.schedule()
    for number in range(ROUNDS):
        for name, call in model.calls(number):
            found.setdefault(name, []).append(lines_run(call))
        model.schedule()
    # At first everything is read; and who comes after another one finds something done.
    return {name: min(lines) for name, lines in found.items()}


def test_a_change_is_looked_at_alone_whatever_is_beside_it() -> None:
    """600 tasks more are 600 lines more where somebody walks them; a service may be looked at."""
    few, many = (crowd(size) for size in CROWDS)
    more = {name: many[name] - few[name] for name in (*PROPORTIONAL, *PROPORTIONAL_CALLS)}
    assert {name: lines for name, lines in more.items() if lines >= CROWDS[1] - CROWDS[0]} == {}


class Balanced(Model):
    """A service of two tasks for each target group behind one load balancer."""

    def build(self, tasks: int) -> None:
        super().build(2)
        ports = [{"containerPort": 80}]
        self.call(
            "ecs",
            "RegisterTaskDefinition",
            **{"family": "balanced", "networkMode": "awsvpc", "cpu": "256", "memory": "512"},
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=[{"name": "web", "image": IMAGE, "portMappings": ports}],
        )
        with self.store.reading() as tx:
            mine = [row for row in SUBNETS.table.list(tx) if row.cidr.startswith("10.0.")]
            vpc, subnets = mine[0].vpc_id, [row.subnet_id for row in mine]
        balancer = self.call(
            "elbv2", "CreateLoadBalancer", Name="web", Scheme="internal", Subnets=subnets
        )["LoadBalancers"][0]["LoadBalancerArn"]
        listener = ""
        for number in range(tasks // 2):
            group = self.call(
                "elbv2",
                "CreateTargetGroup",
                **{"Name": f"g{number}", "Protocol": "HTTP", "Port": 80},
                **{"VpcId": vpc, "TargetType": "ip"},
            )["TargetGroups"][0]["TargetGroupArn"]
            forward = [{"Type": "forward", "TargetGroupArn": group}]
            if not listener:
                listener = self.call(
                    "elbv2",
                    "CreateListener",
                    **{"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": 80},
                    DefaultActions=forward,
                )["Listeners"][0]["ListenerArn"]
            else:
                path = {"Field": "path-pattern", "Values": [f"/{number}"]}
                self.call(
                    "elbv2",
                    "CreateRule",
                    **{"ListenerArn": listener, "Priority": number},
                    **{"Conditions": [path], "Actions": forward},
                )
            self.call(
                "ecs",
                "CreateService",
                **{"cluster": "c", "serviceName": f"b{number}", "taskDefinition": "balanced"},
                **{"launchType": "FARGATE", "desiredCount": 2},
                networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
                loadBalancers=[
                    {"targetGroupArn": group, "containerName": "web", "containerPort": 80}
                ],
            )

    def see(self, state: str, targets: slice = slice(None)) -> set[str]:
        """The nodes see these targets in another state; their groups."""
        with self.store.transaction() as tx:
            (balancer,) = LOAD_BALANCERS.list(tx)
            found = REGISTRATIONS.list(tx)[targets]
            for one in found:
                for node in balancer.nodes:
                    key = (one.group_arn, one.target_id, one.port, node.eni_id)
                    TARGETS_SEEN.put(tx, TargetSeen(*key, state, "", "", self.now()))
        return {one.group_arn for one in found}


@pytest.mark.parametrize("groups", [2, 12])
def test_a_targets_health_is_one_services_concern(
    groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Balanced(Store.open(":memory:"))
    model.build(2 * groups)
    model.schedule()
    assert len(model.see("healthy")) == groups
    model.schedule()
    asked: list[str] = []
    ask = ecs_services._health

    def counted(call: Call, group: str, targets: Sequence[tuple[str, int]]) -> list[TargetHealth]:
        asked.append(group)
        return ask(call, group, targets)

    monkeypatch.setattr(ecs_services, "_health", counted)
    asyncio.run(model.scheduler.activate())
    assert asked == []
    (group,) = model.see("unhealthy", slice(1))
    asyncio.run(model.scheduler.activate())
    assert asked == [group]
