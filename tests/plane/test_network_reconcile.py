"""From ec2's calls to the kernel and back to ec2's sightings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import hiyoko.services.ec2
from hiyoko.api import invoke
from hiyoko.plane.network import NetworkPlane, NetworkStep, prepare_internet
from hiyoko.plane.process import NETNS_DIR, run
from hiyoko.reconcile.network import NetworkReconciler
from hiyoko.services.ec2.seen import INTERFACES_SEEN, NAT_GATEWAYS_SEEN, VPCS_SEEN
from hiyoko.store.database import Store

assert hiyoko.services.ec2.__doc__  # importing it registers the operations


class Ec2:
    """ec2 as a client sees it, without the wire."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        return invoke(self.store, "ec2", operation, request)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    await prepare_internet()
    opened = Store.open(tmp_path / "hiyoko.db")
    yield opened
    opened.empty()
    await NetworkReconciler(opened).activate()
    opened.close()
    assert not list(NETNS_DIR.iterdir())


def site(ec2: Ec2) -> dict[str, str]:
    """A VPC with a NAT gateway in a public subnet and one interface in a private one."""
    vpc = ec2.call("CreateVpc", CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    public, private = (
        ec2.call("CreateSubnet", VpcId=vpc, CidrBlock=f"10.1.{number}.0/24")["Subnet"]["SubnetId"]
        for number in (0, 1)
    )
    igw = ec2.call("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2.call("AttachInternetGateway", VpcId=vpc, InternetGatewayId=igw)
    elastic = ec2.call("AllocateAddress", Domain="vpc")
    nat = ec2.call("CreateNatGateway", SubnetId=public, AllocationId=elastic["AllocationId"])[
        "NatGateway"
    ]["NatGatewayId"]
    for subnet, target in (
        (public, {"GatewayId": igw}),
        (private, {"NatGatewayId": nat}),
    ):
        table = ec2.call("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.call("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
        ec2.call("AssociateRouteTable", RouteTableId=table, SubnetId=subnet)
    return {"vpc": vpc, "nat": nat, "subnet": private, "task": managed(ec2, private)}


def managed(ec2: Ec2, subnet: str) -> str:
    """A task's interface."""
    made = ec2.call(
        "_CreateManagedInterface",
        SubnetId=subnet,
        Groups=[],
        Description="task",
        RequesterId="amazon-ecs",
        InterfaceType="interface",
        AssociatePublicIp=False,
    )
    return str(made["NetworkInterfaceId"])


async def test_what_was_called_stands_is_seen_and_the_next_look_is_quiet(store: Store) -> None:
    made = site(Ec2(store))
    reconciler = NetworkReconciler(store)
    first = await reconciler.activate()
    assert first.steps
    assert not first.refusals
    assert first.saw_change
    with store.reading() as tx:
        assert {row.vpc_id for row in VPCS_SEEN.list(tx)} == {made["vpc"]}
        assert made["task"] in {row.eni_id for row in INTERFACES_SEEN.list(tx)}
        assert {row.nat_gateway_id for row in NAT_GATEWAYS_SEEN.list(tx)} == {made["nat"]}
    assert (await reconciler.activate()).quiet
    # Another process knows nothing, reads everything, and finds the same.
    assert (await NetworkReconciler(store).activate()).quiet
    assert await run("ping", "-c", "1", "-W", "10", "198.18.0.100", netns=made["task"])


async def test_an_interface_that_was_deleted_is_gone_and_no_longer_seen(store: Store) -> None:
    ec2 = Ec2(store)
    made = site(ec2)
    reconciler = NetworkReconciler(store)
    await reconciler.activate()
    ec2.call("_DeleteManagedInterface", NetworkInterfaceId=made["task"])
    assert (await reconciler.activate()).saw_change
    with store.reading() as tx:
        assert made["task"] not in {row.eni_id for row in INTERFACES_SEEN.list(tx)}
    assert made["task"] not in {each.name for each in NETNS_DIR.iterdir()}
    assert (await reconciler.activate()).quiet


@dataclass(frozen=True, slots=True)
class Telling(NetworkPlane):
    """Tells of each step before it is taken."""

    tell: Callable[[NetworkStep], None] = lambda _: None

    async def apply(self, step: NetworkStep) -> None:
        """Take one step."""
        self.tell(step)
        await NetworkPlane.apply(self, step)


def noted_at(store: Store) -> tuple[NetworkReconciler, dict[str, set[str]]]:
    """A new reconciler, and what was noted as standing when each of its steps was taken."""
    noted: dict[str, set[str]] = {}

    def tell(step: NetworkStep) -> None:
        with store.reading() as tx:
            ids = {row.eni_id for row in INTERFACES_SEEN.list(tx)}
            ids |= {row.vpc_id for row in VPCS_SEEN.list(tx)}
            ids |= {row.nat_gateway_id for row in NAT_GATEWAYS_SEEN.list(tx)}
        noted[type(step).__name__] = ids

    return NetworkReconciler(store, Telling(tell=tell)), noted


async def test_what_another_world_held_stands_no_more_while_it_is_made_again(store: Store) -> None:
    """Else a task would pull through an interface that has a name and no address yet."""
    made = site(Ec2(store))
    await NetworkReconciler(store).activate()
    for each in list(NETNS_DIR.iterdir()):
        await run("ip", "netns", "delete", each.name)
    reconciler, noted = noted_at(store)
    await reconciler.activate()
    assert noted["AttachInterfaces"] == set()
    assert noted["OpenLane"] >= {made["vpc"], made["nat"], made["task"]}
    assert (await reconciler.activate()).quiet


async def test_who_waits_for_an_interface_does_not_wait_until_another_has_gone(
    store: Store,
) -> None:
    ec2 = Ec2(store)
    made = site(ec2)
    await NetworkReconciler(store).activate()
    ec2.call("_DeleteManagedInterface", NetworkInterfaceId=made["task"])
    new = managed(ec2, made["subnet"])
    reconciler, noted = noted_at(store)
    await reconciler.activate()
    assert new not in noted["AttachInterfaces"]
    assert noted["DetachInterfaces"] >= {new, made["task"]}
    assert (await reconciler.activate()).quiet
