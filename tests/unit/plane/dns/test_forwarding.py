from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from hiyoko.blueprint.resolvers import Outlet, Rule
from hiyoko.plane.dns.forwarding import UNDER_WAY_MAX, Forwarder, read
from hiyoko.plane.dns.outlet import Exit
from hiyoko.plane.dns.reply import Reply


def response(*answer: str, authority: str = "", rcode: str = "NOERROR") -> dns.message.Message:
    made = dns.message.make_response(dns.message.make_query("www.corp.example", "A"))
    made.set_rcode(dns.rcode.from_text(rcode))
    for section, lines in ((made.answer, answer), (made.authority, (authority,))):
        for line in filter(None, lines):
            owner, ttl, kind, value = line.split(" ", 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, value))
    return made


def said(made: dns.message.Message) -> Reply:
    return read(made, dns.name.from_text("www.corp.example"), dns.rdatatype.A)


def owners(reply: Reply) -> list[str]:
    return [records.owner.to_text() for records in reply.answer]


CNAME = "www.corp.example. 60 CNAME web.other.example."
SOA = "other.example. 60 SOA a. b. 1 2 3 4 30"


def test_a_chain_with_its_end_is_taken_whole_and_strangers_are_left_out() -> None:
    reply = said(response(CNAME, "web.other.example. 60 A 192.0.2.1", "x.example. 60 A 192.0.2.2"))
    assert owners(reply) == ["www.corp.example.", "web.other.example."]
    assert reply.leaves_to is None


def test_a_cname_about_whose_target_nothing_is_said_leads_on() -> None:
    assert said(response(CNAME)).leaves_to == dns.name.from_text("web.other.example")


def test_a_cname_whose_target_is_denied_is_the_end() -> None:
    for rcode in ("NOERROR", "NXDOMAIN"):
        reply = said(response(CNAME, authority=SOA, rcode=rcode))
        assert (reply.leaves_to, dns.rcode.to_text(reply.rcode)) == (None, rcode)
        assert [records.ttl_s for records in reply.authority] == [30]


def test_a_loop_ends() -> None:
    made = response("www.corp.example. 60 CNAME www.corp.example.")
    assert len(said(made).answer) <= 12


RULE = Rule(
    "corp.example.",
    tuple((IPv4Address(f"192.0.2.{n}"), 53) for n in (1, 2)),
    tuple(Outlet(f"eni-{n}", IPv4Address(f"10.0.0.{n}")) for n in (1, 2)),
)


async def test_every_target_is_asked_through_every_interface_before_nobody_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    async def silent(way: Exit, query: dns.message.Message, server: str, port: int) -> None:
        asked.append((way.outlet.eni_id, server))

    monkeypatch.setattr(Exit, "exchange", silent)
    reply = await Forwarder(RULE).resolve(dns.name.from_text("a.corp.example"), dns.rdatatype.A)
    assert reply.rcode == dns.rcode.SERVFAIL
    assert sorted(asked) == [
        (f"eni-{way}", f"192.0.2.{target}") for way in (1, 2) for target in (1, 2)
    ]


async def test_dead_targets_keep_so_many_questions_waiting_and_one_question_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, asked = asyncio.Event(), []

    async def slow(way: Exit, query: dns.message.Message, server: str, port: int) -> None:
        asked.append(query.question[0].name)
        await over.wait()

    monkeypatch.setattr(Exit, "exchange", slow)
    forwarder = Forwarder(RULE)

    def ask(name: str) -> asyncio.Task[Reply]:
        full = dns.name.from_text(f"{name}.corp.example")
        return asyncio.create_task(forwarder.resolve(full, dns.rdatatype.A))

    waiting = [ask(str(number)) for number in range(UNDER_WAY_MAX)] + [ask("0")]
    refused = await ask("one-more")
    assert refused.rcode == dns.rcode.SERVFAIL
    assert len(asked) == len(set(asked)) == UNDER_WAY_MAX
    over.set()
    assert {reply.rcode for reply in await asyncio.gather(*waiting)} == {dns.rcode.SERVFAIL}
