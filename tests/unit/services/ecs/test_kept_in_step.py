"""What ECS derives from its tasks is what a walk over all of them would find."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.ecs_cloud import Cloud

from hiyoko.services.ecs import rows
from hiyoko.services.ecs.model import Stop, Task
from hiyoko.services.ecs.networks import Spread, Subnet
from hiyoko.store.database import Store

ZONES = {"subnet-a": "a", "subnet-b": "b", "subnet-c": "c"}
SUBNETS = tuple(Subnet(name, "vpc", zone) for name, zone in ZONES.items())


def a_task() -> Task:
    cloud = Cloud.ready()
    cloud.run_task()
    with cloud.store.reading() as tx:
        (task,) = rows.TASKS.list(tx)
    return task


TASK = a_task()
_tasks = st.builds(
    lambda number, cluster, service, group, subnet, age, ends: replace(
        TASK,
        arn=f"task/{number}",
        cluster=cluster,
        service=service,
        group=group,
        subnet_id=subnet,
        zone=ZONES[subnet],
        created_at=age,
        stop=Stop(1.0, "UserInitiated", "") if ends else None,
    ),
    st.integers(0, 5),
    st.sampled_from(["c1", "c2"]),
    st.sampled_from(["", "s1", "s2"]),
    st.sampled_from(["g1", "g2"]),
    st.sampled_from(sorted(ZONES)),
    st.sampled_from([1.0, 2.0]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "forget"]), _tasks), max_size=15))
def test_tasks_by_age_and_their_spread(writes: list[tuple[str, Task]]) -> None:
    store = Store.open(":memory:")
    for verb, task in writes:
        with store.transaction() as tx:
            if verb == "put":
                rows.put_task(tx, task)
            else:
                rows.forget_task(tx, task.arn)
        with store.reading() as tx:
            tasks = sorted(rows.TASKS.list(tx), key=lambda one: (one.created_at, one.arn))
            assert rows.list_tasks(tx) == tasks
            mine = [one for one in tasks if one.cluster == "c1"]
            assert rows.list_tasks(tx, cluster="c1") == mine
            assert rows.list_tasks(tx, service="s1") == [t for t in tasks if t.service == "s1"]
            near = [one for one in mine if one.group == "g1" and one.stop is None]
            zones = Counter(one.zone for one in near)
            itself = Counter(one.subnet_id for one in near)
            best = min(SUBNETS, key=lambda one: (zones[one.zone], itself[one.id]))
            assert rows.TASKS.derived(tx, Spread).choose_subnet(SUBNETS, "c1", "g1") == best
