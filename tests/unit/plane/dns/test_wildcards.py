"""The example of RFC 4592, section 2.2.1, answer for answer."""

from __future__ import annotations

from ipaddress import IPv4Address

import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from hiyoko.blueprint.zones import RecordSet, Zone
from hiyoko.plane.dns.authority import LoadedZone

ZONE = Zone(
    "Z1",
    "example.com.",
    (IPv4Address("198.18.8.1"),),
    tuple(
        RecordSet(name, kind, 3600, values)
        for name, kind, values in (
            ("example.com.", "SOA", ("ns. host. 1 7200 900 1209600 900",)),
            ("example.com.", "NS", ("ns.example.net.", "ns.example.org.")),
            (r"\042.example.com.", "TXT", ('"this is a wildcard"',)),
            (r"\042.example.com.", "MX", ("10 host1.example.com.",)),
            (r"sub.\042.example.com.", "TXT", ('"this is not a wildcard"',)),
            ("host1.example.com.", "A", ("192.0.2.1",)),
            ("_ssh._tcp.host1.example.com.", "SRV", ("0 0 22 host1.example.com.",)),
            ("_ssh._tcp.host2.example.com.", "SRV", ("0 0 22 host2.example.com.",)),
            ("subdel.example.com.", "NS", ("ns.example.org.",)),
            (r"x.\042.deep.example.com.", "TXT", ('"below"',)),
        )
    ),
)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("host3", "MX", "answer"),
        ("host3", "A", "no data"),
        ("foo.bar", "TXT", "answer"),
        ("host1", "MX", "no data"),
        (r"sub.\042", "MX", "no data"),
        ("_telnet._tcp.host1", "SRV", "no name"),
        ("host.subdel", "A", "referral"),
        (r"ghost.\042", "MX", "no name"),
        (r"\042", "TXT", "answer"),
        (r"\042", "A", "no data"),
        ("_tcp.host1", "MX", "no data"),
        ("host2", "MX", "no data"),
        ("HOST3", "mx", "answer"),
        # A wildcard that is an empty non-terminal is a source without data (2.2.2, 3.3.1).
        ("any.deep", "TXT", "no data"),
    ],
)
def test_the_answers_of_rfc_4592(name: str, kind: str, expected: str) -> None:
    asked = dns.name.from_text(f"{name}.example.com.")
    reply = LoadedZone.load(ZONE).ask(asked, dns.rdatatype.from_text(kind))
    if reply.rcode == dns.rcode.NXDOMAIN:
        found = "no name"
    elif reply.answer:
        found = "answer"
        assert reply.answer[0].owner == asked
    else:
        found = "referral" if reply.cut is not None else "no data"
    assert found == expected
