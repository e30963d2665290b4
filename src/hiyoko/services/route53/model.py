"""Hosted zones, record sets, health checks and changes as they are wished."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from dataclasses import dataclass

from hiyoko.services.cloudwatch.model import Alarm
from hiyoko.services.route53.names import NAME_SERVER_TLDS

GLOBAL = "aws-global"
"""Route 53 belongs to no Region; its rows carry botocore's name for that."""

CHECKER_REGIONS = (
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
)
"""Where Route 53 has health checkers, in the order that it lists them."""

CHECKER_ADDRESSES = tuple(f"198.18.0.{128 + n}" for n in range(len(CHECKER_REGIONS)))
"""Where their checkers ask from, in the same order; a test compares them with the plane's."""

VIRGINIA_RESOLVER = "198.18.130.53"
"""A resolver in us-east-1: who asks when nobody else is named. A test compares it with the map."""

KMS_REGION = "us-east-1"
"""Where the keys are that sign for zones."""

KSK_FLAGS, KSK_ALGORITHM = 257, 13
"""A secure entry point (RFC 4034), ECDSA P-256 with SHA-256 (RFC 6605): Route 53 has no other."""

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")

SOA_TTL_S = 900
NS_TTL_S = 172800
PRIVATE_NAME_SERVERS = (
    "ns-1536.awsdns-00.co.uk.",
    "ns-0.awsdns-00.com.",
    "ns-1024.awsdns-00.org.",
    "ns-512.awsdns-00.net.",
)
"""What a private zone's own records name; nobody answers there for it."""


@dataclass(frozen=True, slots=True)
class ZoneVpc:
    """A VPC that sees a private zone."""

    vpc_id: str
    region: str


@dataclass(frozen=True, slots=True)
class HostedZone:
    """A hosted zone. ``servers`` are the numbers N of its ``ns-N.awsdns-...``; none when private.

    ``zone_id`` is bare (``Z...``), ``name`` absolute and as stored. ``signing``: DNSSEC is enabled.
    ``delegation_set`` is the reusable one that its name servers are of, if they are.
    """

    account: str
    region: str
    zone_id: str
    name: str
    caller_reference: str
    private: bool
    servers: tuple[int, ...]
    vpcs: tuple[ZoneVpc, ...]
    created_at: float
    comment: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    signing: bool = False
    delegation_set: str = ""
    linked: str = ""
    """ARN of the Cloud Map namespace that made the zone, and alone may change its records."""

    @property
    def name_servers(self) -> tuple[str, ...]:
        """The zone's name servers, absolute."""
        return tuple(server_name(n) for n in self.servers) or PRIVATE_NAME_SERVERS


@dataclass(frozen=True, slots=True)
class DelegationSet:
    """A reusable delegation set. ``set_id`` is bare (``N...``), ``servers`` are as a zone's."""

    account: str
    region: str
    set_id: str
    caller_reference: str
    servers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AliasTarget:
    """Where an alias points. ``dns_name`` is absolute and lower case."""

    zone_id: str
    dns_name: str
    evaluate_health: bool


@dataclass(frozen=True, slots=True)
class GeoLocation:
    """Where queries come from: a continent, a country (``*`` is the default), a subdivision."""

    continent: str | None = None
    country: str | None = None
    subdivision: str | None = None


@dataclass(frozen=True, slots=True)
class GeoProximity:
    """Where a resource is: in a Region, or at coordinates. A bias draws more queries or fewer."""

    region: str | None = None
    latitude: str | None = None
    longitude: str | None = None
    bias: int = 0


@dataclass(frozen=True, slots=True)
class CidrRouting:
    """Which networks a set is for: a location of a CIDR collection; ``*`` is everybody else."""

    collection_id: str
    location: str


