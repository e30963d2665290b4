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
from dataclasses import dataclass, field, replace
from functools import lru_cache
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

from hiyoko.blueprint.places import HOME, Place, locate
from hiyoko.plane.dns.authority import LoadedZone, deepest
from hiyoko.plane.dns.choice import Asker
from hiyoko.plane.dns.loaded import Group, Key
from hiyoko.plane.dns.reply import Reply
from hiyoko.plane.dns.signing import NXNAME
from hiyoko.plane.dns.wire import Outline, write

CACHE_MAX = 20_000
ROTATIONS_MAX = 8
OUTCOMES_MAX = 64
PLACES_MAX = 4096
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

    An outcome is known by the very sets or data that it answers: the entries keep them alive.
    ``group`` is the one that decides alone, if one does: then the zone need not be asked again.
    """

    query: dns.message.Message
    zone: LoadedZone
    tcp: bool
    group: Group | None
    _kept: dict[tuple[int, ...], tuple[object, Rendered]] = field(default_factory=dict)

    def next(self, wire: bytes, asker: Asker) -> bytes:
        """The answer to this question from this asker."""
        question = self.query.question[0]
        leaves = self.group.choose(asker) if self.group is not None else ()
        if self.group is not None and leaves:
            outcome = tuple(map(id, leaves))
            kept = self._kept.get(outcome)
            if kept is None:
                reply = self.zone.answered(question.name, self.group, leaves)
                return self._made(outcome, leaves, reply).next(wire)
            return kept[1].next(wire)
        reply = self.zone.ask(question.name, question.rdtype, asker)
        outcome = tuple(id(records.data) for records in reply.answer)
        kept = self._kept.get(outcome)
        return (kept[1] if kept is not None else self._made(outcome, reply, reply)).next(wire)

    def _made(self, outcome: tuple[int, ...], alive: object, reply: Reply) -> Rendered:
        if len(self._kept) >= OUTCOMES_MAX:
            self._kept.clear()
        made = rendered(self.query, _for_client(self.query, self.zone, reply), self.tcp)
        self._kept[outcome] = (alive, made)
        return made


def _for_client(query: dns.message.Message, zone: LoadedZone | None, reply: Reply) -> Reply:
    """The reply, with signatures when the client wants them."""
    wanted = zone is not None and query.ednsflags & dns.flags.DO
    return zone.secured(reply) if wanted and zone is not None else reply


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

    by_address: Mapping[str, Mapping[Key, LoadedZone]]
    chance: Random = field(default_factory=Random)
    _cache: dict[CacheKey, Rendered] = field(default_factory=dict)
    _routed: dict[CacheKey, Routed] = field(default_factory=dict)

    def answer(
        self, wire: bytes, address: str, client: str = "", *, tcp: bool = False
    ) -> bytes | None:
        """The answer; None for what deserves none (not a question at all)."""
        key = question_key(wire)
        if key is not None:
            place = (address, key, tcp)
            kept = self._cache.get(place)
            if kept is not None:
                return kept.next(wire)
            routed = self._routed.get(place)
            if routed is not None and SUBNET_MARK not in wire:
                return routed.next(wire, Asker(place_of(client), self.chance, client))
        query = parse_question(wire)
        if query is None or isinstance(query, bytes):
            return query
        subnet = client_subnet(query)
        asking = subnet.address if subnet else client
        asker = Asker(place_of(asking), self.chance, asking)
        zone, reply = self._reply(query, address, asker)
        shown = _for_client(query, zone, reply)
        if zone is not None and reply.chosen:
            if key is not None and subnet is None:
                question = query.question[0]
                group = zone.group(question.name, question.rdtype)
                _keep(self._routed, (address, key, tcp), Routed(query, zone, tcp, group))
            turn = self.chance.randrange(ROTATIONS_MAX)
            return to_wire(query, shown, tcp=tcp, turn=turn, subnet=subnet)
        made = rendered(query, shown, tcp)
        if key is not None:
            _keep(self._cache, (address, key, tcp), made)
        return made.next(wire)

    def forget(self) -> None:
        """Render anew from now on: signatures that were given out grow old."""
        self._cache.clear()
        self._routed.clear()

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


@lru_cache(maxsize=PLACES_MAX)
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
    if question.rdtype == NXNAME:
        return dns.rcode.FORMERR  # RFC 9824, section 3.5
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
    flags = dns.flags.QR | (query.flags & (dns.flags.RD | dns.flags.CD))
    flags |= (dns.flags.AA if reply.aa else 0) | (dns.flags.RA if recursion else 0)
    outline = Outline(query, reply.rcode, flags, _scoped(subnet) if subnet is not None else b"")
    size = outline.size_max(tcp)
    wire = write(outline, (reply.answer, reply.authority, reply.additional), turn)
    if len(wire) <= size:
        return wire
    # Addresses beside an answer are a courtesy (RFC 2181, section 9); in a referral they are not.
    if reply.answer and reply.additional:
        wire = write(outline, (reply.answer, reply.authority, ()), turn)
        if len(wire) <= size:
            return wire
    return write(replace(outline, flags=flags | dns.flags.TC), ((), (), ()), 0)


def _scoped(subnet: dns.edns.ECSOption) -> bytes:
    """The option with which a client subnet is given back: the answer is for all of it."""
    option = dns.edns.ECSOption(subnet.address, subnet.srclen, subnet.srclen)
    data = option.to_wire() or b""
    return struct.pack("!HH", int(option.otype), len(data)) + data
