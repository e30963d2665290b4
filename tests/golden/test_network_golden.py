"""The example network as text. ``HIYOKO_GOLDEN=rewrite`` rewrites; the diff is reviewed."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from hiyoko.blueprint import example
from hiyoko.blueprint.network import GatewayEndpoint, PrefixList
from hiyoko.plane.network.internet import render_internet
from hiyoko.plane.network.rules import parts, render_rules
from hiyoko.plane.network.wiring import gateway_lines, wiring

FOLDER = Path(__file__).with_name("network")


def interfaces_and_routes() -> str:
    wired = wiring(example.example_vpc())
    text = "# interfaces, seen from the router\n"
    text += "".join(wire.create + wire.finish for wire in wired.wires)
    text += "# inside the first one\n" + wired.wires[0].inside
    text += "# routes and rules\n"
    text += "".join(f"route {route.text}\n" for route in sorted(wired.routes))
    text += "".join(f"rule {rule.text}\n" for rule in sorted(wired.rules))
    return text + "# internet gateway\n" + gateway_lines(wired.vpc_id)


ENDPOINT = GatewayEndpoint("vpce-0a000000000000001", IPv4Address("198.18.16.1"))
PREFIXES = PrefixList("pl-0a000001", (IPv4Network("198.18.16.0/26"),))


def endpoint_parts() -> str:
    """What a gateway endpoint and a prefix list add to a router's table."""
    vpc = replace(example.example_vpc(), gateway_endpoints=(ENDPOINT,), prefix_lists=(PREFIXES,))
    names = (f"eni/{ENDPOINT.endpoint_id}", f"prefixes/{PREFIXES.prefix_list_id}")
    return "".join(part.body for part in parts(vpc) if part.name in names)


CASES = {
    "gateway_endpoint.nft": endpoint_parts,
    "router.nft": lambda: render_rules(example.example_vpc()),
    "nat_gateway.nft": lambda: wiring(example.example_vpc()).wires[0].nat,
    "router.ip": interfaces_and_routes,
    "internet.ip": render_internet,
}


@pytest.mark.parametrize("name", CASES)
def test_the_example_is_rendered_as_recorded(name: str) -> None:
    path, text = FOLDER / name, CASES[name]()
    if os.environ.get("HIYOKO_GOLDEN") == "rewrite":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text
