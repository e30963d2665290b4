from __future__ import annotations

from dataclasses import replace

import pytest

from hiyoko.blueprint import world_zones
from hiyoko.blueprint.draw_records import master_text
from hiyoko.blueprint.draw_zones import draw_zones
from hiyoko.blueprint.zones import Zone, Zones
from hiyoko.plane import addresses
from hiyoko.services.ec2.model import CidrAssociation, NetworkInterface, Vpc
from hiyoko.services.elbv2.model import LoadBalancer, Node
from hiyoko.services.route53.model import (
    GLOBAL,
    AliasTarget,
    HostedZone,
    RecordSet,
    ZoneVpc,
    default_records,
)

DNS_NAME = "web-123456789.ap-northeast-1.elb.amazonaws.com"


def hosted(name: str, zone_id: str, created_at: float = 0.0, first: int = 0) -> HostedZone:
    return HostedZone(
        account="123456789012",
        region=GLOBAL,
        zone_id=zone_id,
        name=name,
        caller_reference=zone_id,
        private=False,
        servers=(first, 512 + first, 1024 + first, 1536 + first),
        vpcs=(),
        created_at=created_at,
    )


def balancer(scheme: str = "internet-facing") -> LoadBalancer:
    return LoadBalancer(
        arn="arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:loadbalancer/app/web/1",
        account="123456789012",
        region="ap-northeast-1",
        name="web",
        dns_name=DNS_NAME,
        scheme=scheme,
        vpc_id="vpc-1",
        security_groups=(),
        nodes=(
            Node("subnet-1", "ap-northeast-1a", "eni-1", "10.0.0.4", "198.19.0.1"),
            Node("subnet-2", "ap-northeast-1c", "eni-2", "10.0.1.4", "198.19.0.2"),
        ),
        created_at=0.0,
    )


def vpc(vpc_id: str = "vpc-1", *, support: bool = True, hostnames: bool = True) -> Vpc:
    return Vpc(
        account="123456789012",
        region="ap-northeast-1",
        vpc_id=vpc_id,
        cidrs=(CidrAssociation(f"assoc-{vpc_id}", "10.0.0.0/16"),),
        dhcp_options_id="dopt-1",
        dns_support=support,
        dns_hostnames=hostnames,
    )


def interface(vpc_id: str) -> NetworkInterface:
    return NetworkInterface(
        account="123456789012",
        region="ap-northeast-1",
        eni_id=f"eni-{vpc_id}",
        vpc_id=vpc_id,
        subnet_id="subnet-1",
        zone="ap-northeast-1a",
        private_ip="10.0.0.9",
        mac="02:00:00:00:00:01",
        groups=(),
        attachment_id="eni-attach-1",
        public_ip="198.19.0.7",
    )


def draw(
    *zones: HostedZone,
    records: tuple[RecordSet, ...] = (),
    balancers: tuple[LoadBalancer, ...] = (),
    vpcs: tuple[Vpc, ...] = (),
) -> Zones:
    return draw_zones(
        revision=7,
        hosted_zones=zones,
        records=(*(r for zone in zones for r in default_records(zone)), *records),
        balancers=balancers,
        vpcs=vpcs,
        interfaces=[interface(v.vpc_id) for v in vpcs],
    )


def zone_named(drawn: Zones, zone_id: str) -> Zone:
    return next(zone for zone in drawn.zones if zone.zone_id == zone_id)


def values(zone: Zone, name: str, kind: str) -> tuple[str, ...] | None:
    found = (r.values for r in zone.records if (r.name, r.type) == (name, kind))
    return next(found, None)


def record(zone: HostedZone, name: str, kind: str, *texts: str) -> RecordSet:
    return RecordSet(zone.account, GLOBAL, zone.zone_id, name, kind, 300, texts)


def to_balancer(zone: HostedZone, name: str, kind: str, target: str = DNS_NAME) -> RecordSet:
    alias = AliasTarget("Z14GRHDCWA56QT", f"{target.lower()}.", evaluate_health=True)
    return replace(record(zone, name, kind), ttl_s=None, alias=alias)


def test_the_world_zones_know_the_planes_addresses() -> None:
    for name in ("ROOT_SERVER", "PARENT_SERVER", "AWS_DNS", "AWS_ENDPOINT", "ROUTE53_SERVERS"):
        assert getattr(world_zones, name) == getattr(addresses, name)


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("my-project.jp.", "jp."),
        ("shop.co.jp.", "co.jp."),
        ("deep.er.example.com.", "com."),
        ("example.unheard.", "unheard."),
        ("co.uk.", "uk."),
        ("jp.", "."),
    ],
)
def test_the_parent_is_the_closest_registry(name: str, parent: str) -> None:
    assert world_zones.parent_of(name) == parent


def test_the_first_zone_of_a_name_is_delegated_from_its_parent() -> None:
    older, younger = hosted("my-project.jp.", "Z2", 1.0), hosted("my-project.jp.", "Z1", 2.0, 8)
    drawn = draw(younger, older)
    assert values(zone_named(drawn, "jp."), "my-project.jp.", "NS") == older.name_servers
    assert [(d.zone_id, d.parent) for d in drawn.delegations] == [("Z2", "jp.")]
    assert zone_named(drawn, "Z1").servers != zone_named(drawn, "Z2").servers


def test_a_top_level_domain_exists_as_soon_as_a_zone_needs_it() -> None:
    drawn = draw(hosted("example.unheard.", "Z1"))
    assert values(zone_named(drawn, "."), "unheard.", "NS") is not None
    assert values(zone_named(drawn, "unheard."), "example.unheard.", "NS") is not None


