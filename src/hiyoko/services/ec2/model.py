"""What ec2 keeps: frozen rows, and states computed from a row and what was seen of it.

Addresses and CIDRs are strings here; the blueprint turns them into ``ipaddress`` objects. Empty
strings stand for "none" in columns that are looked up by.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Network

Tags = tuple[tuple[str, str], ...]

PUBLIC_POOL = "198.19.0.0/16"
"""Where elastic and other public addresses come from (``plane.addresses`` has the same)."""

ANYWHERE = "0.0.0.0/0"
ALL_PROTOCOLS = "-1"
ACL_IMPLIED_ENTRY = 32767
"""The number of the deny entry that ends every network ACL."""
NAT_LISTED_S = 3600.0
"""A deleted or failed NAT gateway is described for about an hour."""

REGIONS = (
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1",
    "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2",
    "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
)  # fmt: skip
"""The regions that every account has without opting in."""

ENDPOINT_SERVICES = {
    "cloudformation": "cloudformation",
    "data-servicediscovery": "data-servicediscovery",
    "ec2": "ec2",
    "ecr.api": "api.ecr",
    "ecr.dkr": "*.dkr.ecr",
    "ecs": "ecs",
    "elasticloadbalancing": "elasticloadbalancing",
    "events": "events",
    "kinesis-streams": "kinesis",
    "kms": "kms",
    "logs": "logs",
    "monitoring": "monitoring",
    "secretsmanager": "secretsmanager",
    "servicediscovery": "servicediscovery",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "sts": "sts",
}
"""What an interface endpoint can be of, and how the service's usual name begins.

https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
"""

GATEWAY_SERVICES = {"s3": "198.18.16.0/20", "dynamodb": "198.18.32.0/20"}
"""What a gateway endpoint can be of, and the service's addresses on the simulated internet."""
_REGION_BITS = 26

# https://www.iana.org/assignments/protocol-numbers; EC2 gives these four back as names.
PROTOCOL_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}


@dataclass(frozen=True, slots=True)
class RegionMade:
    """This account's region has had its default VPC made: once, even if it was deleted since."""

    account: str
    region: str
    dhcp_options_id: str


@dataclass(frozen=True, slots=True)
class DhcpOptions:
    """The region's default DHCP options set; others cannot be made."""

    account: str
    region: str
    dhcp_options_id: str
    domain_name: str
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class CidrAssociation:
    """A CIDR of a VPC. The first one is the primary."""

    association_id: str
    cidr: str


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC. DNS attributes decide whether VPC+2 answers, and whether interfaces have names."""

    account: str
    region: str
    vpc_id: str
    cidrs: tuple[CidrAssociation, ...]
    dhcp_options_id: str
    is_default: bool = False
    dns_support: bool = True
    dns_hostnames: bool = False
    tags: Tags = ()

    @property
    def cidr(self) -> str:
        """The primary CIDR."""
        return self.cidrs[0].cidr


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet of one availability zone."""

    account: str
    region: str
    subnet_id: str
    vpc_id: str
    cidr: str
    zone: str
    zone_id: str
    default_for_az: bool = False
    map_public_ip: bool = False
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class Association:
    """A subnet's tie to a route table or network ACL; ``subnet_id`` is empty for the main one."""

    association_id: str
    subnet_id: str


@dataclass(frozen=True, slots=True)
class Route:
    """A route beside the local ones; ``target`` is the id of an igw, nat, eni or vpce.

    ``destination`` is a CIDR or the id of a prefix list.
    """

    destination: str
    target: str

    @property
    def by_prefix_list(self) -> bool:
        """Whether the destination is a prefix list."""
        return self.destination.startswith("pl-")


@dataclass(frozen=True, slots=True)
class RouteTable:
    """A route table with its associations; the main one has an association without a subnet."""

    account: str
    region: str
    route_table_id: str
    vpc_id: str
    routes: tuple[Route, ...] = ()
    associations: tuple[Association, ...] = ()
    tags: Tags = ()

    @property
    def is_main(self) -> bool:
        """Whether subnets without an association use it."""
        return any(not association.subnet_id for association in self.associations)


