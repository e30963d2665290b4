from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from hiyoko.blueprint.draw_endpoints import draw_endpoints, private_zones, public_names
from hiyoko.blueprint.endpoints import Endpoint, Endpoints
from hiyoko.plane.endpoints import Leave, Listen, Observed, steps
from hiyoko.services.ec2.model import EndpointInterface, VpcEndpoint

REGISTRY = VpcEndpoint(
    account="123456789012",
    region="ap-northeast-1",
    vpc_endpoint_id="vpce-1",
    vpc_id="vpc-1",
    service="ecr.dkr",
    suffix="0a0b0c0d",
    created_at=0.0,
    interfaces=(
        EndpointInterface("eni-2", "subnet-1", "ap-northeast-1a", "10.0.0.4"),
        EndpointInterface("eni-1", "subnet-2", "ap-northeast-1c", "10.0.1.4"),
    ),
    groups=("sg-1",),
)
NAMES = (
    "*.dkr.ecr.ap-northeast-1.vpce.amazonaws.com",
    "*.dkr.ecr.ap-northeast-1.amazonaws.com",
)
FIRST = Endpoint("eni-1", IPv4Address("10.0.1.4"), NAMES)
SECOND = Endpoint("eni-2", IPv4Address("10.0.0.4"), NAMES)


def test_each_interface_answers_for_the_service_and_a_deleted_endpoints_do_not() -> None:
    gone = replace(REGISTRY, vpc_endpoint_id="vpce-2", deleted_at=1.0)
    assert draw_endpoints([gone, REGISTRY]) == Endpoints((FIRST, SECOND))


def test_the_registrys_private_zone_has_every_accounts_name() -> None:
    (zone,) = private_zones([REGISTRY], {"vpc-1"})
    assert zone.name == "dkr.ecr.ap-northeast-1.amazonaws.com."
    assert zone.vpcs == ("vpc-1",)
    assert zone.servers == ()
    (addresses,) = (record for record in zone.records if record.type == "A")
    assert addresses.name == "*.dkr.ecr.ap-northeast-1.amazonaws.com."
    assert addresses.values == ("10.0.0.4", "10.0.1.4")


def test_other_services_have_a_zone_of_one_name() -> None:
    (zone,) = private_zones([replace(REGISTRY, service="ecr.api")], {"vpc-1"})
    assert zone.name == "api.ecr.ap-northeast-1.amazonaws.com."
    assert {record.name for record in zone.records} == {zone.name}


def test_there_is_no_private_zone_without_private_dns_or_both_attributes() -> None:
    assert private_zones([replace(REGISTRY, private_dns=False)], {"vpc-1"}) == ()
    assert private_zones([replace(REGISTRY, deleted_at=1.0)], {"vpc-1"}) == ()
    assert private_zones([REGISTRY], {"vpc-2"}) == ()


def test_public_names_lead_to_private_addresses() -> None:
    domain = "dkr.ecr.ap-northeast-1.vpce.amazonaws.com"
    assert public_names([REGISTRY]) == {
        f"vpce-1-0a0b0c0d.{domain}": ("10.0.0.4", "10.0.1.4"),
        f"vpce-1-0a0b0c0d-ap-northeast-1a.{domain}": ("10.0.0.4",),
        f"vpce-1-0a0b0c0d-ap-northeast-1c.{domain}": ("10.0.1.4",),
    }


def test_a_socket_is_opened_only_where_its_namespace_stands() -> None:
    observed = Observed(frozenset(), frozenset(), frozenset({"eni-2"}))
    assert steps(Endpoints((FIRST, SECOND)), observed) == (Listen(SECOND),)


def test_a_socket_in_a_former_namespace_is_left_before_a_new_one_is_opened() -> None:
    observed = Observed(frozenset({SECOND}), frozenset({"eni-1"}), frozenset({"eni-1"}))
    assert steps(Endpoints((FIRST,)), observed) == (
        Leave("eni-1"),
        Leave("eni-2"),
        Listen(FIRST),
    )
