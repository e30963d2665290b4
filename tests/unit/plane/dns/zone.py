"""A zone for tests, and questions to it."""

from __future__ import annotations

from ipaddress import IPv4Address

import dns.name
import dns.rdatatype

from hiyoko.blueprint.zones import RecordSet, Zone
from hiyoko.plane.dns.authority import LoadedZone
from hiyoko.plane.dns.loaded import Records
from hiyoko.plane.dns.reply import Reply

RECORDS = (
    ("example.com.", "SOA", 900, ("ns-1. host. 1 7200 900 1209600 86400",)),
    ("example.com.", "NS", 172800, ("ns-1.awsdns-00.com.", "ns-512.awsdns-00.net.")),
    ("example.com.", "MX", 300, ("10 mail.example.com.",)),
    ("mail.example.com.", "A", 300, ("192.0.2.25",)),
    ("www.example.com.", "A", 60, ("192.0.2.1", "192.0.2.2", "192.0.2.3")),
    ("alias4.example.com.", "A", 60, ("192.0.2.1",)),
    ("alias4.example.com.", "AAAA", 60, ()),
    ("c.example.com.", "CNAME", 300, ("d.example.com.",)),
    ("d.example.com.", "CNAME", 300, ("www.example.com.",)),
    ("out.example.com.", "CNAME", 300, ("www.example.org.",)),
    ("loop.example.com.", "CNAME", 300, ("loop.example.com.",)),
    (r"\042.wild.example.com.", "TXT", 300, ('"star"',)),
    ("host.wild.example.com.", "A", 300, ("192.0.2.9",)),
    ("x.empty.wild.example.com.", "A", 300, ("192.0.2.10",)),
    ("sub.example.com.", "NS", 300, ("ns.sub.example.com.", "ns.elsewhere.org.")),
    ("ns.sub.example.com.", "A", 300, ("192.0.2.53",)),
    ("sub.example.com.", "DS", 300, ("1 8 2 " + "AB" * 32,)),
    ("hidden.sub.example.com.", "A", 300, ("192.0.2.66",)),
    ("big.example.com.", "TXT", 300, tuple(f'"{n:03d}{"x" * 200}"' for n in range(30))),
)


def zone(name: str = "example.com.", server: str = "198.18.8.1") -> Zone:
    return Zone(
        zone_id="Z1",
        name=name,
        servers=(IPv4Address(server),),
        records=tuple(RecordSet(*record) for record in RECORDS),
    )


def ask(name: str, kind: str) -> Reply:
    loaded = LoadedZone.load(zone())
    return loaded.ask(dns.name.from_text(name), dns.rdatatype.from_text(kind))


def shown(records: list[Records]) -> list[str]:
    return [
        f"{r.owner} {r.ttl_s} {dns.rdatatype.to_text(r.type)} {datum}"
        for r in records
        for datum in r.data
    ]
