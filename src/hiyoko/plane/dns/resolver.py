"""Resolves from the root down, asking servers over the network, with a cache.

The cache belongs to one zone set: a new set comes with a new resolver. So a name that was asked
for a moment too early (a certificate's validation record) is not "known not to exist" for another
fifteen minutes, and records that changed are seen at once, TTL or not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from hiyoko.plane.dns.loaded import Name, Records, Type
from hiyoko.plane.dns.reply import Reply
from hiyoko.plane.dns.upstream import NoAnswer

CACHE_MAX = 20_000
CNAME_HOPS_MAX = 12
REFERRALS_MAX = 24
NESTED_MAX = 6
"""How deep the search for a name server's own address may go (a loop of glueless zones ends)."""
GLUELESS_ENOUGH = 2
"""How many servers' addresses are looked for: a second one in case that the first is lame."""
TTL_MAX_S = 86400


_PROOFS = (dns.rdatatype.NSEC, dns.rdatatype.NSEC3, dns.rdatatype.RRSIG)


class Ask(Protocol):
    """Asks servers a question; raises NoAnswer."""

    async def ask(
        self,
        servers: list[str],
        name: Name,
        rdtype: Type,
        subnet: str = "",
        signed: bool = False,
    ) -> dns.message.Message:
        """The first usable answer."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """One step of an answer until ``until``: the records, or the SOA that denies them.

    ``beside`` is what proves it: signatures, and what denies signs.
    """

    until: float
    rcode: dns.rcode.Rcode
    records: Records | None
    soa: Records | None
    beside: tuple[Records, ...] = ()

    def aged(self, now: float) -> tuple[list[Records], list[Records]]:
        """What goes into the answer, and into the authority section."""
        left = max(0, int(self.until - now))
        beside = [_with_ttl(records, left) for records in self.beside]
        if self.records is not None:
            return [_with_ttl(self.records, left), *beside], []
        return [], [*([_with_ttl(self.soa, left)] if self.soa else []), *beside]


def _with_ttl(records: Records, ttl_s: int) -> Records:
    return Records(records.owner, records.type, min(ttl_s, records.ttl_s), records.data)


@dataclass(slots=True)
class Resolver:
    """A recursive resolver that knows nothing but the root's address.

    It asks on behalf of the clients in ``subnet`` (one resolver, and one cache, to each place), and
    for signatures when it is ``signed``. It judges none: whoever wants them does.
    """

    upstream: Ask
    root: str
    subnet: str = ""
    signed: bool = False
    now: Callable[[], float] = time.monotonic
    _kept: dict[tuple[Name, Type], _Kept] = field(default_factory=dict)
    _cuts: dict[Name, tuple[float, list[str]]] = field(default_factory=dict)
    _under_way: dict[tuple[Name, Type], asyncio.Task[_Kept]] = field(default_factory=dict)

    async def resolve(self, name: Name, rdtype: Type, nested: int = 0) -> Reply:
        """The answer with every CNAME on its way; SERVFAIL when no server answers."""
        reply = Reply(aa=False)
        for _ in range(CNAME_HOPS_MAX):
            try:
                kept = await self._step(name, rdtype, nested)
            except NoAnswer:
                return Reply(rcode=dns.rcode.SERVFAIL, aa=False)
            found, denial = kept.aged(self.now())
            reply.answer += [Records(name, r.type, r.ttl_s, r.data) for r in found]
            if not found:
                reply.rcode, reply.authority = kept.rcode, denial
            if kept.records is None or rdtype == dns.rdatatype.CNAME:
                return reply
            if kept.records.type != dns.rdatatype.CNAME:
                return reply
            name = kept.records.data[0].target  # type: ignore[attr-defined]
        return Reply(rcode=dns.rcode.SERVFAIL, aa=False)

    async def _step(self, name: Name, rdtype: Type, nested: int) -> _Kept:
        for key in ((name, rdtype), (name, dns.rdatatype.CNAME)):
            kept = self._kept.get(key)
            if kept is not None and kept.until > self.now():
                denied = kept.records is None and kept.rcode != dns.rcode.NXDOMAIN
                if not (denied and key[1] != rdtype):
                    return kept
        if nested:
            # Only outermost questions are shared: two nested ones could wait for each other.
            return await self._search(name, rdtype, nested)
        task = self._under_way.get((name, rdtype))
        if task is None:
            task = asyncio.create_task(self._search(name, rdtype, nested))
            self._under_way[name, rdtype] = task
            task.add_done_callback(lambda done: self._done(name, rdtype, done))
        return await asyncio.shield(task)

    def _done(self, name: Name, rdtype: Type, task: asyncio.Task[_Kept]) -> None:
        self._under_way.pop((name, rdtype), None)
        if not task.cancelled():
            task.exception()  # seen, also when all who waited for it have gone

    async def _search(self, name: Name, rdtype: Type, nested: int) -> _Kept:
        """Follow referrals from the closest known cut until somebody answers."""
        start = name.parent() if rdtype == dns.rdatatype.DS and len(name) > 1 else name
        cut, servers = self._closest_cut(start)
        for _ in range(REFERRALS_MAX):
            response = await self.upstream.ask(servers, name, rdtype, self.subnet, self.signed)
            kept = self._taken(response, name, rdtype, cut)
            if kept is not None:
                return kept
            cut, servers = await self._referred(response, name, cut, nested)
        raise NoAnswer(f"{name}: too many referrals")

    def _closest_cut(self, name: Name) -> tuple[Name, list[str]]:
        at = name
        while at != dns.name.root:
            until, servers = self._cuts.get(at, (0.0, []))
            if until > self.now():
                return at, servers
            at = at.parent()
        return dns.name.root, [self.root]

    def _taken(
        self, response: dns.message.Message, name: Name, rdtype: Type, cut: Name
    ) -> _Kept | None:
        """The response as a step of the answer; None when it is a referral."""
        for rrset in response.answer:
            wanted = rrset.rdtype in (rdtype, dns.rdatatype.CNAME) or rdtype == dns.rdatatype.ANY
            if rrset.name == name and wanted:
                ttl_s = min(rrset.ttl, TTL_MAX_S)
                records = Records(name, rrset.rdtype, ttl_s, tuple(rrset))
                beside = _beside(response.answer, name, rrset.rdtype)
                kept = _Kept(self.now() + ttl_s, dns.rcode.NOERROR, records, None, beside)
                return self._keep(name, rrset.rdtype, kept)
        soa = next((r for r in response.authority if r.rdtype == dns.rdatatype.SOA), None)
        if soa is None and response.rcode() == dns.rcode.NOERROR:
            return None
        denial = None
        ttl_s = 0
        if soa is not None:
            ttl_s = min(soa.ttl, soa[0].minimum, TTL_MAX_S)
            denial = Records(soa.name, dns.rdatatype.SOA, ttl_s, tuple(soa))
        beside = tuple(
            Records(r.name, r.rdtype, min(r.ttl, ttl_s), tuple(r))
            for r in response.authority
            if r.rdtype in _PROOFS
        )
        kept = _Kept(self.now() + ttl_s, response.rcode(), None, denial, beside)
        return self._keep(name, rdtype, kept)

    def _keep(self, name: Name, rdtype: Type, kept: _Kept) -> _Kept:
        if len(self._kept) >= CACHE_MAX:
            self._kept.clear()
        self._kept[name, rdtype] = kept
        return kept

    async def _referred(
        self, response: dns.message.Message, name: Name, cut: Name, nested: int
    ) -> tuple[Name, list[str]]:
        """The next zone down and its servers' addresses. Raises NoAnswer for a lame referral."""
        delegation = next(
            (
                r
                for r in response.authority
                if r.rdtype == dns.rdatatype.NS
                and name.is_subdomain(r.name)
                and r.name.is_subdomain(cut)
                and r.name != cut
            ),
            None,
        )
        if delegation is None:
            raise NoAnswer(f"{name}: a lame referral from the servers of {cut}")
        servers: list[str] = []
        glueless: list[Name] = []
        for datum in delegation:
            glue = next(
                (
                    r
                    for r in response.additional
                    if r.name == datum.target
                    and r.rdtype == dns.rdatatype.A
                    and r.name.is_subdomain(cut)
                ),
                None,
            )
            if glue is not None:
                servers += [address.address for address in glue]
            else:
                glueless.append(datum.target)
        for target in glueless if not servers else ():
            servers += await self._addresses(target, nested)
            if len(servers) >= GLUELESS_ENOUGH:
                break
        if not servers:
            raise NoAnswer(f"{delegation.name}: no address of any of its servers")
        if len(self._cuts) >= CACHE_MAX:
            self._cuts.clear()
        ttl_s = min(delegation.ttl, TTL_MAX_S)
        self._cuts[delegation.name] = (self.now() + ttl_s, servers)
        return delegation.name, servers

    async def _addresses(self, target: Name, nested: int) -> list[str]:
        if nested >= NESTED_MAX:
            return []
        found = await self.resolve(target, dns.rdatatype.A, nested + 1)
        return [
            datum.to_text()
            for records in found.answer
            if records.type == dns.rdatatype.A
            for datum in records.data
        ]


def _beside(section: list[dns.rrset.RRset], name: Name, rdtype: Type) -> tuple[Records, ...]:
    """The signatures of a set."""
    return tuple(
        Records(name, r.rdtype, r.ttl, tuple(r))
        for r in section
        if r.rdtype == dns.rdatatype.RRSIG and r.covers == rdtype and r.name == name
    )
