"""What we write, dnspython reads back."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plane.dns.zone import zone

from hiyoko.blueprint.zones import RecordSet
from hiyoko.plane.dns.authority import LoadedZone
from hiyoko.plane.dns.loaded import Records, parsed, type_of
from hiyoko.plane.dns.wire import TCP_MAX, Outline, write

VALUES = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "CAA": '0 issue "amazon.com"',
    "CNAME": "www.example.com.",
    "DS": "1 13 2 " + "AB" * 32,
    "HTTPS": '1 . alpn="h2"',
    "MX": "10 Mail.example.com.",
    "NAPTR": '10 10 "u" "sip" "!^.*$!sip:x@example.com!" .',
    "NS": "ns.Example.com.",
    "PTR": "a.b.example.com.",
    "SOA": "ns.example.com. host.example.com. 1 2 3 4 5",
    "SRV": "1 2 3 sip.example.com.",
    "TXT": '"a" "b"',
}
NAMES = ("example.com.", "WWW.Example.com.", "a.b.c.example.com.", "org.", ".")
SETS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(VALUES)), st.integers(0, 2**31 - 1)),
    max_size=12,
)


def records(owner: str, kind: str, ttl_s: int) -> Records:
    record = RecordSet(owner, kind, ttl_s, (VALUES[kind],))
    return Records(dns.name.from_text(owner), type_of(kind), ttl_s, parsed(record))


def shown(sets: list[Records]) -> list[str]:
    return sorted(f"{r.owner} {r.ttl_s} {r.type} {r.data[0]}".lower() for r in sets)


@given(SETS, SETS, st.booleans())
def test_every_section_is_read_back(
    answer: list[tuple[str, str, int]], authority: list[tuple[str, str, int]], edns: bool
) -> None:
    query = dns.message.make_query("wWw.example.com.", "A", use_edns=edns)
    sections = [[records(*one) for one in answer], [records(*one) for one in authority]]
    wire = write(Outline(query, dns.rcode.NOERROR, dns.flags.QR), [*sections, []], 0)
    read = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert str(read.question[0].name) == "wWw.example.com."
    for section, wanted in zip((read.answer, read.authority), sections, strict=True):
        found = [Records(r.name, r.rdtype, r.ttl, tuple(r)) for r in section]
        assert shown(found) == shown(wanted)
    assert (read.edns == 0) == edns


def test_names_beyond_the_reach_of_a_pointer_are_written_out() -> None:
    values = tuple(f'"{n:04d}{"x" * 240}"' for n in range(200))
    record = RecordSet("big.example.com.", "TXT", 60, values)
    big = Records(dns.name.from_text(record.name), dns.rdatatype.TXT, 60, parsed(record))
    late = [records(f"late{n}.far.example.org.", "NS", 60) for n in range(3)]
    query = dns.message.make_query("big.example.com.", "TXT")
    wire = write(Outline(query, dns.rcode.NOERROR, dns.flags.QR), ([big], late, []), 7)
    assert 0x3FFF < len(wire) <= TCP_MAX
    read = dns.message.from_wire(wire)
    assert len(read.answer[0]) == 200
    assert {str(r.name) for r in read.authority} == {f"late{n}.far.example.org." for n in range(3)}


def test_an_extended_code_is_in_both_places() -> None:
    query = dns.message.make_query("example.com.", "A", use_edns=0)
    wire = write(Outline(query, dns.rcode.BADVERS, dns.flags.QR), ([], [], []), 0)
    assert dns.message.from_wire(wire).rcode() == dns.rcode.BADVERS


def test_the_zones_answers_are_short() -> None:
    """Compression works: nothing is written twice."""
    loaded = LoadedZone.load(zone())
    reply = loaded.ask(dns.name.from_text("www.example.com."), dns.rdatatype.A)
    query = dns.message.make_query("www.example.com.", "A", use_edns=False)
    ours = write(
        Outline(query, dns.rcode.NOERROR, dns.flags.QR), (reply.answer, reply.authority, []), 0
    )
    theirs = dns.message.from_wire(ours).to_wire()
    assert len(ours) == len(theirs)
