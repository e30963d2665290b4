"""The tables, and for each kind of resource a :class:`Kind`: its id's form and its errors.

Neighbours read through the ``get_`` and ``find_`` functions at the end; the network reconciler
reads everything at once with :func:`network_rows`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from hiyoko.api import AwsError
from hiyoko.services.ec2.model import (
    Address,
    ClientToken,
    DhcpOptions,
    FormerInterface,
    InternetGateway,
    NatGateway,
    NetworkAcl,
    NetworkInterface,
    NetworkRows,
    PrefixList,
    PublicAddressCursor,
    RegionMade,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
    VpcEndpoint,
    aws_prefix_lists,
)
from hiyoko.services.ec2.seen import ENDPOINTS_SEEN, INTERFACES_SEEN, NAT_GATEWAYS_SEEN
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

T = TypeVar("T")


class Scope(Protocol):
    """Whose rows: a ``Call``, or anything else with a transaction, an account and a region."""

    @property
    def tx(self) -> Transaction:
        """The open transaction."""
        ...

    @property
    def account(self) -> str:
        """Twelve digits."""
        ...

    @property
    def region(self) -> str:
        """The region's name."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A scope for who reads rows outside a call, as reconcilers do."""

    tx: Transaction
    account: str
    region: str


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of resource: its table, its id's prefix, its taggable type and its errors."""

    table: Table[T]
    id_field: str
    prefix: str
    resource_type: str
    not_found: str
    not_found_text: str
    malformed: str

    def id_of(self, row: T) -> str:
        """The row's id."""
        value: str = getattr(row, self.id_field)
        return value

    def find(self, scope: Scope, resource_id: str) -> T | None:
        """The row with this id, or None."""
        key = {self.id_field: resource_id}
        return self.table.find(scope.tx, account=scope.account, region=scope.region, **key)

    def get(self, scope: Scope, resource_id: str) -> T:
        """The row with this id. Raises this kind's Malformed or NotFound."""
        row = self.find(scope, resource_id)
        if row is not None:
            return row
        if not re.fullmatch(rf"{self.prefix}-[0-9a-f]{{8,17}}", resource_id):
            raise AwsError(
                self.malformed, f'Invalid id: "{resource_id}" (expecting "{self.prefix}-...")'
            )
        raise AwsError(self.not_found, self.not_found_text.format(resource_id))

    def list(self, scope: Scope, **where: str | int) -> list[T]:
        """The rows of this account and region, sorted by id."""
        return self.table.list(scope.tx, account=scope.account, region=scope.region, **where)

    def put(self, scope: Scope, row: T) -> T:
        """Add or replace the row; returns it."""
        self.table.put(scope.tx, row)
        return row

    def delete(self, scope: Scope, row: T) -> None:
        """Delete the row."""
        key = {self.id_field: self.id_of(row)}
        self.table.delete(scope.tx, account=scope.account, region=scope.region, **key)


def _kind(
    name: str,
    model: type[T],
    id_field: str,
    prefix: str,
    resource_type: str,
    not_found: tuple[str, str],
    malformed: str,
    index: tuple[str, ...] = (),
) -> Kind[T]:
    table = Table(name, model, key=("account", "region", id_field), index=index)
    return Kind(table, id_field, prefix, resource_type, not_found[0], not_found[1], malformed)


