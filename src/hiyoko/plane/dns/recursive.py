"""What a resolver tells its clients: the internet's, and one per VPC.

For a VPC the longest suffix wins, as on AWS: of a rule, of a private zone, of the domains that the
VPC has of itself; with the same suffix, they win in this order. What is left is the public
internet's. A private zone that wins is final: what it does not have does not exist, whatever the
public zone of that name says.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-overview-forward-vpc-to-network-autodefined-rules.html
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename

from hiyoko.blueprint.resolvers import VpcResolver
from hiyoko.plane.dns.answers import (
    ROTATIONS_MAX,
    Rendered,
    parse_question,
    question_key,
    to_wire,
    unanswerable,
)
from hiyoko.plane.dns.authority import ANYBODY, LoadedZone, deepest
from hiyoko.plane.dns.choice import Asker
from hiyoko.plane.dns.forwarding import Forwarder
from hiyoko.plane.dns.loaded import Key, Name, Records, Type, key_of
from hiyoko.plane.dns.reply import Reply
from hiyoko.plane.dns.resolver import Resolver
from hiyoko.plane.dns.validating import Validator, without_proofs

KEPT_S = 1.0
"""How long a rendered answer is given again: TTLs count whole seconds, so it is never wrong."""
KEPT_MAX = 5_000
PROVIDED_TTL_S = 60
CHASES_MAX = 8

_HOST = re.compile(rb"ip-(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})")


@dataclass(slots=True)
class RecursiveAnswers:
    """Answers for the clients of one resolver. ``vpc`` is None for the internet's.

    ``signed`` is the resolver for clients that want signatures. ``hosts`` are the names that mean
    something else inside the VPC: private addresses. ``asker`` is who private zones see. ``rules``
    say by domain whom questions are handed to; None: to nobody. ``validator`` judges what the
    internet says.
    """

    resolver: Resolver
    signed: Resolver
    vpc: VpcResolver | None = None
    private: Mapping[Key, LoadedZone] = field(default_factory=dict)
    hosts: Mapping[dns.name.Name, str] = field(default_factory=dict)
    asker: Asker = ANYBODY
    rules: Mapping[Key, Forwarder | None] = field(default_factory=dict)
    validator: Validator | None = None
    now: Callable[[], float] = time.monotonic
    _kept: dict[tuple[bytes, bool], tuple[float, Rendered]] = field(default_factory=dict)

    def quick(self, wire: bytes, *, tcp: bool = False) -> bytes | None:
        """The answer given a moment ago, if the question is the same."""
        key = question_key(wire)
        kept = None if key is None else self._kept.get((key, tcp))
        if kept is None or kept[0] < self.now():
            return None
        return kept[1].next(wire)

    async def answer(self, wire: bytes, *, tcp: bool = False) -> bytes | None:
        """The answer; None for what deserves none."""
        query = parse_question(wire)
        if query is None or isinstance(query, bytes):
            return query
        question = query.question[0]
        rcode = unanswerable(query)
        if rcode is not None:
            reply = Reply(rcode=rcode)
        else:
            signed = bool(query.ednsflags & dns.flags.DO)
            reply = await self.resolve(question.name, question.rdtype, signed=signed)
        reply.aa = False
        count = max((len(records.data) for records in reply.answer), default=1)
        rendered = Rendered(
            tuple(
                to_wire(query, reply, tcp=tcp, turn=turn, recursion=True)[2:]
                for turn in range(min(count, ROTATIONS_MAX))
            )
        )
        key = question_key(wire)
        if key is not None and reply.rcode != dns.rcode.SERVFAIL and not reply.chosen:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[key, tcp] = (self.now() + KEPT_S, rendered)
        return rendered.next(wire)

    def outlet(self, wire: bytes) -> str:
        """An interface of the endpoint that the question is handed on through; empty: it is not."""
        query = parse_question(wire)
        if not isinstance(query, dns.message.Message):
            return ""
        forwarder = self._forwarder(query.question[0].name)
        return "" if forwarder is None else forwarder.rule.outlets[0].eni_id

    async def resolve(self, name: Name, rdtype: Type, *, signed: bool = False) -> Reply:
        """The most specific of rules, private zones and own names, or else the internet.

        CNAMEs may cross over.
        """
        whole = Reply()
        for _ in range(CHASES_MAX):
            reply = await self._part(name, rdtype, signed)
            whole.authority = reply.authority
            whole.answer += reply.answer
            whole.rcode = reply.rcode
            whole.chosen |= reply.chosen
            if reply.leaves_to is None:
                return whole
            name = reply.leaves_to
        return Reply(rcode=dns.rcode.SERVFAIL)

    async def _part(self, name: Name, rdtype: Type, signed: bool) -> Reply:
        """What the one that is for this name says, as far as it is for it."""
        forwarder = self._forwarder(name)
        if forwarder is not None:
            return await forwarder.resolve(name, rdtype, signed=signed)
        reply = self._inside(name, rdtype)
        if reply is not None:
            soas = [r for r in reply.authority if r.type == dns.rdatatype.SOA]
            return replace(reply, authority=soas)
        validator = self.validator
        resolver = self.signed if signed or validator is not None else self.resolver
        reply = await resolver.resolve(name, rdtype)
        reply.leaves_to = self._crossing(reply, rdtype)
        if validator is None:
            return reply
        reply = await validator.judged(reply, name, rdtype)
        return reply if signed else without_proofs(reply, rdtype)

    def _forwarder(self, name: Name) -> Forwarder | None:
        """Whom a rule hands the name to, if nothing of the VPC's own is more specific."""
        key = key_of(name) if self.rules else ()
        while key:
            if key in self.rules:
                return self.rules[key] if len(key) >= self._own_depth(name) else None
            key = key[1:]
        return None

    def _own_depth(self, name: Name) -> int:
        """How many labels the domain of the VPC's own has that the name is in; 0: none."""
        zone = deepest(self.private, name, dns.rdatatype.A)
        depth = 0 if zone is None else len(zone.key)
        if name in self.hosts:
            depth = max(depth, len(name) - 1)
        return depth if self.vpc is None else max(depth, provided_depth(self.vpc, name))

    def _inside(self, name: Name, rdtype: Type) -> Reply | None:
        zone = deepest(self.private, name, dns.rdatatype.A)
        if zone is not None:
            return zone.ask(name, rdtype, self.asker)
        if self.vpc is None:
            return None
        address = self.hosts.get(name)
        if address is not None:
            if rdtype not in (dns.rdatatype.A, dns.rdatatype.ANY):
                return Reply()
            return _single(name, dns.rdatatype.A, address)
        return provided(self.vpc, name, rdtype)

    def _crossing(self, reply: Reply, rdtype: Type) -> Name | None:
        """A public CNAME whose target is not the internet's: the chain is cut and goes on there."""
        if not (self.private or self.rules) or rdtype == dns.rdatatype.CNAME:
            return None
        for place, records in enumerate(reply.answer):
            if records.type == dns.rdatatype.CNAME:
                target: Name = records.data[0].target  # type: ignore[attr-defined]
                private = deepest(self.private, target, dns.rdatatype.A) is not None
                if private or self._forwarder(target) is not None:
                    del reply.answer[place + 1 :]
                    return target
        return None


