from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.ec2_cloud import Ec2, tcp
from tests.golden.golden import check_golden, drawn

from hiyoko.api import AwsError
from hiyoko.blueprint.draw_network import DrawnBefore, NetworkRows, draw_network
from hiyoko.blueprint.network import (
    Blackhole,
    GatewayEndpoint,
    Network,
    PrefixList,
    PrefixListPeer,
    Route,
    ToGatewayEndpoint,
    ToInterface,
    ToInternetGateway,
    Vpc,
)
from hiyoko.services.ec2.rows import network_rows


def draw(ec2: Ec2) -> Network:
    with ec2.store.reading() as tx:
        return draw_network(network_rows(tx))


def only_vpc(ec2: Ec2) -> Vpc:
    (vpc,) = draw(ec2).vpcs
    return vpc


def two_zones(ec2: Ec2) -> tuple[str, str]:
    """Public and private subnets in two zones with a NAT gateway; a balancer and two tasks."""
    vpc = ec2.vpc()
    public_a = ec2.subnet(vpc, "10.0.0.0/24")
    public_c = ec2.subnet(vpc, "10.0.1.0/24", "ap-northeast-1c")
    private_a = ec2.subnet(vpc, "10.0.10.0/24")
    private_c = ec2.subnet(vpc, "10.0.11.0/24", "ap-northeast-1c")
    gateway = ec2.gateway(vpc)
    ec2.table(vpc, public_a, public_c, GatewayId=gateway)
    nat = ec2.nat(public_a)
    ec2.table(vpc, private_a, private_c, NatGatewayId=nat)
    front = ec2.group(vpc, "alb", tcp(443, cidr="0.0.0.0/0"), tcp(80, cidr="0.0.0.0/0"))
    back = ec2.group(vpc, "task", tcp(80, group=front))
    for subnet in (public_a, public_c):
        ec2.interface(subnet, front, public=True)
    for subnet in (private_a, private_c):
        ec2.interface(subnet, back)
    return vpc, nat


def test_nothing_draws_nothing() -> None:
    assert draw_network(NetworkRows()) == Network()


def test_a_public_and_private_vpc_in_two_zones_is_drawn_as_the_golden_says() -> None:
    ec2 = Ec2()
    two_zones(ec2)
    check_golden("network/two-zones.txt", drawn(draw(ec2), "network"))


def test_the_same_rows_in_another_order_draw_the_same_network() -> None:
    ec2 = Ec2()
    two_zones(ec2)
    with ec2.store.reading() as tx:
        rows = network_rows(tx)
    turned = NetworkRows(
        *(tuple(reversed(getattr(rows, name))) for name in NetworkRows.__dataclass_fields__)
    )
    assert draw_network(turned) == draw_network(rows)


def test_only_the_vpc_whose_rows_changed_is_drawn_again() -> None:
    ec2 = Ec2()
    (first, _), second = two_zones(ec2), ec2.vpc("10.1.0.0/16")
    subnet = ec2.subnet(second, "10.1.0.0/24")
    group = ec2.group(second, "one", tcp(80, cidr="0.0.0.0/0"))
    ec2.interface(subnet, group)
    before = DrawnBefore()

    def again() -> dict[str, Vpc]:
        with ec2.store.reading() as tx:
            rows = network_rows(tx)
        network = draw_network(rows, before)
        assert network == draw_network(rows)
        return {vpc.vpc_id: vpc for vpc in network.vpcs}

    drawn = again()
    assert set(drawn) == {first, second}
    same = again()
    assert all(same[key] is vpc for key, vpc in drawn.items())
    ec2.interface(subnet, group, public=True)
    changed = again()
    assert changed[first] is drawn[first]
    assert len(changed[second].interfaces) == 2


def test_an_interface_is_drawn_again_when_another_row_tells_of_it() -> None:
    ec2 = Ec2()
    two_zones(ec2)
    with ec2.store.reading() as tx:
        rows = network_rows(tx)
    before = DrawnBefore()
    (nat,), (address,) = rows.nat_gateways, rows.addresses
    task = next(row.eni_id for row in rows.interfaces if not row.public_ip and row.groups)
    for others in (
        rows,
        replace(rows, addresses=(replace(address, eni_id=task),)),
        rows,
        replace(rows, addresses=()),
        replace(rows, addresses=(), nat_gateways=(replace(nat, deleted_at=1.0),)),
        replace(rows, addresses=()),
        replace(rows, internet_gateways=()),
        rows,
    ):
        assert draw_network(others, before) == draw_network(others)


