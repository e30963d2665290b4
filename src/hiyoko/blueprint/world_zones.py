"""The world's own zones: the root, the parents of everybody's zones, and AWS's names.

Addresses and names here are the simulated internet's; they mirror the real ones where those are
stable (``a.root-servers.net``) and are made up where nobody would look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType

from hiyoko.blueprint.service_addresses import service_addresses
from hiyoko.blueprint.zones import RecordSet, Signing, Zone
from hiyoko.services.ec2.model import REGIONS

# The same numbers as in plane.addresses, which a blueprint may not import; a test compares them.
ROOT_SERVER = IPv4Address("198.18.0.1")
PARENT_SERVER = IPv4Address("198.18.0.2")
AWS_DNS = IPv4Address("198.18.0.54")
AWS_ENDPOINT = IPv4Address("198.18.0.80")
ROUTE53_SERVERS = IPv4Network("198.18.8.0/21")

ROOT_SERVER_NAME = "a.root-servers.net."
PARENT_SERVER_NAME = "a.gtld-servers.net."
AWS_SERVER_NAME = "r1.amazonaws.com."

TTL_S = 172800
"""What the root and the large registries give their NS records."""
DS_TTL_S = 86400
SOA_TTL_S = 900
ADDRESS_TTL_S = 60

_PARENT_NAMES = """
    ai app aws biz cloud co com de dev eu fr info io jp me net org tech test uk us xyz
    ac.jp co.jp ed.jp go.jp gr.jp lg.jp ne.jp or.jp ac.uk co.uk org.uk
