from __future__ import annotations

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from hiyoko.plane.dns.authority import Reply
from hiyoko.plane.dns.forwarding import read


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