@dataclass(frozen=True, slots=True)
class RecordSet:
    """A record set: a TTL with values, or an alias (then ``ttl_s`` is None).

    Sets of one name and type that differ in ``set_id`` are a group with one routing policy; the
    simple set has none. ``latency_region`` is the Region of a latency set.
    """

    account: str
    region: str
    zone_id: str
    name: str
    type: str
    ttl_s: int | None
    values: tuple[str, ...]
    alias: AliasTarget | None = None
    set_id: str = ""
    weight: int | None = None
    latency_region: str | None = None
    failover: str | None = None
    geo: GeoLocation | None = None
    multivalue: bool = False
    proximity: GeoProximity | None = None
    health_check_id: str | None = None
    cidr: CidrRouting | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this set of its zone."""
        return self.name, self.type, self.set_id

    @property
    def policy(self) -> str:
        """The routing policy, as Route 53's messages call it."""
        if self.weight is not None:
            return "weighted"
        if self.latency_region is not None:
            return "latency"
        if self.failover is not None:
            return "failover"
        if self.geo is not None:
            return "geolocation"
        if self.proximity is not None:
            return "geoproximity"
        if self.cidr is not None:
            return "CIDR"
        return "multivalue answer" if self.multivalue else "simple"


@dataclass(frozen=True, slots=True)
class AlarmIdentifier:
    """A CloudWatch alarm of the check's account."""

    region: str
    name: str


@dataclass(frozen=True, slots=True)
class HealthCheckConfig:
    """What a health check asks. ``regions`` are the checkers'; ``interval_s`` is 10 or 30.

    A CALCULATED one has ``children`` of which ``health_threshold`` must be healthy, and no target.
    A CLOUDWATCH_METRIC one has an ``alarm``, and what it is while that has too little data.
    """

    type: str
    address: str | None = None
    port: int | None = None
    path: str | None = None
    domain: str | None = None
    search: str | None = None
    interval_s: int = 30
    failure_threshold: int = 3
    measure_latency: bool = False
    inverted: bool = False
    disabled: bool = False
    sni: bool = True
    regions: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    health_threshold: int = 0
    alarm: AlarmIdentifier | None = None
    insufficient_data: str | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A health check. ``version`` grows with each update.

    ``followed`` is its alarm as that was when the check was made or updated last: a later change of
    the alarm, and its end too, is nothing to the check.
    """

    account: str
    region: str
    check_id: str
    caller_reference: str
    version: int
    config: HealthCheckConfig
    created_at: float
    tags: tuple[tuple[str, str], ...] = ()
    followed: Alarm | None = None


@dataclass(frozen=True, slots=True)
class CidrCollection:
    """Networks under names, for IP-based routing. ``locations`` are (name, blocks) in order."""

    account: str
    region: str
    collection_id: str
    name: str
    caller_reference: str
    version: int = 1
    locations: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def blocks(self, location: str) -> tuple[str, ...]:
        """The blocks of a location; none when there is no such."""
        return dict(self.locations).get(location, ())


@dataclass(frozen=True, slots=True)
class TrafficEndpoint:
    """Where a traffic policy leads to: a value, or a load balancer's DNS name."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class TrafficBranch:
    """One way out of a traffic rule: where it leads, and what the rule goes by."""

    node: TrafficNode
    health_check_id: str | None = None
    evaluate_health: bool = False
    weight: int | None = None
    latency_region: str | None = None
    failover: str | None = None
    geo: GeoLocation | None = None
    proximity: GeoProximity | None = None


@dataclass(frozen=True, slots=True)
class TrafficNode:
    """A rule with its branches, or an endpoint (then ``policy`` is ``simple``)."""

    policy: str
    endpoint: TrafficEndpoint | None = None
    branches: tuple[TrafficBranch, ...] = ()


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """One version of a traffic policy. ``type`` is the type of the records that it makes."""

    account: str
    region: str
    policy_id: str
    version: int
    name: str
    type: str
    document: str
    start: TrafficNode
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class TrafficPolicyInstance:
    """A traffic policy that answers for a name of a zone. ``revision``: of its last change."""

    account: str
    region: str
    instance_id: str
    zone_id: str
    name: str
    ttl_s: int
    policy_id: str
    policy_version: int
    type: str
    revision: int


