"""Hosted zones, record sets and changes as they are wished."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.services.route53.names import NAME_SERVER_TLDS

GLOBAL = "aws-global"
"""Route 53 belongs to no Region; its rows carry botocore's name for that."""

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

    ``zone_id`` is bare (``Z...``), ``name`` absolute and as stored.
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

    @property
    def name_servers(self) -> tuple[str, ...]:
        """The zone's name servers, absolute."""
        return tuple(server_name(n) for n in self.servers) or PRIVATE_NAME_SERVERS


@dataclass(frozen=True, slots=True)
class AliasTarget:
    """Where an alias points. ``dns_name`` is absolute and lower case."""

    zone_id: str
    dns_name: str
    evaluate_health: bool


@dataclass(frozen=True, slots=True)
class RecordSet:
    """A record set: a TTL with values, or an alias (then ``ttl_s`` is None)."""

    account: str
    region: str
    zone_id: str
    name: str
    type: str
    ttl_s: int | None
    values: tuple[str, ...]
    alias: AliasTarget | None = None


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
    """A caller reference that made a zone; it stays used when the zone is gone."""

    account: str
    region: str
    reference: str


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