def test_a_zone_below_another_is_reached_only_through_ns_records_there() -> None:
    above, below = hosted("example.com.", "Z1"), hosted("sub.example.com.", "Z2", 1.0, 8)
    drawn = draw(above, below)
    assert [d.zone_id for d in drawn.delegations] == ["Z1"]
    assert values(zone_named(drawn, "com."), "sub.example.com.", "NS") is None
    cut = record(above, "sub.example.com.", "NS", *below.name_servers)
    drawn = draw(above, below, records=(cut,))
    assert [(d.zone_id, d.parent) for d in drawn.delegations] == [
        ("Z1", "com."),
        ("Z2", "example.com."),
    ]


@pytest.mark.parametrize("name", ["amazonaws.com.", "x.docker.io.", "co.jp.", "awsdns-00.com."])
def test_nobody_gets_a_name_of_aws_or_a_registry(name: str) -> None:
    assert draw(hosted(name, "Z1")).delegations == ()


def test_an_alias_is_the_balancers_public_addresses_for_60_seconds() -> None:
    zone = hosted("my-project.jp.", "Z1")
    records = (
        to_balancer(zone, "www.my-project.jp.", "A"),
        to_balancer(zone, "www.my-project.jp.", "AAAA"),
        to_balancer(zone, "dual.my-project.jp.", "A", f"dualstack.{DNS_NAME}"),
    )
    drawn = zone_named(draw(zone, records=records, balancers=(balancer(),)), "Z1")
    assert values(drawn, "www.my-project.jp.", "A") == ("198.19.0.1", "198.19.0.2")
    assert values(drawn, "www.my-project.jp.", "AAAA") == ()
    assert values(drawn, "dual.my-project.jp.", "A") == ("198.19.0.1", "198.19.0.2")
    assert next(r.ttl_s for r in drawn.records if r.name.startswith("www")) == 60


def test_an_alias_in_the_zone_has_its_targets_values_and_ttl_even_through_another() -> None:
    zone = hosted("example.com.", "Z1")
    target = replace(record(zone, "a.example.com.", "A", "192.0.2.1"), ttl_s=17)
    first = AliasTarget("Z1", "a.example.com.", evaluate_health=False)
    second = AliasTarget("Z1", "b.example.com.", evaluate_health=False)
    records = (
        target,
        replace(record(zone, "b.example.com.", "A"), ttl_s=None, alias=first),
        replace(record(zone, "c.example.com.", "A"), ttl_s=None, alias=second),
    )
    drawn = zone_named(draw(zone, records=records), "Z1")
    found = next(r for r in drawn.records if r.name == "c.example.com.")
    assert (found.values, found.ttl_s) == (("192.0.2.1",), 17)


def test_an_alias_to_itself_or_to_nothing_has_no_values() -> None:
    zone = hosted("example.com.", "Z1")
    loop = AliasTarget("Z1", "a.example.com.", evaluate_health=False)
    looping = replace(record(zone, "a.example.com.", "A"), ttl_s=None, alias=loop)
    drawn = zone_named(draw(zone, records=(looping,)), "Z1")
    assert values(drawn, "a.example.com.", "A") == ()
    gone = to_balancer(zone, "b.example.com.", "A")
    assert values(zone_named(draw(zone, records=(gone,)), "Z1"), "b.example.com.", "A") == ()


def test_a_balancer_is_in_public_dns_with_private_addresses_when_internal() -> None:
    public = zone_named(draw(balancers=(balancer(),)), "elb.amazonaws.com.")
    assert values(public, f"{DNS_NAME}.", "A") == ("198.19.0.1", "198.19.0.2")
    internal = zone_named(draw(balancers=(balancer("internal"),)), "elb.amazonaws.com.")
    assert values(internal, f"{DNS_NAME}.", "A") == ("10.0.0.4", "10.0.1.4")


def test_a_private_zone_is_seen_where_both_dns_attributes_are_on() -> None:
    members = tuple(ZoneVpc(f"vpc-{n}", "ap-northeast-1") for n in (1, 2))
    zone = replace(hosted("in.example.", "Z1"), private=True, servers=(), vpcs=members)
    drawn = draw(zone, vpcs=(vpc("vpc-1"), vpc("vpc-2", hostnames=False)))
    assert zone_named(drawn, "Z1").vpcs == ("vpc-1",)
    assert drawn.delegations == ()


def test_a_resolver_listens_at_base_plus_two_unless_dns_support_is_off() -> None:
    drawn = draw(vpcs=(vpc("vpc-1"), vpc("vpc-2", support=False)))
    assert [(r.vpc_id, str(r.address)) for r in drawn.resolvers] == [("vpc-1", "10.0.0.2")]


def test_octal_escapes_become_decimal_ones() -> None:
    assert master_text(r"\052.example.com.") == r"\042.example.com."
    assert master_text(r'"a \"b\" \100"') == r'"a \"b\" \064"'


def test_a_public_host_name_is_public_outside_and_private_inside() -> None:
    name = "ec2-198-19-0-7.ap-northeast-1.compute.amazonaws.com."
    for hostnames in (True, False):
        drawn = draw_zones(
            revision=1,
            hosted_zones=[],
            records=[],
            balancers=[],
            vpcs=[vpc("vpc-1", hostnames=hostnames)],
            interfaces=[interface("vpc-1")],
        )
        outside = values(zone_named(drawn, "compute.amazonaws.com."), name, "A")
        inside = {host: str(address) for host, address in drawn.resolvers[0].hosts}
        assert outside == (("198.19.0.7",) if hostnames else None)
        assert inside == ({name: "10.0.0.9"} if hostnames else {})


def test_a_vpc_without_an_attached_interface_has_no_resolver() -> None:
    drawn = draw_zones(revision=1, hosted_zones=[], records=[], balancers=[], vpcs=[vpc()])
    assert drawn.resolvers == ()
