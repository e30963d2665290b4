from __future__ import annotations

from dataclasses import replace

import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from tests.unit.plane.dns.zone import ask, shown, zone

from hiyoko.blueprint.zones import RecordSet
from hiyoko.plane.dns.authority import LoadedZone, deepest

SOA = "example.com. 900 SOA ns-1. host. 1 7200 900 1209600 86400"


def test_an_answer_comes_with_the_zones_servers() -> None:
    reply = ask("www.example.com.", "A")
    assert reply.aa
    assert len(shown(reply.answer)) == 3
    assert shown(reply.authority) == [
        "example.com. 172800 NS ns-1.awsdns-00.com.",
        "example.com. 172800 NS ns-512.awsdns-00.net.",
    ]


def test_an_absent_name_is_denied_with_the_soa_for_900_seconds() -> None:
    reply = ask("gone.example.com.", "A")
    assert reply.rcode == dns.rcode.NXDOMAIN
    assert shown(reply.authority) == [SOA]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("www.example.com.", "AAAA"),
        ("alias4.example.com.", "AAAA"),
        ("wild.example.com.", "A"),
        ("empty.wild.example.com.", "TXT"),
        ("host.wild.example.com.", "TXT"),
    ],
)
def test_an_existing_name_without_the_type_is_no_data(name: str, kind: str) -> None:
    # The last three: an empty non-terminal, and names that the wildcard does not stand in for.
    reply = ask(name, kind)
    assert reply.rcode == dns.rcode.NOERROR
    assert reply.answer == []
    assert shown(reply.authority) == [SOA]


@pytest.mark.parametrize("name", ["a.wild.example.com.", "a.b.c.wild.example.com."])
def test_a_wildcard_answers_at_any_depth_under_the_name_asked(name: str) -> None:
    assert shown(ask(name, "TXT").answer) == [f'{name} 300 TXT "star"']


def test_a_wildcard_name_that_lacks_the_type_is_no_data() -> None:
    reply = ask("a.wild.example.com.", "A")
    assert (reply.rcode, reply.answer) == (dns.rcode.NOERROR, [])


def test_below_an_empty_non_terminal_the_wildcard_above_says_nothing() -> None:
    assert ask("y.empty.wild.example.com.", "TXT").rcode == dns.rcode.NXDOMAIN


def test_cnames_are_followed_inside_the_zone_and_stop_at_its_edge() -> None:
    inside = ask("c.example.com.", "A")
    assert [dns.rdatatype.to_text(r.type) for r in inside.answer] == ["CNAME", "CNAME", "A"]
    outside = ask("out.example.com.", "A")
    assert shown(outside.answer) == ["out.example.com. 300 CNAME www.example.org."]
    assert outside.leaves_to == dns.name.from_text("www.example.org.")


def test_a_cname_asked_for_is_not_followed_and_a_loop_ends() -> None:
    assert len(ask("c.example.com.", "CNAME").answer) == 1
    assert len(ask("loop.example.com.", "A").answer) > 1


@pytest.mark.parametrize("name", ["sub.example.com.", "hidden.sub.example.com."])
def test_below_a_cut_there_are_only_referrals_with_the_glue_that_is_known(name: str) -> None:
    reply = ask(name, "A")
    assert not reply.aa
    assert reply.answer == []
    assert shown(reply.authority) == [
        "sub.example.com. 300 NS ns.sub.example.com.",
        "sub.example.com. 300 NS ns.elsewhere.org.",
    ]
    assert shown(reply.additional) == ["ns.sub.example.com. 300 A 192.0.2.53"]


def test_the_parent_answers_for_ds() -> None:
    reply = ask("sub.example.com.", "DS")
    assert reply.aa
    assert len(reply.answer) == 1


def test_addresses_of_mail_servers_come_along() -> None:
    assert shown(ask("example.com.", "MX").additional) == ["mail.example.com. 300 A 192.0.2.25"]


def test_any_gives_every_set_of_the_name() -> None:
    assert len(ask("example.com.", "ANY").answer) == 3


def test_the_deepest_zone_answers_and_nobody_for_strangers() -> None:
    zones = {z.key: z for z in (LoadedZone.load(zone(n)) for n in ("com.", "example.com."))}
    name = dns.name.from_text("WWW.Example.com.")
    found = deepest(zones, name, dns.rdatatype.A)
    assert found is not None
    assert str(found.origin) == "example.com."
    assert deepest(zones, dns.name.from_text("example.org."), dns.rdatatype.A) is None
    above = deepest(zones, dns.name.from_text("example.com."), dns.rdatatype.DS)
    assert above is not None
    assert str(above.origin) == "com."


def test_a_value_that_nobody_can_read_fails_its_own_question_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = RecordSet("www.example.com.", "NAPTR", 60, ("nonsense",))
    made = zone()
    loaded = LoadedZone.load(replace(made, records=(*made.records, broken)))
    name = dns.name.from_text("www.example.com.")
    for _ in range(2):
        assert loaded.ask(name, dns.rdatatype.NAPTR).rcode == dns.rcode.SERVFAIL
    assert len(loaded.ask(name, dns.rdatatype.A).answer) == 1
    assert loaded.ask(name, dns.rdatatype.AAAA).rcode == dns.rcode.NOERROR
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "www.example.com. NAPTR is not served"
    ]
