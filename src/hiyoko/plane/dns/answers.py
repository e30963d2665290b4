"""Questions on the wire to answers on the wire.

An authoritative answer depends only on the question, the address asked and the zone set in force,
so it is rendered once and kept: a repeated question costs a dictionary look-up and no parsing. The
key is the question's own bytes, so the case that a client sent comes back to it. Where a routing
policy chooses, each question is a new choice, and what is kept is the answer to each outcome.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from hiyoko.blueprint.places import HOME, Place, locate
from hiyoko.plane.dns.authority import LoadedZone, Records, Reply, deepest
from hiyoko.plane.dns.choice import Asker

UDP_PLAIN_MAX = 512
UDP_EDNS_MAX = 4096
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSBehavior.html"""
TCP_MAX = 65535
CACHE_MAX = 20_000
ROTATIONS_MAX = 8
OUTCOMES_MAX = 64
SUBNET_MARK = b"\x00\x08\x00"
"""How a client subnet option begins: only questions that have these bytes need a closer look."""

CacheKey = tuple[str, bytes, bool]
T = TypeVar("T")

_HEADER = struct.Struct("!HHHHHH")
_OPT_START = b"\x00\x00\x29"
_REFUSED_TYPES = frozenset({dns.rdatatype.AXFR, dns.rdatatype.IXFR})


def question_key(wire: bytes) -> bytes | None:
    """What an answer depends on: flags, question and EDNS fields, without the id and options.

    None for anything but a plain question with at most an OPT record: the slow path judges it.
    """
    if len(wire) < 17 or wire[4:10] != b"\x00\x01\x00\x00\x00\x00":
        return None
    end = 12
    try:
        while wire[end]:
            if wire[end] > 63:
                return None
            end += wire[end] + 1
    except IndexError:
        return None
    end += 5
    if wire[10:12] == b"\x00\x00" and len(wire) == end:
        return wire[2:end]
    # Options (a cookie, say) differ in each question and change nothing in our answers.
    if wire[10:12] == b"\x00\x01" and wire[end : end + 3] == _OPT_START:
        return wire[2 : end + 9]
    return None


@dataclass(slots=True)
class Rendered:
    """An answer in several orders, without its id; each use takes the next one."""

    variants: tuple[bytes, ...]
    turn: int = 0

    def next(self, query: bytes) -> bytes:
        """The answer to this question."""
        self.turn = (self.turn + 1) % len(self.variants)
        return query[:2] + self.variants[self.turn]


@dataclass(slots=True)
class Routed:
    """A question whose answer is chosen anew each time, with the answers to some outcomes.

    An outcome is known by the very data that it answers: the entries keep them alive.
    """

    query: dns.message.Message
    zone: LoadedZone
    tcp: bool
    _kept: dict[tuple[int, ...], tuple[Reply, Rendered]] = field(default_factory=dict)

    def next(self, wire: bytes, asker: Asker) -> bytes:
        """The answer to this question from this asker."""
        question = self.query.question[0]
        reply = self.zone.ask(question.name, question.rdtype, asker)
        outcome = tuple(id(records.data) for records in reply.answer)
        kept = self._kept.get(outcome)
        if kept is None:
            if len(self._kept) >= OUTCOMES_MAX:
                self._kept.clear()
            kept = self._kept[outcome] = (reply, rendered(self.query, reply, self.tcp))
        return kept[1].next(wire)


def rendered(query: dns.message.Message, reply: Reply, tcp: bool) -> Rendered:
    """The reply in every order that it is given in."""
    count = max((len(r.data) for r in reply.answer), default=1)
    return Rendered(
        tuple(
            to_wire(query, reply, tcp=tcp, turn=turn)[2:]
            for turn in range(min(count, ROTATIONS_MAX))
        )
    )


@dataclass(slots=True)
class Authorities:
    """Authoritative answers, by the address that was asked."""

    by_address: Mapping[str, Mapping[dns.name.Name, LoadedZone]]
    chance: Random = field(default_factory=Random)
    _cache: dict[CacheKey, Rendered] = field(default_factory=dict)
    _routed: dict[CacheKey, Routed] = field(default_factory=dict)

    def answer(
        self, wire: bytes, address: str, client: str = "", *, tcp: bool = False
    ) -> bytes | None:
        """The answer; None for what deserves none (not a question at all)."""
        key = question_key(wire)
        if key is not None:
            kept = self._cache.get((address, key, tcp))
            if kept is not None:
                return kept.next(wire)
            routed = self._routed.get((address, key, tcp))
            if routed is not None and SUBNET_MARK not in wire:
                return routed.next(wire, Asker(place_of(client), self.chance, client))
        query = parse_question(wire)
        if query is None or isinstance(query, bytes):
            return query
        subnet = client_subnet(query)
        asking = subnet.address if subnet else client
        asker = Asker(place_of(asking), self.chance, asking)
        zone, reply = self._reply(query, address, asker)
        if zone is not None and reply.chosen:
            if key is not None and subnet is None:
                _keep(self._routed, (address, key, tcp), Routed(query, zone, tcp))
            turn = self.chance.randrange(ROTATIONS_MAX)
            return to_wire(query, reply, tcp=tcp, turn=turn, subnet=subnet)
        made = rendered(query, reply, tcp)
        if key is not None:
            _keep(self._cache, (address, key, tcp), made)
        return made.next(wire)

    def _reply(
        self, query: dns.message.Message, address: str, asker: Asker
    ) -> tuple[LoadedZone | None, Reply]:
        """The zone that answers, if any, and what it says."""
        question = query.question[0]
        rcode = unanswerable(query)
        if rcode is not None:
            return None, Reply(rcode=rcode, aa=False)
        zone = deepest(self.by_address.get(address, {}), question.name, question.rdtype)
        if zone is None:
            return None, Reply(rcode=dns.rcode.REFUSED, aa=False)
        return zone, zone.ask(question.name, question.rdtype, asker)


