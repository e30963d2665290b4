"""What DNS must answer: zones with their servers' addresses, and where resolvers listen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from hiyoko.blueprint.resolvers import Inlet, Outlet, VpcResolver


class Policy(StrEnum):
    """How one of several record sets is chosen. SIMPLE: there is one, nothing to choose."""

    SIMPLE = "simple"
    WEIGHTED = "weighted"
    LATENCY = "latency"
    FAILOVER = "failover"
    GEOLOCATION = "geolocation"
    GEOPROXIMITY = "geoproximity"
    MULTIVALUE = "multivalue"
    CIDR = "cidr"


@dataclass(frozen=True, slots=True)
class RecordSet:
    """A record set ready to be served: aliases are already addresses.

    ``name`` is absolute and lower case, ``values`` are in presentation format. With a policy other
    than SIMPLE there are ``choices`` instead, and the server takes one for each question.
    """

    name: str
    type: str
    ttl_s: int
    values: tuple[str, ...]
    policy: Policy = Policy.SIMPLE
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One set of a group: what is answered when it is chosen, and all that the choice goes by.

    ``record`` may itself be a choice (an alias to another group). Only the field of the group's
    policy counts: ``weight``, the latency ``region``, ``primary``, the codes of a place, where on
    the globe it is, with its bias, or the ``cidrs`` of those that it is for.
    """

    set_id: str
    record: RecordSet
    healthy: bool = True
    weight: int = 0
    region: str = ""
    primary: bool = False
    continent: str = ""
    country: str = ""
    subdivision: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    bias: int = 0
    cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signing:
    """How a zone is signed. Empty: the world keeps all of its keys (root, parents).

    ``keys`` are the DNSKEYs of key-signing keys that are kept elsewhere, ``signatures`` the RRSIGs
    that these made for the zone's DNSKEY set; both in presentation format.
    """

    keys: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as its servers hold it.

    ``servers`` are the addresses on the simulated internet that answer for it (two zones of one
    name answer on their own servers only). ``vpcs`` is empty for a public zone; a private zone has
    no servers and is answered by the resolvers of its VPCs. ``zone_id`` is Route 53's, or the name
    for the world's own zones (root, parents, AWS's own). Without ``signing`` it is not signed.
    Questions for a ``logged`` one are written down.
    """

    zone_id: str
    name: str
    servers: tuple[IPv4Address, ...]
    records: tuple[RecordSet, ...]
    vpcs: tuple[str, ...] = ()
    signing: Signing | None = None
    logged: bool = False


@dataclass(frozen=True, slots=True)
class Delegation:
    """A public hosted zone that is reached from the root, and the zone that points to it."""

    zone_id: str
    parent: str


@dataclass(frozen=True, slots=True)
class Zones:
    """Everything the DNS server of the world serves. ``revision`` is the store's when drawn."""

    revision: int = 0
    zones: tuple[Zone, ...] = ()
    resolvers: tuple[VpcResolver, ...] = ()
    inlets: tuple[Inlet, ...] = ()
    outlets: tuple[Outlet, ...] = ()
    delegations: tuple[Delegation, ...] = ()
