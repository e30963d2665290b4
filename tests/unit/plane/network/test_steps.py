from __future__ import annotations

from dataclasses import replace

from hiyoko.blueprint import example
from hiyoko.blueprint.network import Blackhole, Network, Route, RouteTable, Vpc
from hiyoko.plane.network.names import GATEWAY_LINK, internet_link, table_number
from hiyoko.plane.network.observed import Observed, ObservedRouter
from hiyoko.plane.network.rules import parts
from hiyoko.plane.network.steps import (
    AttachInterfaces,
    ChangeRules,
    DropRoutes,
    OpenLane,
    PutRoutes,
    RemoveNamespaces,
    standing,
    steps,
)
from hiyoko.plane.network.wiring import KernelRoute, wiring

VPC = example.example_vpc()


def standing_as(vpc: Vpc) -> Observed:
    """What the kernel says when it holds this VPC."""
    wired = wiring(vpc)
    link = internet_link(vpc.vpc_id)
    return Observed(
        namespaces=frozenset({vpc.vpc_id, *(wire.eni_id for wire in wired.wires)}),
        routers={
            vpc.vpc_id: ObservedRouter(
                forwards=True,
                links={wire.link: wire.alias for wire in wired.wires} | {GATEWAY_LINK: "hiyoko"},
                resolvers=wired.resolvers,
                routes=wired.routes,
                rules=wired.rules,
                parts={part.name: part.print for part in parts(vpc)},
            )
        },
        internet_links=frozenset({link}),
        public=dict.fromkeys(wired.public, link),
    )


def test_nothing_is_done_when_all_stands() -> None:
    assert steps(Network((VPC,)), standing_as(VPC)) == []


def test_gates_are_in_place_before_the_first_packet() -> None:
    kinds = [type(step).__name__ for step in steps(Network((VPC,)), Observed())]
    assert kinds == [
        "PutRouter",
        "ChangeRules",
        "AttachInterfaces",
        "AttachGateway",
        "PutRoutes",
        "PublishAddresses",
        "OpenLane",
    ]


def test_an_empty_blueprint_removes_all_and_puts_nothing() -> None:
    kinds = [type(step).__name__ for step in steps(Network(), standing_as(VPC))]
    assert kinds == ["WithdrawAddresses", "DetachGateway", "DetachInterfaces", "RemoveNamespaces"]


def test_a_route_whose_target_has_gone_is_replaced_not_dropped() -> None:
    gone = RouteTable(example.PRIVATE_TABLE, (Route(example.EVERYWHERE, Blackhole("nat-0")),))
    changed = replace(VPC, route_tables=(VPC.route_tables[0], gone))
    taken = steps(Network((changed,)), standing_as(VPC))
    default = KernelRoute(table_number(example.PRIVATE_TABLE), "default", "")
    assert taken == [PutRoutes(VPC.vpc_id, (default,), ())]


def test_an_interface_that_has_gone_loses_its_gate_after_the_others_got_theirs() -> None:
    without = replace(VPC, interfaces=VPC.interfaces[:-1])
    kinds = [type(step) for step in steps(Network((without,)), standing_as(VPC))]
    assert kinds.index(ChangeRules) < kinds.index(DropRoutes) < kinds.index(RemoveNamespaces)


def test_a_broken_interface_is_replaced_with_its_routes() -> None:
    observed = standing_as(VPC)
    router = observed.routers[VPC.vpc_id]
    wire = wiring(VPC).wires[-1]
    broken = replace(router, links={**router.links, wire.link: ""})
    attach, put, lane = steps(Network((VPC,)), replace(observed, routers={VPC.vpc_id: broken}))
    assert isinstance(attach, AttachInterfaces)
    assert attach.replace == {wire.link}
    assert isinstance(put, PutRoutes)
    assert {route.device for route in put.routes} == {wire.link}
    assert lane == OpenLane(VPC.vpc_id, (wire,))


def test_a_new_interface_stands_before_its_lane_is_open() -> None:
    observed = standing_as(VPC)
    router = observed.routers[VPC.vpc_id]
    wire = next(one for one in wiring(VPC).wires if not one.nat)
    new = replace(router, links={**router.links, wire.link: wire.new_alias})
    observed = replace(observed, routers={VPC.vpc_id: new})
    assert steps(Network((VPC,)), observed) == [OpenLane(VPC.vpc_id, (wire,))]
    assert wire.eni_id in standing(Network((VPC,)), observed)[1]