def test_a_vpc_without_an_attached_interface_is_left_out() -> None:
    ec2 = Ec2()
    subnet = ec2.subnet(ec2.vpc(), "10.0.0.0/24")
    ec2("CreateNetworkInterface", SubnetId=subnet)
    assert draw(ec2) == Network()


def test_the_resolver_is_the_base_plus_two_and_gone_without_dns_support() -> None:
    ec2 = Ec2()
    vpc = ec2.vpc("10.1.0.0/16")
    ec2.interface(ec2.subnet(vpc, "10.1.5.0/24"))
    assert only_vpc(ec2).resolver == IPv4Address("10.1.0.2")
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsSupport={"Value": False})
    assert only_vpc(ec2).resolver is None


def test_a_deleted_nat_gateway_leaves_a_blackhole_and_no_interface() -> None:
    ec2 = Ec2()
    _, nat = two_zones(ec2)
    ec2.see_nat(nat)
    assert ToInterface in {type(r.target) for t in only_vpc(ec2).route_tables for r in t.routes}
    ec2("DeleteNatGateway", NatGatewayId=nat)
    vpc = only_vpc(ec2)
    assert Blackhole(nat) in {r.target for t in vpc.route_tables for r in t.routes}
    assert vpc.nat_gateways == ()
    assert len(vpc.interfaces) == 4


def test_a_nat_gateway_in_a_vpc_without_an_internet_gateway_is_not_drawn() -> None:
    ec2 = Ec2()
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    ec2.interface(subnet)
    nat = ec2.nat(subnet)
    ec2.table(vpc, subnet, NatGatewayId=nat)
    network = only_vpc(ec2)
    assert network.nat_gateways == ()
    assert [r.target for t in network.route_tables for r in t.routes] == [Blackhole(nat)]


