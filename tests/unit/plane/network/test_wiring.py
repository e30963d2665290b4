from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from hiyoko.blueprint import example
from hiyoko.blueprint.network import Route, RouteTable, ToInterface, ToInternetGateway, Vpc
from hiyoko.plane.network.names import interface_link, internet_link, table_number
from hiyoko.plane.network.wiring import KernelRoute, wiring

VPC = example.example_vpc()


def routes_with(*routes: Route) -> frozenset[KernelRoute]:
    vpc = replace(VPC, route_tables=(RouteTable(example.PUBLIC_TABLE, routes),))
    return wiring(vpc).routes


def test_names_fit_the_kernels_fifteen_characters() -> None:
    assert len(interface_link("eni-0123456789abcdef0")) <= 15
    assert len(internet_link("vpc-0123456789abcdef0")) <= 15


def test_a_table_without_a_default_route_drops_what_no_route_fits() -> None:
    number = table_number(example.PUBLIC_TABLE)
    assert KernelRoute(number, "default", "") in routes_with()


def test_a_target_that_is_not_there_is_a_blackhole() -> None:
    number = table_number(example.PUBLIC_TABLE)
    office = IPv4Network("203.0.113.0/24")
    for target in (ToInternetGateway("igw-0f"), ToInterface("eni-0f")):
        assert KernelRoute(number, str(office), "") in routes_with(Route(office, target))


def test_an_address_of_the_vpc_that_nobody_has_never_leaves_it() -> None:
    assert KernelRoute(100, "10.0.0.0/16", "") in wiring(VPC).routes


def test_public_addresses_are_published_only_through_a_gateway() -> None:
    assert wiring(VPC).public == {"198.19.0.5", "198.19.0.6"}
    without: Vpc = replace(VPC, internet_gateway_id=None)
    assert wiring(without).public == frozenset()


def test_a_changed_interface_has_another_mark() -> None:
    wire = wiring(VPC).wires[0]
    assert wire.alias != replace(wire, address=IPv4Address("10.0.0.99")).alias
    assert wire.alias != replace(wire, nat="").alias