def domain_of(region: str) -> dns.name.Name:
    """The domain of the names that a VPC's addresses have."""
    text = "ec2.internal." if region == "us-east-1" else f"{region}.compute.internal."
    return dns.name.from_text(text)


def provided(vpc: VpcResolver, name: Name, rdtype: Type) -> Reply | None:
    """``ip-10-0-0-1.<region>.compute.internal`` and its reverse; None for other names."""
    domain = domain_of(vpc.region)
    if name.is_subdomain(domain):
        found = None
        if len(name) == len(domain) + 1:
            found = _HOST.fullmatch(name.labels[0].lower())
        if found is None or any(int(part) > 255 for part in found.groups()):
            rcode = dns.rcode.NOERROR if name == domain else dns.rcode.NXDOMAIN
            return Reply(rcode=rcode)
        if rdtype not in (dns.rdatatype.A, dns.rdatatype.ANY):
            return Reply()
        address = ".".join(part.decode() for part in found.groups())
        return _single(name, dns.rdatatype.A, address)
    if vpc.reverse and name.is_subdomain(dns.reversename.ipv4_reverse_domain) and len(name) == 7:
        address = dns.reversename.to_address(name)
        if any(ipaddress.IPv4Address(address) in cidr for cidr in vpc.cidrs):
            if rdtype not in (dns.rdatatype.PTR, dns.rdatatype.ANY):
                return Reply()
            host = f"ip-{address.replace('.', '-')}.{domain}"
            return _single(name, dns.rdatatype.PTR, host)
    return None


def provided_depth(vpc: VpcResolver, name: Name) -> int:
    """How many labels the domain has for which a VPC provides this name; 0: it does not.

    For addresses it is the one that covers whole octets of the CIDR.
    """
    domain = domain_of(vpc.region)
    if name.is_subdomain(domain):
        return len(domain)
    if vpc.reverse and name.is_subdomain(dns.reversename.ipv4_reverse_domain) and len(name) == 7:
        address = ipaddress.IPv4Address(dns.reversename.to_address(name))
        for cidr in vpc.cidrs:
            if address in cidr:
                return len(dns.reversename.ipv4_reverse_domain) + -(-cidr.prefixlen // 8)
    return 0


def _single(name: Name, rdtype: Type, value: str) -> Reply:
    datum = dns.rdata.from_text(dns.rdataclass.IN, rdtype, value)
    return Reply(answer=[Records(name, rdtype, PROVIDED_TTL_S, (datum,))])