@dataclass(frozen=True, slots=True)
class InternetGateway:
    """An internet gateway; ``vpc_id`` is empty while it is detached."""

    account: str
    region: str
    internet_gateway_id: str
    vpc_id: str = ""
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class Address:
    """An elastic IP address, and the interface that it is mapped to, if any."""

    account: str
    region: str
    allocation_id: str
    public_ip: str
    association_id: str = ""
    eni_id: str = ""
    private_ip: str = ""
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """An ENI. ``groups`` is None for one that no security group guards (a NAT gateway's).

    ``requester_id`` names the service that manages it (``amazon-elb``), empty for the account's
    own. ``public_ip`` is an address of Amazon's pool, gone with the interface; an elastic one is
    found in ``Address``.
    """

    account: str
    region: str
    eni_id: str
    vpc_id: str
    subnet_id: str
    zone: str
    private_ip: str
    mac: str
    groups: tuple[str, ...] | None
    description: str = ""
    interface_type: str = "interface"
    requester_id: str = ""
    attachment_id: str = ""
    attached_at: float = 0.0
    public_ip: str = ""
    source_dest_check: bool = True
    tags: Tags = ()

    @property
    def status(self) -> str:
        """``in-use`` once attached."""
        return "in-use" if self.attachment_id else "available"


@dataclass(frozen=True, slots=True)
class NatGateway:
    """A public NAT gateway. What AWS finds wrong only after creation is decided at creation,
    kept as ``failure_code``, and shown from the next describe on.
    """

    account: str
    region: str
    nat_gateway_id: str
    vpc_id: str
    subnet_id: str
    zone: str
    allocation_id: str
    created_at: float
    eni_id: str = ""
    private_ip: str = ""
    public_ip: str = ""
    association_id: str = ""
    failure_code: str = ""
    failure_message: str = ""
    deleted_at: float | None = None
    tags: Tags = ()

    def state(self, seen: bool) -> str:
        """From the wish and from whether its namespace translates now."""
        if self.deleted_at is not None:
            return "deleting" if seen else "deleted"
        if self.failure_code:
            return "failed"
        return "available" if seen else "pending"

    def listed(self, now: float) -> bool:
        """Whether describe still shows it."""
        ended = self.created_at if self.failure_code else self.deleted_at
        return ended is None or now - ended < NAT_LISTED_S

    @property
    def works(self) -> bool:
        """Whether it shall exist."""
        return self.deleted_at is None and not self.failure_code


@dataclass(frozen=True, slots=True)
class PrefixListEntry:
    """A CIDR of a prefix list."""

    cidr: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class PrefixList:
    """CIDRs under one id, for routes and rules; ``account`` is ``AWS`` for those of its services.

    ``max_entries`` is what a rule that names the list counts for.
    """

    account: str
    region: str
    prefix_list_id: str
    name: str
    max_entries: int
    entries: tuple[PrefixListEntry, ...] = ()
    version: int = 1
    tags: Tags = ()


@cache
def gateway_range(service: str, region: str) -> IPv4Network | None:
    """Where a service with gateway endpoints has its addresses; None in a region without."""
    if region not in REGIONS:
        return None
    whole = IPv4Network(GATEWAY_SERVICES[service])
    start = int(whole.network_address) + REGIONS.index(region) * (1 << 32 - _REGION_BITS)
    return IPv4Network((start, _REGION_BITS))


def gateway_address(service: str, region: str) -> IPv4Address | None:
    """The address of that range at which the service answers."""
    found = gateway_range(service, region)
    return None if found is None else found.network_address + 1


