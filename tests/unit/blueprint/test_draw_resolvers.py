from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from hiyoko.blueprint.draw_resolvers import (
    ResolverRows,
    draw_inlets,
    draw_outlets,
    draw_resolvers,
)
from hiyoko.blueprint.resolvers import Inlet, Outlet, Rule
from hiyoko.services.ec2.model import CidrAssociation, Vpc
from hiyoko.services.route53resolver.model import (
    EndpointAddress,
    ResolverEndpoint,
    ResolverRule,
    RuleAssociation,
    TargetAddress,
)

ACCOUNT, REGION = "123456789012", "ap-northeast-1"
VPC = Vpc(ACCOUNT, REGION, "vpc-1", (CidrAssociation("a", "10.1.0.0/16"),), "dopt-1")
ADDRESSES = tuple(
    EndpointAddress(f"rni-{n}", "subnet-1", f"10.1.0.{n}", f"eni-{n}", 1.0) for n in (4, 5)
)


def endpoint(direction: str = "OUTBOUND", **more: object) -> ResolverEndpoint:
    made = ResolverEndpoint(
        ACCOUNT, REGION, "rslvr-1", "arn", direction, "vpc-1", ("sg-1",), ADDRESSES, "c", 1.0, 1.0
    )
    return replace(made, **more)  # type: ignore[arg-type]


FORWARDING = ResolverRule(
    *(ACCOUNT, REGION, "rslvr-rr-1", "arn", "FORWARD", "corp.example.", "c"),
    created_at=1.0,
    modified_at=1.0,
    revision=1,
    targets=(TargetAddress("192.0.2.1", 5353),),
    endpoint_id="rslvr-1",
)
SYSTEM = replace(
    FORWARDING, rule_id="rslvr-rr-2", type="SYSTEM", domain="a.", targets=(), endpoint_id=""
)


def associated(rule: ResolverRule, vpc_id: str = "vpc-1", **more: object) -> RuleAssociation:
    made = RuleAssociation(ACCOUNT, REGION, f"{rule.rule_id} {vpc_id}", rule.rule_id, vpc_id, 1)
    return replace(made, **more)  # type: ignore[arg-type]


def rules(*associations: RuleAssociation) -> tuple[Rule, ...]:
    rows = ResolverRows((endpoint(),), (FORWARDING, SYSTEM), associations)
    (drawn,) = draw_resolvers([VPC], {"vpc-1"}, (), rows)
    return drawn.rules


def test_a_vpcs_rules_are_those_that_it_is_associated_with() -> None:
    outlets = (
        Outlet("eni-4", IPv4Address("10.1.0.4")),
        Outlet("eni-5", IPv4Address("10.1.0.5")),
    )
    forwarding = Rule("corp.example.", ((IPv4Address("192.0.2.1"), 5353),), outlets)
    assert rules(associated(FORWARDING), associated(SYSTEM)) == (Rule("a."), forwarding)
    assert rules(associated(FORWARDING, "vpc-2")) == ()
    assert rules(associated(FORWARDING, leaving=True), associated(SYSTEM)) == (Rule("a."),)


def test_a_vpc_without_dns_support_has_neither_resolver_nor_inlets() -> None:
    inbound = endpoint("INBOUND")
    silent = replace(VPC, dns_support=False)
    rows = ResolverRows((inbound,))
    assert draw_resolvers([silent], {"vpc-1"}, (), rows) == ()
    assert draw_inlets((), rows.endpoints) == ()
    drawn = draw_resolvers([VPC], {"vpc-1"}, (), rows)
    assert draw_inlets(drawn, rows.endpoints) == (
        Inlet("eni-4", IPv4Address("10.1.0.4"), "vpc-1"),
        Inlet("eni-5", IPv4Address("10.1.0.5"), "vpc-1"),
    )
    assert draw_outlets(rows.endpoints) == ()


def test_addresses_that_leave_and_deleted_endpoints_are_not_drawn() -> None:
    one, two = ADDRESSES
    leaving = endpoint(addresses=(replace(one, leaving=True), two))
    assert draw_outlets([leaving]) == (Outlet("eni-5", IPv4Address("10.1.0.5")),)
    assert draw_outlets([endpoint(deleted_at=2.0)]) == ()
