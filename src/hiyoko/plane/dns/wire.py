"""Answers as bytes: names compressed, sections in order, never more than fits.   (pure)

dnspython parses questions and values here; it would take four fifths of the time of a new answer to
write one, most of it comparing names. Names are compressed where RFC 1035 had them (RFC 3597,
section 4), and nowhere else.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from hiyoko.plane.dns.loaded import Key, Records

UDP_PLAIN_MAX = 512
UDP_EDNS_MAX = 4096
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSBehavior.html"""
TCP_MAX = 65535

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_OPT = struct.Struct("!BHHIH")
_SOA_NUMBERS = struct.Struct("!IIIII")
_POINTER = 0xC000
_POINTER_MAX = 0x3FFF
_ONE_NAME = frozenset({dns.rdatatype.NS, dns.rdatatype.CNAME, dns.rdatatype.PTR})


@dataclass(slots=True)
class _Writer:
    """A message so far, and where its names begin."""

    out: bytearray
    places: dict[Key, int] = field(default_factory=dict)

    def name(self, labels: tuple[bytes, ...]) -> None:
        """Write a name; what was written before is pointed to."""
        out, places = self.out, self.places
        key = tuple([label.lower() for label in labels])
        for depth in range(len(labels) - 1):
            rest = key[depth:]
            place = places.get(rest)
            if place is not None:
                out += (_POINTER | place).to_bytes(2)
                return
            if len(out) <= _POINTER_MAX:
                places[rest] = len(out)
            label = labels[depth]
            out.append(len(label))
            out += label
        out.append(0)

    def records(self, records: Records, turn: int) -> int:
        """Write a set, beginning with the datum whose turn it is; how many there were."""
        data = records.data
        if turn and len(data) > 1:
            turn %= len(data)
            data = data[turn:] + data[:turn]
        out, rdtype, ttl_s = self.out, records.type, records.ttl_s
        for datum in data:
            self.name(records.owner.labels)
            start = len(out)
            out += _RECORD.pack(rdtype, dns.rdataclass.IN, ttl_s, 0)
            self.rdata(rdtype, datum)
            size = len(out) - start - _RECORD.size
            out[start + 8 : start + 10] = size.to_bytes(2)
        return len(data)

    def rdata(self, rdtype: int, datum: Any) -> None:
        """Write a value."""
        if rdtype in _ONE_NAME:
            self.name(datum.target.labels)
        elif rdtype == dns.rdatatype.MX:
            self.out += datum.preference.to_bytes(2)
            self.name(datum.exchange.labels)
        elif rdtype == dns.rdatatype.SOA:
            self.name(datum.mname.labels)
            self.name(datum.rname.labels)
            self.out += _SOA_NUMBERS.pack(
                datum.serial, datum.refresh, datum.retry, datum.expire, datum.minimum
            )
        else:
            wire: bytes = datum.to_wire()
            self.out += wire


@dataclass(frozen=True, slots=True)
class Outline:
    """Everything of a response but its records. ``options`` are the OPT record's."""

    query: dns.message.Message
    rcode: dns.rcode.Rcode
    flags: int
    options: bytes = b""

    def size_max(self, tcp: bool) -> int:
        """How long the response may be."""
        if tcp:
            return TCP_MAX
        if self.query.edns < 0:
            return UDP_PLAIN_MAX
        return min(max(self.query.payload, UDP_PLAIN_MAX), UDP_EDNS_MAX)


def write(outline: Outline, sections: Sequence[Sequence[Records]], turn: int) -> bytes:
    """The message with answer, authority and additional sections; only answers take turns."""
    query = outline.query
    writer = _Writer(bytearray(_HEADER.size))
    for question in query.question:
        writer.name(question.name.labels)
        writer.out += struct.pack("!HH", question.rdtype, question.rdclass)
    counts = [
        sum(writer.records(records, 0 if place else turn) for records in section)
        for place, section in enumerate(sections)
    ]
    if query.edns >= 0:
        counts[2] += 1
        ttl = (int(outline.rcode) >> 4 << 24) | (query.ednsflags & dns.flags.DO)
        options = outline.options
        writer.out += _OPT.pack(0, dns.rdatatype.OPT, UDP_EDNS_MAX, ttl, len(options)) + options
    flags = outline.flags | (int(outline.rcode) & 15)
    writer.out[: _HEADER.size] = _HEADER.pack(query.id, flags, len(query.question), *counts)
    return bytes(writer.out)