def _keep(cache: dict[CacheKey, T], key: CacheKey, value: T) -> None:
    if len(cache) >= CACHE_MAX:
        cache.clear()
    cache[key] = value


def place_of(client: str) -> Place | None:
    """Where an address in text form is; home when there is none."""
    return locate(ipaddress.ip_address(client)) if client else HOME


def client_subnet(query: dns.message.Message) -> dns.edns.ECSOption | None:
    """The network that a resolver asks for (RFC 7871); None when it does not say."""
    for option in query.options:
        if isinstance(option, dns.edns.ECSOption) and option.srclen:
            return option
    return None


def parse_question(wire: bytes) -> dns.message.Message | bytes | None:
    """The parsed question; FORMERR's wire for a broken one; None for an answer or a stump."""
    if len(wire) < 12 or wire[2] & 0x80:
        return None
    try:
        query = dns.message.from_wire(wire, ignore_trailing=True)
    except dns.exception.DNSException:
        return _HEADER.pack(int.from_bytes(wire[:2]), 0x8000 | dns.rcode.FORMERR, 0, 0, 0, 0)
    if query.opcode() == dns.opcode.QUERY and len(query.question) == 1:
        return query
    rcode = dns.rcode.FORMERR if query.opcode() == dns.opcode.QUERY else dns.rcode.NOTIMP
    flags = 0x8000 | (int(query.opcode()) << 11) | rcode
    return _HEADER.pack(query.id, flags, 0, 0, 0, 0)


def unanswerable(query: dns.message.Message) -> dns.rcode.Rcode | None:
    """Why a well-formed question gets no answer, if so."""
    question = query.question[0]
    if query.edns > 0:
        return dns.rcode.BADVERS
    if question.rdclass != dns.rdataclass.IN or question.rdtype in _REFUSED_TYPES:
        return dns.rcode.REFUSED
    return None


def to_wire(
    query: dns.message.Message,
    reply: Reply,
    *,
    tcp: bool,
    turn: int = 0,
    recursion: bool = False,
    subnet: dns.edns.ECSOption | None = None,
) -> bytes:
    """The reply on the wire: at most what the client takes, else cut short with TC set.

    ``subnet`` is given back when the answer was made for it.
    """
    size = TCP_MAX
    if not tcp:
        size = UDP_PLAIN_MAX
        if query.edns >= 0:
            size = min(max(query.payload, UDP_PLAIN_MAX), UDP_EDNS_MAX)
    response = _response(query, reply, recursion)
    if subnet is not None:
        scoped = dns.edns.ECSOption(subnet.address, subnet.srclen, subnet.srclen)
        response.use_edns(0, 0, UDP_EDNS_MAX, options=[scoped])
    response.answer = [_rrset(records, turn) for records in reply.answer]
    response.authority = [_rrset(records, 0) for records in reply.authority]
    response.additional = [_rrset(records, 0) for records in reply.additional]
    try:
        return response.to_wire(max_size=size, want_shuffle=False)
    except dns.exception.TooBig:
        pass
    # Addresses beside an answer are a courtesy (RFC 2181, section 9); in a referral they are not.
    if reply.answer:
        response.additional = []
        try:
            return response.to_wire(max_size=size, want_shuffle=False)
        except dns.exception.TooBig:
            pass
    response.answer, response.authority, response.additional = [], [], []
    response.flags |= dns.flags.TC
    return response.to_wire(max_size=size, want_shuffle=False)


def _response(query: dns.message.Message, reply: Reply, recursion: bool) -> dns.message.Message:
    response = dns.message.QueryMessage(id=query.id)
    response.flags = dns.flags.QR | (query.flags & (dns.flags.RD | dns.flags.CD))
    if reply.aa:
        response.flags |= dns.flags.AA
    if recursion:
        response.flags |= dns.flags.RA
    response.question = list(query.question)
    if query.edns >= 0:
        response.use_edns(0, 0, UDP_EDNS_MAX)
    response.set_rcode(reply.rcode)
    return response


def _rrset(records: Records, turn: int) -> dns.rrset.RRset:
    rrset = dns.rrset.RRset(records.owner, dns.rdataclass.IN, records.type)
    rrset.update_ttl(records.ttl_s)
    turn %= len(records.data)
    for datum in (*records.data[turn:], *records.data[:turn]):
        rrset.add(datum)
    return rrset