VPCS = _kind(
    "ec2_vpc", Vpc, "vpc_id", "vpc", "vpc",
    ("InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    "InvalidVpcID.Malformed",
)  # fmt: skip
SUBNETS = _kind(
    "ec2_subnet", Subnet, "subnet_id", "subnet", "subnet",
    ("InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"),
    "InvalidSubnetID.Malformed", ("vpc_id",),
)  # fmt: skip
ROUTE_TABLES = _kind(
    "ec2_route_table", RouteTable, "route_table_id", "rtb", "route-table",
    ("InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
    "InvalidRouteTableId.Malformed", ("vpc_id",),
)  # fmt: skip
INTERNET_GATEWAYS = _kind(
    "ec2_internet_gateway", InternetGateway, "internet_gateway_id", "igw", "internet-gateway",
    ("InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist"),
    "InvalidInternetGatewayId.Malformed", ("vpc_id",),
)  # fmt: skip
NAT_GATEWAYS = _kind(
    "ec2_nat_gateway", NatGateway, "nat_gateway_id", "nat", "natgateway",
    ("NatGatewayNotFound", "The Nat Gateway {} was not found"),
    "NatGatewayMalformed", ("vpc_id", "subnet_id"),
)  # fmt: skip
ADDRESSES = _kind(
    "ec2_address", Address, "allocation_id", "eipalloc", "elastic-ip",
    ("InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist"),
    "InvalidAllocationID.Malformed", ("public_ip", "eni_id", "association_id"),
)  # fmt: skip
INTERFACES = _kind(
    "ec2_network_interface", NetworkInterface, "eni_id", "eni", "network-interface",
    ("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist"),
    "InvalidNetworkInterfaceId.Malformed", ("vpc_id", "subnet_id", "public_ip"),
)  # fmt: skip
GROUPS = _kind(
    "ec2_security_group", SecurityGroup, "group_id", "sg", "security-group",
    ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "InvalidGroupId.Malformed", ("vpc_id",),
)  # fmt: skip
RULES = _kind(
    "ec2_security_group_rule", SecurityGroupRule, "rule_id", "sgr", "security-group-rule",
    ("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '{}' does not exist"),
    "InvalidSecurityGroupRuleId.Malformed", ("group_id", "peer_group"),
)  # fmt: skip
ACLS = _kind(
    "ec2_network_acl", NetworkAcl, "acl_id", "acl", "network-acl",
    ("InvalidNetworkAclID.NotFound", "The networkAcl ID '{}' does not exist"),
    "InvalidNetworkAclId.Malformed", ("vpc_id",),
)  # fmt: skip
DHCP_OPTIONS = _kind(
    "ec2_dhcp_options", DhcpOptions, "dhcp_options_id", "dopt", "dhcp-options",
    ("InvalidDhcpOptionID.NotFound", "The dhcpOption ID '{}' does not exist"),
    "InvalidDhcpOptionsId.Malformed",
)  # fmt: skip
VPC_ENDPOINTS = _kind(
    "ec2_vpc_endpoint", VpcEndpoint, "vpc_endpoint_id", "vpce", "vpc-endpoint",
    ("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist"),
    "InvalidVpcEndpointId.Malformed", ("vpc_id",),
)  # fmt: skip
PREFIX_LISTS = _kind(
    "ec2_prefix_list", PrefixList, "prefix_list_id", "pl", "prefix-list",
    ("InvalidPrefixListID.NotFound", "The prefix list ID '{}' does not exist"),
    "InvalidPrefixListId.Malformed",
)  # fmt: skip

TAGGABLE: tuple[Kind[Any], ...] = (
    VPCS,
    SUBNETS,
    ROUTE_TABLES,
    INTERNET_GATEWAYS,
    NAT_GATEWAYS,
    ADDRESSES,
    INTERFACES,
    GROUPS,
    RULES,
    ACLS,
    DHCP_OPTIONS,
    VPC_ENDPOINTS,
    PREFIX_LISTS,
)

REGIONS = Table("ec2_region", RegionMade, key=("account", "region"))
FORMER_INTERFACES = Table(
    "ec2_former_interface",
    FormerInterface,
    key=("account", "region", "eni_id"),
    index=("subnet_id",),
)
CURSORS = Table("ec2_public_address_cursor", PublicAddressCursor, key=("pool",))
CLIENT_TOKENS = Table(
    "ec2_client_token", ClientToken, key=("account", "region", "operation", "token"), kept=8
)


def nat_gateway_seen(scope: Scope, nat_gateway_id: str) -> bool:
    """Whether the NAT gateway's namespace stands."""
    return NAT_GATEWAYS_SEEN.find(scope.tx, nat_gateway_id=nat_gateway_id) is not None


def interface_seen(scope: Scope, eni_id: str) -> bool:
    """Whether the interface stands in the kernel."""
    return INTERFACES_SEEN.find(scope.tx, eni_id=eni_id) is not None


def endpoint_seen(scope: Scope, eni_id: str) -> bool:
    """Whether an endpoint's service answers in the interface's namespace."""
    return ENDPOINTS_SEEN.find(scope.tx, eni_id=eni_id) is not None


def get_vpc(scope: Scope, vpc_id: str) -> Vpc:
    """The VPC. Raises InvalidVpcID.NotFound or .Malformed."""
    return VPCS.get(scope, vpc_id)


def get_subnet(scope: Scope, subnet_id: str) -> Subnet:
    """The subnet. Raises InvalidSubnetID.NotFound or .Malformed."""
    return SUBNETS.get(scope, subnet_id)


def get_group(scope: Scope, group_id: str) -> SecurityGroup:
    """The security group. Raises InvalidGroup.NotFound or InvalidGroupId.Malformed."""
    return GROUPS.get(scope, group_id)


def get_prefix_list(scope: Scope, prefix_list_id: str) -> PrefixList:
    """The list, AWS's or the account's. Raises InvalidPrefixListID.NotFound or .Malformed."""
    for each in aws_prefix_lists(scope.region):
        if each.prefix_list_id == prefix_list_id:
            return each
    return PREFIX_LISTS.get(scope, prefix_list_id)


def find_interface(scope: Scope, eni_id: str) -> NetworkInterface | None:
    """The interface, or None."""
    return INTERFACES.find(scope, eni_id)


def find_default_vpc(scope: Scope) -> Vpc | None:
    """The region's default VPC, or None when it was deleted or no ec2 call was made yet."""
    return next((vpc for vpc in VPCS.list(scope) if vpc.is_default), None)


def find_address_of(scope: Scope, eni_id: str) -> Address | None:
    """The elastic address that is mapped to the interface, or None."""
    return ADDRESSES.table.find(scope.tx, eni_id=eni_id)


def public_ip_of(scope: Scope, interface: NetworkInterface) -> str | None:
    """The interface's public address: its elastic one, or the one of Amazon's pool, or None."""
    address = find_address_of(scope, interface.eni_id)
    if address is not None:
        return address.public_ip
    return interface.public_ip or None


def main_route_table(scope: Scope, vpc_id: str) -> RouteTable:
    """The table of subnets without an association."""
    return next(t for t in ROUTE_TABLES.list(scope, vpc_id=vpc_id) if t.is_main)


def find_attached_gateway(scope: Scope, vpc_id: str) -> InternetGateway | None:
    """The VPC's internet gateway, or None."""
    return INTERNET_GATEWAYS.table.find(scope.tx, vpc_id=vpc_id)


def default_group(scope: Scope, vpc_id: str) -> SecurityGroup:
    """The group that interfaces without one get."""
    return next(g for g in GROUPS.list(scope, vpc_id=vpc_id) if g.name == "default")


def network_rows(tx: Transaction) -> NetworkRows:
    """Everything that the network is drawn from, of all accounts and regions."""
    return NetworkRows(
        vpcs=VPCS.table.whole(tx),
        subnets=SUBNETS.table.whole(tx),
        route_tables=ROUTE_TABLES.table.whole(tx),
        internet_gateways=INTERNET_GATEWAYS.table.whole(tx),
        nat_gateways=NAT_GATEWAYS.table.whole(tx),
        addresses=ADDRESSES.table.whole(tx),
        interfaces=INTERFACES.table.whole(tx),
        groups=GROUPS.table.whole(tx),
        rules=RULES.table.whole(tx),
        acls=ACLS.table.whole(tx),
        endpoints=VPC_ENDPOINTS.table.whole(tx),
        prefix_lists=PREFIX_LISTS.table.whole(tx),
    )
