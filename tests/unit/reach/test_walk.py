"""Questions about the tutorial's site; the differential test asks the same of real packets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from hiyoko.blueprint import example
from hiyoko.blueprint.network import (
    TCP,
    Acl,
    Blackhole,
    GatewayEndpoint,
    GroupRule,
    Network,
    PrefixList,
    PrefixListPeer,
    Route,
    RouteTable,
    ToGatewayEndpoint,
    ToInternetGateway,
    Vpc,
)
from hiyoko.reach import Answer, Question, ask

VPC = example.example_vpc()
CLIENT = IPv4Address("198.18.0.100")
REGISTRY = IPv4Address("198.18.0.80")
BALANCER_PUBLIC = IPv4Address("198.19.0.6")


def codes(answer: Answer) -> list[str]:
    return [finding.code for finding in answer.codes]


def asked(source: str | IPv4Address, destination: IPv4Address, port: int, vpc: Vpc = VPC) -> Answer:
    return ask(Network((vpc,)), Question(source, destination, TCP, port))


def private_route(*routes: Route) -> Vpc:
    return replace(
        VPC, route_tables=(VPC.route_tables[0], RouteTable(example.PRIVATE_TABLE, routes))
    )


def test_a_client_reaches_the_balancer_and_the_hops_are_named() -> None:
    answer = asked(CLIENT, BALANCER_PUBLIC, 443)
    assert answer.reachable
    assert [hop.component for hop in answer.forward] == [
        "internet",
        example.IGW_ID,
        example.BALANCER.eni_id,
    ]


def test_the_balancer_reaches_its_tasks_and_other_tasks_do_not() -> None:
    assert asked(example.BALANCER.eni_id, example.TASK_A.address, 80).reachable
    answer = asked(example.TASK_C.eni_id, example.TASK_A.address, 80)
    assert codes(answer) == ["ENI_SG_RULES_MISMATCH", "ENI_SG_RULES_MISMATCH"]


def test_a_task_is_no_address_of_the_internet() -> None:
    assert codes(asked(CLIENT, example.TASK_A.address, 80)) == [
        "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"
    ]


def test_a_task_pulls_through_the_nat_gateway_which_rewrites_its_address() -> None:
    answer = asked(example.TASK_A.eni_id, REGISTRY, 443)
    assert answer.reachable
    assert [hop.packet.source for hop in answer.forward if hop.component == example.IGW_ID] == [
        example.NAT_INTERFACE.address
    ]


def test_without_a_route_or_with_a_blackhole_nothing_goes_out() -> None:
    assert codes(asked(example.TASK_A.eni_id, REGISTRY, 443, private_route())) == [
        "NO_ROUTE_TO_DESTINATION"
    ]
    gone = private_route(Route(example.EVERYWHERE, Blackhole(example.NAT_ID)))
    assert codes(asked(example.TASK_A.eni_id, REGISTRY, 443, gone)) == ["BAD_STATE_ROUTE"]


def test_a_route_to_the_internet_gateway_does_not_help_who_has_no_public_address() -> None:
    vpc = private_route(Route(example.EVERYWHERE, ToInternetGateway(example.IGW_ID)))
    assert codes(asked(example.TASK_A.eni_id, REGISTRY, 443, vpc)) == [
        "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"
    ]


def test_an_acl_without_ephemeral_ports_stops_the_answer_only() -> None:
    (open_acl,) = VPC.acls
    only_443 = replace(open_acl.ingress[0], protocol=TCP, low=443, high=443)
    vpc = replace(VPC, acls=(Acl(example.OPEN_ACL, open_acl.ingress, (only_443,)),))
    answer = asked(CLIENT, BALANCER_PUBLIC, 443, vpc)
    assert codes(answer) == ["SUBNET_ACL_RESTRICTION"]
    assert "answer" in answer.codes[0].detail


def test_every_no_is_named_not_only_the_first() -> None:
    shut = replace(VPC, acls=(Acl(example.OPEN_ACL, (), ()),))
    answer = asked(example.TASK_C.eni_id, example.TASK_A.address, 22, shut)
    assert {"SUBNET_ACL_RESTRICTION", "ENI_SG_RULES_MISMATCH"} <= set(codes(answer))


def test_the_resolver_answers_whatever_the_groups_say() -> None:
    assert VPC.resolver is not None
    assert asked(example.TASK_A.eni_id, VPC.resolver, 53).reachable
    off = replace(VPC, resolver=None)
    assert not asked(example.TASK_A.eni_id, VPC.resolver, 53, off).reachable


S3 = IPv4Network("198.18.16.0/26")
ENDPOINT = GatewayEndpoint("vpce-0a000000000000001", S3.network_address + 1)


def test_a_gateway_endpoint_needs_a_route_and_no_public_address() -> None:
    by_endpoint = private_route(Route(S3, ToGatewayEndpoint(ENDPOINT.endpoint_id)))
    vpc = replace(by_endpoint, gateway_endpoints=(ENDPOINT,), internet_gateway_id=None)
    answer = asked(example.TASK_A.eni_id, ENDPOINT.address, 443, vpc)
    assert answer.reachable
    assert [hop.component for hop in answer.forward] == [
        example.TASK_A.eni_id,
        example.PRIVATE_TABLE,
        ENDPOINT.endpoint_id,
    ]
    assert answer.back[0].component == ENDPOINT.endpoint_id
    assert answer.forward[-1].packet.source == example.TASK_A.address
    other = asked(example.TASK_A.eni_id, S3.network_address + 2, 443, vpc)
    assert codes(other) == ["NO_POSSIBLE_DESTINATION"]
    assert codes(
        asked(
            example.TASK_A.eni_id,
            ENDPOINT.address,
            443,
            replace(private_route(), gateway_endpoints=(ENDPOINT,)),
        )
    ) == ["NO_ROUTE_TO_DESTINATION"]


def test_a_rule_by_prefix_list_lets_out_to_its_cidrs_only() -> None:
    by_endpoint = private_route(Route(S3, ToGatewayEndpoint(ENDPOINT.endpoint_id)))
    only = GroupRule("sgr-0a000000000000009", TCP, 443, 443, PrefixListPeer("pl-0a000001"))
    groups = tuple(
        replace(group, egress=(only,)) if group.group_id == example.TASK_GROUP else group
        for group in VPC.groups
    )
    vpc = replace(
        by_endpoint,
        groups=groups,
        gateway_endpoints=(ENDPOINT,),
        prefix_lists=(PrefixList("pl-0a000001", (S3,)),),
    )
    assert asked(example.TASK_A.eni_id, ENDPOINT.address, 443, vpc).reachable
    assert "ENI_SG_RULES_MISMATCH" in codes(
        asked(example.TASK_A.eni_id, example.BALANCER.address, 443, vpc)
    )