@dataclass(frozen=True, slots=True)
class QueryLoggingConfig:
    """Where the queries for a public zone are logged: a log group of us-east-1."""

    account: str
    region: str
    config_id: str
    zone_id: str
    log_group_arn: str

    @property
    def log_group(self) -> str:
        """The log group's name."""
        return self.log_group_arn.split(":log-group:", 1)[1].removesuffix(":*")


@dataclass(frozen=True, slots=True)
class Change:
    """A submitted change. It is in sync once the servers answer from ``revision`` or later."""

    account: str
    region: str
    change_id: str
    revision: int
    submitted_at: float
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class CallerReference:
    """A caller reference that made something; it stays used when that is gone."""

    account: str
    region: str
    reference: str


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """A question for the server ``ns-NUMBER``. ``name`` is as Route 53 stores it.

    ``resolver`` is the address that it comes from, ``subnet`` the client's network when that is
    told (RFC 7871).
    """

    number: int
    name: str
    type: str
    resolver: str
    subnet: str | None = None


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What came back: the code's name, the answer section's values, ``UDP`` or ``TCP``."""

    code: str
    values: tuple[str, ...]
    protocol: str


def server_name(number: int) -> str:
    """``ns-N.awsdns-NN.TLD.``: each top-level domain has 512 servers, eight to a name."""
    tld = NAME_SERVER_TLDS[number // 512]
    return f"ns-{number}.awsdns-{number % 512 // 8:02d}.{tld}."


def default_records(zone: HostedZone) -> tuple[RecordSet, RecordSet]:
    """The NS and SOA sets that every zone is born with."""
    servers = zone.name_servers
    soa = f"{servers[0]} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    return (
        RecordSet(zone.account, zone.region, zone.zone_id, zone.name, "NS", NS_TTL_S, servers),
        RecordSet(zone.account, zone.region, zone.zone_id, zone.name, "SOA", SOA_TTL_S, (soa,)),
    )


@dataclass(frozen=True, slots=True)
class KeySigningKey:
    """A key-signing key: its private half is in KMS. ``point`` is the public one (x and y, hex).

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_KeySigningKey.html
    """

    account: str
    region: str
    zone_id: str
    zone_name: str
    name: str
    caller_reference: str
    kms_arn: str
    point: str
    active: bool
    created_at: float
    modified_at: float

    @property
    def public_key(self) -> str:
        """The key as a DNSKEY has it."""
        return base64.b64encode(bytes.fromhex(self.point)).decode()

    @property
    def dnskey(self) -> str:
        """The DNSKEY record's value."""
        return f"{KSK_FLAGS} 3 {KSK_ALGORITHM} {self.public_key}"

    @property
    def tag(self) -> int:
        """The key tag (RFC 4034, appendix B)."""
        total = sum(byte if place & 1 else byte << 8 for place, byte in enumerate(self._data))
        return (total + (total >> 16)) & 0xFFFF

    @property
    def digest(self) -> str:
        """The digest that a DS has of it (RFC 4509)."""
        labels = [_bytes(label) for label in self.zone_name.rstrip(".").split(".")]
        owner = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        return hashlib.sha256(owner + self._data).hexdigest().upper()

    @property
    def delegation_signer(self) -> str:
        """The DS record's value."""
        return f"{self.tag} {KSK_ALGORITHM} 2 {self.digest}"

    @property
    def _data(self) -> bytes:
        return struct.pack("!HBB", KSK_FLAGS, 3, KSK_ALGORITHM) + bytes.fromhex(self.point)


def _bytes(label: str) -> bytes:
    r"""A stored label's bytes: ``\ooo`` is one."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), label).encode("latin-1")
