"""Questions that a rule hands to other resolvers, through the interfaces of an outbound endpoint.

Which target is asked and which interface the question leaves from is chance, as on AWS; another
try takes others. What a target says is the answer: it is handed on, and kept for its TTL.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-forwarding-outbound-queries.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import dns.message
import dns.rcode
import dns.rdatatype

from hiyoko.blueprint.resolvers import Rule
from hiyoko.plane.dns.loaded import Name, Records, Type
from hiyoko.plane.dns.outlet import Exit
from hiyoko.plane.dns.reply import Reply
from hiyoko.plane.dns.upstream import PAYLOAD, ROUNDS, NoAnswer

CACHE_MAX = 5_000
UNDER_WAY_MAX = 500
"""Questions that wait for the targets at a time, a socket each; others are SERVFAIL at once."""
TTL_MAX_S = 86400
CNAME_HOPS_MAX = 12

Question = tuple[Name, Type, bool]


@dataclass(slots=True)
class Forwarder:
    """Asks the targets of one rule."""

    rule: Rule
    now: Callable[[], float] = time.monotonic
    chance: Random = field(default_factory=Random)
    _kept: dict[Question, tuple[float, float, Reply]] = field(default_factory=dict)
    _under_way: dict[Question, asyncio.Task[Reply]] = field(default_factory=dict)

    async def resolve(self, name: Name, rdtype: Type, *, signed: bool = False) -> Reply:
        """What a target says; SERVFAIL when none answers.

        The reply ``leaves_to`` a CNAME's target about which nothing was said.
        """
        question = (name, rdtype, signed)
        kept = self._kept.get(question)
        if kept is not None and kept[1] > self.now():
            return _aged(kept[2], int(self.now() - kept[0]))
        # The same question is asked once at a time: so one that comes round to us again, by rules
        # that lead in a circle, waits for itself, and ends with the time limit.
        task = self._under_way.get(question)
        if task is None:
            if len(self._under_way) >= UNDER_WAY_MAX:
                return Reply(rcode=dns.rcode.SERVFAIL)
            task = asyncio.create_task(self._ask(question))
            self._under_way[question] = task
            task.add_done_callback(lambda done: self._done(question, done))
        try:
            return _aged(await asyncio.shield(task), 0)
        except NoAnswer:
            return Reply(rcode=dns.rcode.SERVFAIL)

    def _done(self, question: Question, task: asyncio.Task[Reply]) -> None:
        self._under_way.pop(question, None)
        if not task.cancelled():
            task.exception()  # seen, also when all who waited for it have gone

    async def _ask(self, question: Question) -> Reply:
        name, rdtype, signed = question
        query = dns.message.make_query(
            name, rdtype, use_edns=0, want_dnssec=signed, payload=PAYLOAD
        )
        for (target, port), way in self._tries():
            response = await way.exchange(query, target, port)
            if response is not None:
                reply = read(response, name, rdtype)
                self._keep(question, reply)
                return reply
        raise NoAnswer(f"{name}: no answer from the targets of the rule for {self.rule.domain}")

    def _tries(self) -> Sequence[tuple[tuple[str, int], Exit]]:
        targets = [(str(address), port) for address, port in self.rule.targets]
        ways = [Exit(outlet) for outlet in self.rule.outlets]
        self.chance.shuffle(targets)
        self.chance.shuffle(ways)
        return [
            (target, ways[(place + turn) % len(ways)])
            for turn in range(ROUNDS)
            for place, target in enumerate(targets)
        ]

    def _keep(self, question: Question, reply: Reply) -> None:
        ttl_s = min((r.ttl_s for r in (*reply.answer, *reply.authority)), default=0)
        if ttl_s <= 0:
            return
        if len(self._kept) >= CACHE_MAX:
            self._kept.clear()
        self._kept[question] = (self.now(), self.now() + ttl_s, reply)


def _aged(reply: Reply, age_s: int) -> Reply:
    """A copy for the asker, who may change it: its TTLs are what is left of them."""
    answer, authority = (
        [Records(r.owner, r.type, max(0, r.ttl_s - age_s), r.data) for r in section]
        for section in (reply.answer, reply.authority)
    )
    return replace(reply, answer=answer, authority=authority)


def read(response: dns.message.Message, name: Name, rdtype: Type) -> Reply:
    """What a response says about a name: its chain of CNAMEs and the records at the end of it."""
    reply = Reply(rcode=response.rcode())
    for _ in range(CNAME_HOPS_MAX):
        found = [r for r in response.answer if r.name == name]
        reply.answer += [Records(r.name, r.rdtype, min(r.ttl, TTL_MAX_S), tuple(r)) for r in found]
        if rdtype in (dns.rdatatype.CNAME, dns.rdatatype.ANY):
            break
        alias = next((r for r in found if r.rdtype == dns.rdatatype.CNAME), None)
        if alias is None or any(r.rdtype == rdtype for r in found):
            break
        name = alias[0].target
        if not any(r.name == name for r in response.answer):
            denied = any(r.rdtype == dns.rdatatype.SOA for r in response.authority)
            if response.rcode() == dns.rcode.NOERROR and not denied:
                reply.leaves_to = name
            break
    for r in response.authority:
        if r.rdtype == dns.rdatatype.SOA:
            ttl_s = min(r.ttl, r[0].minimum, TTL_MAX_S)
            reply.authority.append(Records(r.name, r.rdtype, ttl_s, tuple(r)))
    return reply
