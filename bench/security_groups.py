"""One changed security-group rule with 2 and with 200 interfaces: the time until it is in force.

Run inside a world of its own:

    .venv/bin/python -m hiyoko.plane.world -- .venv/bin/python bench/security_groups.py

A change is everything that the network reconciler does for it: observe the kernel, compare all with
all, apply, observe again. The lines below show it apart from the part that talks to the kernel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from dataclasses import replace
from time import perf_counter

from hiyoko.blueprint import example
from hiyoko.blueprint.network import Network, Vpc
from hiyoko.plane.network import NetworkPlane, prepare_internet, steps

ROUNDS = 30


def vpc_of(count: int) -> Vpc:
    """The example with so many interfaces, all members of the changed group but four."""
    further = tuple(
        example.example_interface(10 + number, example.PRIVATE_A, (example.TASK_GROUP,))
        for number in range(count - 2)
    )
    vpc = example.example_vpc(further)
    # The balancer and one task stay: two interfaces, or two hundred.
    left = (example.NAT_INTERFACE, example.TASK_C)
    return replace(
        vpc,
        interfaces=tuple(each for each in vpc.interfaces if each not in left),
        nat_gateways=(),
    )


def changed(vpc: Vpc, number: int) -> Network:
    """The same network with another port open in the tasks' group."""
    groups = tuple(
        replace(group, ingress=(example.allow(example.BALANCER_GROUP, 1000 + number),))
        if group.group_id == example.TASK_GROUP
        else group
        for group in vpc.groups
    )
    return Network((replace(vpc, groups=groups),))


async def settle(network: Network) -> float:
    """Make the network stand; the seconds that it took."""
    plane = NetworkPlane()
    begun = perf_counter()
    for step in steps(network, await plane.observe()):
        await plane.apply(step)
    return perf_counter() - begun


async def measure(count: int) -> dict[str, float]:
    """Medians in milliseconds for this many interfaces."""
    vpc = vpc_of(count)
    plane = NetworkPlane()
    up_s = await settle(Network((vpc,)))
    whole, applying = [], []
    for number in range(ROUNDS):
        network = changed(vpc, number)
        begun = perf_counter()
        (step,) = steps(network, await plane.observe())
        compared = perf_counter()
        await plane.apply(step)
        applied = perf_counter()
        assert not steps(network, await plane.observe())
        whole.append(perf_counter() - begun)
        applying.append(applied - compared)
    await settle(Network())
    return {
        "interfaces": count,
        "bring_up_s": round(up_s, 2),
        "apply_ms": round(1000 * statistics.median(applying), 2),
        "reconcile_ms": round(1000 * statistics.median(whole), 2),
    }


async def main() -> None:
    """Measure both sizes and print them with their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    await prepare_internet()
    few, many = await measure(2), await measure(200)
    ratio = {key: round(many[key] / few[key], 2) for key in ("apply_ms", "reconcile_ms")}
    if arguments.json:
        print(json.dumps({"few": few, "many": many, "ratio": ratio}))
        return
    for row in (few, many):
        print(
            f"{row['interfaces']:>3} interfaces: up in {row['bring_up_s']} s; one rule changed:"
            f" applied in {row['apply_ms']} ms, whole reconcile {row['reconcile_ms']} ms"
        )
    print(f"ratio 200 : 2    applied {ratio['apply_ms']}, whole reconcile {ratio['reconcile_ms']}")


if __name__ == "__main__":
    asyncio.run(main())