def test_a_detached_internet_gateway_leaves_a_blackhole() -> None:
    ec2 = Ec2()
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    gateway = ec2.gateway(vpc)
    ec2.table(vpc, subnet, GatewayId=gateway)
    ec2.interface(subnet)
    assert only_vpc(ec2).internet_gateway_id == gateway
    ec2("DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    targets = [r.target for t in only_vpc(ec2).route_tables for r in t.routes]
    assert targets == [Blackhole(gateway)]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    targets = [r.target for t in only_vpc(ec2).route_tables for r in t.routes]
    assert targets == [ToInternetGateway(gateway)]


def test_a_nat_gateways_interface_has_no_groups_and_forwards() -> None:
    ec2 = Ec2()
    two_zones(ec2)
    vpc = only_vpc(ec2)
    (nat,) = vpc.nat_gateways
    (interface,) = [i for i in vpc.interfaces if i.eni_id == nat.eni_id]
    assert interface.groups is None
    assert interface.forwards
    assert interface.public_address is not None


def test_a_subnet_without_an_association_uses_the_main_table() -> None:
    ec2 = Ec2()
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    ec2.interface(subnet)
    tables = ec2("DescribeRouteTables", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    (main,) = tables["RouteTables"]
    assert only_vpc(ec2).subnets[0].route_table_id == main["RouteTableId"]
    other = ec2.table(vpc)
    ec2(
        "ReplaceRouteTableAssociation",
        AssociationId=main["Associations"][0]["RouteTableAssociationId"],
        RouteTableId=other,
    )
    assert only_vpc(ec2).subnets[0].route_table_id == other


def test_acl_entries_ascend_without_the_implied_one() -> None:
    ec2 = Ec2()
    vpc = ec2.vpc()
    ec2.interface(ec2.subnet(vpc, "10.0.0.0/24"))
    answer = ec2("DescribeNetworkAcls", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    acl = answer["NetworkAcls"][0]["NetworkAclId"]
    ec2(
        "CreateNetworkAclEntry",
        NetworkAclId=acl,
        RuleNumber=50,
        Protocol="6",
        RuleAction="deny",
        Egress=False,
        CidrBlock="203.0.113.7/24",
        PortRange={"From": 22, "To": 22},
    )
    (drawn_acl,) = only_vpc(ec2).acls
    assert [(e.number, e.protocol, e.allow) for e in drawn_acl.ingress] == [
        (50, 6, False),
        (100, -1, True),
    ]
    assert drawn_acl.ingress[0].cidr == IPv4Network("203.0.113.0/24")
    assert [e.number for e in drawn_acl.egress] == [100]


def endpoint(ec2: Ec2, vpc: str, table: str) -> str:
    name = "com.amazonaws.ap-northeast-1.s3"
    made = ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=name, RouteTableIds=[table])
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def test_a_gateway_endpoint_is_drawn_with_a_route_for_each_cidr_of_its_list() -> None:
    ec2 = Ec2()
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    ec2.interface(subnet)
    table = ec2.table(vpc, subnet)
    key = endpoint(ec2, vpc, table)
    drawn_vpc = only_vpc(ec2)
    assert drawn_vpc.gateway_endpoints == (GatewayEndpoint(key, IPv4Address("198.18.16.1")),)
    routes = {t.route_table_id: t.routes for t in drawn_vpc.route_tables}
    assert routes[table] == (Route(IPv4Network("198.18.16.0/26"), ToGatewayEndpoint(key)),)
    ec2("DeleteVpcEndpoints", VpcEndpointIds=[key])
    assert only_vpc(ec2).gateway_endpoints == ()


def test_a_static_route_beats_one_of_a_prefix_list_for_the_same_cidr() -> None:
    ec2 = Ec2()
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    ec2.interface(subnet)
    table, gateway = ec2.table(vpc, subnet), ec2.gateway(vpc)
    endpoint(ec2, vpc, table)
    static = {"RouteTableId": table, "DestinationCidrBlock": "198.18.16.0/26"}
    ec2("CreateRoute", **static, GatewayId=gateway)
    routes = {t.route_table_id: t.routes for t in only_vpc(ec2).route_tables}
    assert [route.target for route in routes[table]] == [ToInternetGateway(gateway)]


def test_the_prefix_lists_that_rules_name_are_drawn_without_overlaps() -> None:
    ec2 = Ec2()
    vpc = ec2.vpc()
    own = ec2(
        "CreateManagedPrefixList",
        PrefixListName="offices",
        AddressFamily="IPv4",
        MaxEntries=3,
        Entries=[{"Cidr": c} for c in ("192.0.2.0/25", "192.0.2.128/25", "192.0.2.7/32")],
    )["PrefixList"]["PrefixListId"]
    lists = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": own}]}
    group = ec2.group(vpc, "g", lists)
    ec2.interface(ec2.subnet(vpc, "10.0.0.0/24"), group)
    drawn_vpc = only_vpc(ec2)
    assert drawn_vpc.prefix_lists == (PrefixList(own, (IPv4Network("192.0.2.0/24"),)),)
    rules = {g.group_id: g.ingress for g in drawn_vpc.groups}
    assert [rule.peer for rule in rules[group]] == [PrefixListPeer(own)]
    ec2("RevokeSecurityGroupIngress", GroupId=group, IpPermissions=[lists])
    assert only_vpc(ec2).prefix_lists == ()


# Whatever a client does, in whatever order, the drawing holds together.

CALLS = st.lists(st.tuples(st.integers(0, 17), st.integers(0, 5), st.integers(0, 5)), max_size=40)


class Wild:
    """Does what numbers say; remembers ids, also of what is gone; takes no for an answer."""

    def __init__(self) -> None:
        self.ec2 = Ec2()
        self.ids: dict[str, list[str]] = {}

    def pick(self, kind: str, number: int) -> str:
        known = self.ids.get(kind) or [f"{kind}-00000fff"]
        return known[number % len(known)]

    def keep(self, kind: str, value: str) -> None:
        self.ids.setdefault(kind, []).append(value)

    def do(self, what: int, a: int, b: int) -> None:
        ec2, pick, keep = self.ec2, self.pick, self.keep
        steps: list[Any] = [
            lambda: keep("vpc", ec2.vpc(f"10.{a}.0.0/16")),
            lambda: keep("subnet", ec2.subnet(pick("vpc", a), f"10.{a}.{b}.0/24")),
            lambda: keep("igw", ec2.gateway(pick("vpc", a))),
            lambda: keep("nat", ec2.nat(pick("subnet", a))),
            lambda: keep("rtb", ec2.table(pick("vpc", a), pick("subnet", b))),
            lambda: keep("sg", ec2.group(pick("vpc", a), f"g{b}", tcp(80, group=pick("sg", b)))),
            lambda: keep("sg", ec2.group(pick("vpc", a), f"h{b}")),
            lambda: keep(
                "eni",
                ec2.interface(pick("subnet", a), public=bool(b % 2))["NetworkInterfaceId"],
            ),
            lambda: ec2(
                "CreateRoute",
                RouteTableId=pick("rtb", a),
                DestinationCidrBlock=f"203.0.{b}.0/24",
                NatGatewayId=pick("nat", b),
            ),
            lambda: ec2(
                "CreateRoute",
                RouteTableId=pick("rtb", a),
                DestinationCidrBlock="0.0.0.0/0",
                GatewayId=pick("igw", b),
            ),
            lambda: ec2(
                "_SetInterfaceGroups",
                NetworkInterfaceId=pick("eni", a),
                Groups=[pick("sg", b)],
            ),
            lambda: ec2("_DeleteManagedInterface", NetworkInterfaceId=pick("eni", a)),
            lambda: ec2("DeleteNatGateway", NatGatewayId=pick("nat", a)),
            lambda: ec2(
                "DetachInternetGateway", InternetGatewayId=pick("igw", a), VpcId=pick("vpc", b)
            ),
            lambda: ec2("DeleteSubnet", SubnetId=pick("subnet", a)),
            lambda: ec2("DeleteSecurityGroup", GroupId=pick("sg", a)),
            lambda: keep("vpce", endpoint(ec2, pick("vpc", a), pick("rtb", b))),
            lambda: ec2("DeleteVpcEndpoints", VpcEndpointIds=[pick("vpce", a)]),
        ]
        try:
            steps[what]()
        except AwsError as error:
            if error.status >= 500:
                raise


BEGUN = ((0, 0, 0), (1, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 0), (7, 0, 1))


def wild_after(calls: list[tuple[int, int, int]]) -> Wild:
    wild = Wild()
    for call in (*BEGUN, *calls):
        wild.do(*call)
    return wild


@settings(max_examples=40, deadline=None)
@given(CALLS)
def test_what_is_drawn_with_the_last_drawing_is_what_is_drawn_from_nothing(
    calls: list[tuple[int, int, int]],
) -> None:
    wild, before = Wild(), DrawnBefore()
    for call in (*BEGUN, *calls):
        wild.do(*call)
        with wild.ec2.store.reading() as tx:
            rows = network_rows(tx)
        assert draw_network(rows, before) == draw_network(rows)


@settings(max_examples=40, deadline=None)
@given(CALLS)
def test_every_drawing_names_only_what_it_holds(calls: list[tuple[int, int, int]]) -> None:
    wild = wild_after(calls)
    network = draw(wild.ec2)
    public = [i.public_address for vpc in network.vpcs for i in vpc.interfaces if i.public_address]
    assert len(public) == len(set(public))
    for vpc in network.vpcs:
        assert_whole(vpc)


def assert_whole(vpc: Vpc) -> None:
    subnets = {subnet.subnet_id: subnet for subnet in vpc.subnets}
    interfaces = {interface.eni_id for interface in vpc.interfaces}
    groups = {group.group_id for group in vpc.groups}
    for subnet in vpc.subnets:
        assert subnet.route_table_id in {table.route_table_id for table in vpc.route_tables}
        assert subnet.acl_id in {acl.acl_id for acl in vpc.acls}
    for interface in vpc.interfaces:
        assert interface.address in subnets[interface.subnet_id].cidr
        assert set(interface.groups or ()) <= groups
    addresses = [interface.address for interface in vpc.interfaces]
    assert len(addresses) == len(set(addresses))
    assert {nat.eni_id for nat in vpc.nat_gateways} <= interfaces
    for route in (route for table in vpc.route_tables for route in table.routes):
        match route.target:
            case ToInterface(eni_id=eni_id):
                assert eni_id in interfaces
            case ToInternetGateway(gateway_id=gateway_id):
                assert gateway_id == vpc.internet_gateway_id
            case ToGatewayEndpoint(endpoint_id=endpoint_id):
                assert endpoint_id in {each.endpoint_id for each in vpc.gateway_endpoints}