@cache
def aws_prefix_lists(region: str) -> tuple[PrefixList, ...]:
    """AWS's own lists of a region. Their ids are made up: templates look them up by name.

    A rule that names one counts as one.
    https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html
    """
    found = []
    for service in GATEWAY_SERVICES:
        cidr, name = gateway_range(service, region), f"com.amazonaws.{region}.{service}"
        if cidr is not None:
            key = f"pl-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
            found.append(PrefixList("AWS", region, key, name, 1, (PrefixListEntry(str(cidr)),)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class EndpointInterface:
    """An endpoint's interface in one subnet; its zone's index makes its zonal names."""

    eni_id: str
    subnet_id: str
    zone: str
    private_ip: str


@dataclass(frozen=True, slots=True)
class VpcEndpoint:
    """A service of AWS's at private addresses of a VPC, or (``gateway``) by routes to its own.

    ``service`` is the name without ``com.amazonaws.REGION.`` (``ecr.dkr``); ``suffix`` tells its
    names from those of an endpoint of the same id elsewhere. ``policy`` is kept as it was given;
    empty for full access. A gateway endpoint's route tables are those with a route to it.
    """

    account: str
    region: str
    vpc_endpoint_id: str
    vpc_id: str
    service: str
    suffix: str
    created_at: float
    interfaces: tuple[EndpointInterface, ...]
    groups: tuple[str, ...]
    private_dns: bool = True
    deleted_at: float | None = None
    tags: Tags = ()
    gateway: bool = False
    policy: str = ""

    def state(self, standing: int, remaining: int) -> str:
        """From the wish, how many interfaces answer now, and how many still stand."""
        if self.deleted_at is not None:
            return "deleting" if remaining else "deleted"
        return "available" if standing == len(self.interfaces) else "pending"

    @property
    def works(self) -> bool:
        """Whether it shall exist."""
        return self.deleted_at is None

    @property
    def private_name(self) -> str:
        """The service's usual name, which private DNS leads here; ``*.`` where all below do."""
        return f"{ENDPOINT_SERVICES[self.service]}.{self.region}.amazonaws.com"

    @property
    def base_name(self) -> str:
        """What the names of every endpoint of this service end in."""
        return endpoint_domain(self.service, self.region)

    @property
    def regional_name(self) -> str:
        """Its own public name, of all its private addresses."""
        return f"{self.vpc_endpoint_id}-{self.suffix}.{self.base_name}"

    def zonal_name(self, zone: str) -> str:
        """Its public name of the address in one zone."""
        return f"{self.vpc_endpoint_id}-{self.suffix}-{zone}.{self.base_name}"


def endpoint_domain(service: str, region: str) -> str:
    """``dkr.ecr.REGION.vpce.amazonaws.com``."""
    return f"{ENDPOINT_SERVICES[service].removeprefix('*.')}.{region}.vpce.amazonaws.com"


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group; its rules are rows of their own."""

    account: str
    region: str
    group_id: str
    vpc_id: str
    name: str
    description: str
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class SecurityGroupRule:
    """One peer of one permission: exactly one of ``cidr``, ``peer_group``, ``prefix_list``.

    Ports are -1 where they do not count; for ICMP they are type and code.
    """

    account: str
    region: str
    rule_id: str
    group_id: str
    egress: bool
    protocol: str
    from_port: int
    to_port: int
    cidr: str = ""
    peer_group: str = ""
    description: str = ""
    tags: Tags = ()
    prefix_list: str = ""

    @property
    def identity(self) -> tuple[str, bool, str, int, int, str, str, str]:
        """What makes two rules the same one: all but description, id and tags."""
        return (
            self.group_id,
            self.egress,
            self.protocol,
            self.from_port,
            self.to_port,
            self.cidr,
            self.peer_group,
            self.prefix_list,
        )


@dataclass(frozen=True, slots=True)
class AclEntry:
    """A numbered entry; ``protocol`` is a number as text; ports, or ICMP type and code."""

    number: int
    egress: bool
    protocol: str
    allow: bool
    cidr: str
    low: int = -1
    high: int = -1


@dataclass(frozen=True, slots=True)
class NetworkAcl:
    """A network ACL without the deny entries that end it on both sides."""

    account: str
    region: str
    acl_id: str
    vpc_id: str
    is_default: bool = False
    entries: tuple[AclEntry, ...] = ()
    associations: tuple[Association, ...] = ()
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class PublicAddressCursor:
    """The pool's address given out last: a freed one is not given again at once."""

    pool: str
    last: str


@dataclass(frozen=True, slots=True)
class FormerInterface:
    """A deleted interface: its address is not given again while the interface still stands."""

    account: str
    region: str
    eni_id: str
    subnet_id: str
    private_ip: str


@dataclass(frozen=True, slots=True)
class ClientToken:
    """The answer that a client token got."""

    account: str
    region: str
    operation: str
    token: str
    request: str
    response: str


@dataclass(frozen=True, slots=True)
class NetworkRows:
    """All rows that the network is drawn from, of every account and region."""

    vpcs: tuple[Vpc, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    route_tables: tuple[RouteTable, ...] = ()
    internet_gateways: tuple[InternetGateway, ...] = ()
    nat_gateways: tuple[NatGateway, ...] = ()
    addresses: tuple[Address, ...] = ()
    interfaces: tuple[NetworkInterface, ...] = ()
    groups: tuple[SecurityGroup, ...] = ()
    rules: tuple[SecurityGroupRule, ...] = ()
    acls: tuple[NetworkAcl, ...] = ()
    endpoints: tuple[VpcEndpoint, ...] = ()
    prefix_lists: tuple[PrefixList, ...] = ()