"""
PARENTS = tuple(f"{name}." for name in _PARENT_NAMES.split())
"""Top-level domains that always exist, and second-level ones below which names are registered
(https://publicsuffix.org/list/). Any other top-level domain exists once a zone needs it."""

_WILDCARD_ZONES = {
    "amazonaws.com.": ("*.amazonaws.com.",),
    "api.aws.": ("*.api.aws.",),
    "ecr.aws.": ("public.ecr.aws.", "*.public.ecr.aws."),
    "docker.io.": ("docker.io.", "*.docker.io."),
    "docker.com.": ("*.docker.com.",),
    "ghcr.io.": ("ghcr.io.",),
    "quay.io.": ("quay.io.",),
    "k8s.io.": ("registry.k8s.io.",),
    "gcr.io.": ("gcr.io.",),
    "microsoft.com.": ("mcr.microsoft.com.",),
    "gitlab.com.": ("registry.gitlab.com.",),
    "cgr.dev.": ("cgr.dev.",),
    "hiyoko-trust.test.": ("*.hiyoko-trust.test.",),
}
"""Zones of AWS, of the image registries and of the certificate authority (``plane.ca.pointers``),
with the names that lead to the API endpoint."""

HOST_ZONES = ("compute.amazonaws.com.", "compute-1.amazonaws.com.")
ENDPOINT_ZONE = "vpce.amazonaws.com."
_EMPTY_ZONES = ("elb.amazonaws.com.", *HOST_ZONES, ENDPOINT_ZONE, "acm-validations.aws.")
"""Zones where only what really exists has a name: no wildcard above may answer for them."""


def is_parent(name: str) -> bool:
    """True for a name below which others register: nobody's zone of it is ever delegated."""
    return name in PARENTS or name.count(".") < 2


def is_taken(name: str) -> bool:
    """True for names that belong to AWS or a registry on this internet: nobody else gets them."""
    own = (*_WILDCARD_ZONES, *_EMPTY_ZONES)
    return any(name == zone or name.endswith(f".{zone}") for zone in own) or (
        ".awsdns-" in f".{name}"
    )


def parent_of(name: str) -> str:
    """The registry's zone above a name: the longest one, the top-level domain at least."""
    labels = name.rstrip(".").split(".")
    for start in range(1, len(labels)):
        above = ".".join(labels[start:]) + "."
        if is_parent(above):
            return above
    return "."


def _zone(name: str, server_name: str, server: IPv4Address, records: Iterable[RecordSet]) -> Zone:
    soa = f"{server_name} hostmaster.{server_name} 1 7200 900 1209600 900"
    own = (
        RecordSet(name, "SOA", SOA_TTL_S, (soa,)),
        RecordSet(name, "NS", TTL_S, (server_name,)),
    )
    ordered = sorted(records, key=lambda r: (r.name, r.type))
    return Zone(zone_id=name, name=name, servers=(server,), records=(*own, *ordered))


def _address(name: str, address: IPv4Address, ttl_s: int = TTL_S) -> RecordSet:
    return RecordSet(name, "A", ttl_s, (str(address),))


def parent_zones(
    delegated: Mapping[str, tuple[str, ...]],
    route53_servers: Mapping[str, IPv4Address],
    public_names: Iterable[str],
    vouched: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[Zone, ...]:
    """The root and every parent zone, signed. Glue is given where a server is below its parent.

    ``vouched`` are the DS values of delegated zones that are signed.
    """
    tops = {name.rstrip(".").rsplit(".", 1)[-1] + "." for name in (*PARENTS, *public_names)}
    parents = sorted({*PARENTS, *tops})
    records: dict[str, list[RecordSet]] = {name: [] for name in (".", *parents)}
    for name in parents:
        above = parent_of(name)
        records[above].append(RecordSet(name, "NS", TTL_S, (PARENT_SERVER_NAME,)))
    for name, servers in delegated.items():
        records[parent_of(name)].append(RecordSet(name, "NS", TTL_S, servers))
    for name, values in vouched.items():
        records[parent_of(name)].append(RecordSet(name, "DS", DS_TTL_S, values))
    own = {*_WILDCARD_ZONES, *(z for z in _EMPTY_ZONES if not z.endswith(".amazonaws.com."))}
    own |= {name.split(".", 1)[1] for name in route53_servers}
    for name in own:
        records[parent_of(name)].append(RecordSet(name, "NS", TTL_S, (AWS_SERVER_NAME,)))
    glue = {
        **route53_servers,
        AWS_SERVER_NAME: AWS_DNS,
    }
    for name, address in glue.items():
        records[parent_of(name)].append(_address(name, address))
    records["."] += [
        _address(ROOT_SERVER_NAME, ROOT_SERVER),
        _address(PARENT_SERVER_NAME, PARENT_SERVER),
    ]
    records["net."] += [
        _address(ROOT_SERVER_NAME, ROOT_SERVER),
        _address(PARENT_SERVER_NAME, PARENT_SERVER),
    ]
    root = _zone(".", ROOT_SERVER_NAME, ROOT_SERVER, records["."])
    zones = (_zone(name, PARENT_SERVER_NAME, PARENT_SERVER, records[name]) for name in parents)
    return tuple(replace(zone, signing=Signing()) for zone in (root, *zones))


def aws_zones(
    route53_servers: Mapping[str, IPv4Address],
    balancers: Mapping[str, tuple[str, ...]],
    hosts: Mapping[str, IPv4Address],
    endpoints: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[Zone, ...]:
    """AWS's own zones: API names, balancers' and endpoints' names, name servers' zones."""
    records: dict[str, list[RecordSet]] = {
        name: [_address(wildcard, AWS_ENDPOINT, ADDRESS_TTL_S) for wildcard in wildcards]
        for name, wildcards in _WILDCARD_ZONES.items()
    }
    records |= {name: [] for name in _EMPTY_ZONES}
    records["amazonaws.com."] += [_address(AWS_SERVER_NAME, AWS_DNS), *_regional_records()]
    for name in _EMPTY_ZONES:
        if name.endswith(".amazonaws.com."):
            delegation = RecordSet(name, "NS", TTL_S, (AWS_SERVER_NAME,))
            records["amazonaws.com."].append(delegation)
    for dns_name, addresses in balancers.items():
        for name in (f"{dns_name.lower()}.", f"dualstack.{dns_name.lower()}."):
            records["elb.amazonaws.com."].append(RecordSet(name, "A", ADDRESS_TTL_S, addresses))
    for dns_name, addresses in endpoints.items():
        records[ENDPOINT_ZONE].append(RecordSet(f"{dns_name}.", "A", ADDRESS_TTL_S, addresses))
    for name, address in hosts.items():
        zone = next(zone for zone in HOST_ZONES if name.endswith(f".{zone}"))
        records[zone].append(_address(name, address, ADDRESS_TTL_S))
    for name, address in route53_servers.items():
        records.setdefault(name.split(".", 1)[1], []).append(_address(name, address))
    return tuple(_zone(name, AWS_SERVER_NAME, AWS_DNS, records[name]) for name in sorted(records))


@cache
def _regional_records() -> tuple[RecordSet, ...]:
    """Names of the services with addresses of their own.

    A name below ``REGION.amazonaws.com`` hides the wildcard above from all others there (RFC 4592,
    section 4.3), so they get one of their own.
    """
    own = [
        _address(f"{name}.", address, ADDRESS_TTL_S)
        for address, names in service_addresses().items()
        for name in names
    ]
    others = [
        _address(f"{name}.{region}.amazonaws.com.", AWS_ENDPOINT, ADDRESS_TTL_S)
        for region in REGIONS
        for name in ("*", "*.dualstack", "streams.dynamodb")
    ]
    return (*own, *others)


def endpoint_zone(zone_id: str, private_name: str, addresses: tuple[str, ...], vpc_id: str) -> Zone:
    """The private zone by which a VPC has a service's usual name at addresses of its own."""
    origin = f"{private_name.removeprefix('*.')}."
    found = (RecordSet(f"{private_name}.", "A", ADDRESS_TTL_S, addresses),) if addresses else ()
    zone = _zone(origin, AWS_SERVER_NAME, AWS_DNS, found)
    return replace(zone, zone_id=zone_id, servers=(), vpcs=(vpc_id,))
