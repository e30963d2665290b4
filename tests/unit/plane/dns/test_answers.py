from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plane.dns.zone import zone

from hiyoko.blueprint.places import find_place
from hiyoko.blueprint.zones import Choice, Policy, RecordSet
from hiyoko.plane.dns.answers import Authorities, question_key
from hiyoko.plane.dns.authority import LoadedZone

SERVER = "198.18.8.1"


def authorities() -> Authorities:
    loaded = LoadedZone.load(zone())
    return Authorities({SERVER: {loaded.key: loaded}})


def answer(
    query: dns.message.Message, *, tcp: bool = False, server: str = SERVER
) -> dns.message.Message:
    wire = authorities().answer(query.to_wire(), server, tcp=tcp)
    assert wire is not None
    return dns.message.from_wire(wire)


def test_the_answer_is_authoritative_echoes_the_case_and_offers_no_recursion() -> None:
    response = answer(dns.message.make_query("wWw.eXample.com.", "A"))
    assert response.flags & dns.flags.AA
    assert response.flags & dns.flags.RD
    assert not response.flags & dns.flags.RA
    assert str(response.question[0].name) == "wWw.eXample.com."
    assert str(response.answer[0].name) == "wWw.eXample.com."


def test_a_server_refuses_names_that_are_not_delegated_to_it() -> None:
    assert answer(dns.message.make_query("example.org.", "A")).rcode() == dns.rcode.REFUSED
    other = answer(dns.message.make_query("www.example.com.", "A"), server="198.18.8.2")
    assert other.rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(("payload", "cut"), [(None, True), (1232, True), (4096, True)])
def test_what_does_not_fit_into_udp_is_cut_and_whole_over_tcp(
    payload: int | None, cut: bool
) -> None:
    query = dns.message.make_query("big.example.com.", "TXT", payload=payload)
    if payload is None:
        query.use_edns(-1)
    response = answer(query)
    assert bool(response.flags & dns.flags.TC) == cut
    assert response.answer == []
    whole = answer(query, tcp=True)
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == 30


def test_values_take_turns() -> None:
    served = authorities()
    firsts = set()
    for number in range(3):
        query = dns.message.make_query("www.example.com.", "A", id=number)
        wire = served.answer(query.to_wire(), SERVER)
        assert wire is not None
        response = dns.message.from_wire(wire)
        assert response.id == number
        firsts.add(response.answer[0].to_text().splitlines()[0])
    assert len(firsts) == 3


def test_unknown_edns_versions_are_answered_badvers() -> None:
    query = dns.message.make_query("www.example.com.", "A", use_edns=1)
    assert answer(query).rcode() == dns.rcode.BADVERS


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_zone_transfers_are_refused(kind: str) -> None:
    assert answer(dns.message.make_query("example.com.", kind)).rcode() == dns.rcode.REFUSED


def test_updates_and_notifies_are_not_implemented() -> None:
    query = dns.message.make_query("example.com.", "SOA")
    query.set_opcode(dns.opcode.NOTIFY)
    assert answer(query).rcode() == dns.rcode.NOTIMP


def test_an_answer_gets_no_answer() -> None:
    response = dns.message.make_response(dns.message.make_query("example.com.", "A"))
    assert authorities().answer(response.to_wire(), SERVER) is None


def test_options_do_not_make_another_question() -> None:
    keys = set()
    for number in range(2):
        cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes([number]) * 8)
        query = dns.message.make_query("example.com.", "A", options=[cookie])
        keys.add(question_key(query.to_wire()))
    assert len(keys) == 1
    assert keys != {None}


@given(st.binary(max_size=80))
def test_no_packet_whatever_makes_the_server_fail(wire: bytes) -> None:
    served = authorities()
    served.answer(wire, SERVER)
    served.answer(b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + wire, SERVER)


@given(st.sampled_from(["www", "c", "gone", "a.wild", "sub", "big", "@"]), st.integers(1, 260))
def test_a_kept_answer_is_the_answer(label: str, kind: int) -> None:
    name = "example.com." if label == "@" else f"{label}.example.com."
    query = dns.message.make_query(name, dns.rdatatype.RdataType.make(kind)).to_wire()
    served = authorities()
    first = served.answer(query, SERVER)
    for _ in range(30):
        again = served.answer(query, SERVER)
        assert first is not None
        assert again is not None
        assert len(again) == len(first)


def test_each_question_is_a_new_choice_though_its_answers_are_kept() -> None:
    leaves = [RecordSet("w.example.com.", "A", 60, (f"198.19.0.{n}",)) for n in range(4)]
    choices = tuple(Choice(str(n), leaf, weight=n) for n, leaf in enumerate(leaves))
    routed = RecordSet("w.example.com.", "A", 0, (), Policy.WEIGHTED, choices)
    through = RecordSet("c.example.com.", "CNAME", 60, ("w.example.com.",))
    made = zone()
    loaded = LoadedZone.load(replace(made, records=(*made.records, routed, through)))
    served = Authorities({SERVER: {loaded.key: loaded}}, Random(3))
    for name in ("w.example.com.", "c.example.com."):
        found: Counter[str] = Counter()
        for number in range(3000):
            query = dns.message.make_query(name, "A", id=number)
            wire = served.answer(query.to_wire(), SERVER, "198.18.0.100")
            assert wire is not None
            response = dns.message.from_wire(wire)
            assert response.id == number
            found[response.answer[-1][0].to_text()] += 1
        assert found == {
            "198.19.0.1": pytest.approx(500, rel=0.15),
            "198.19.0.2": pytest.approx(1000, rel=0.15),
            "198.19.0.3": pytest.approx(1500, rel=0.15),
        }


def test_a_chosen_answer_is_not_kept_and_names_the_subnet_it_was_made_for() -> None:
    places = ("ap-northeast-1", "198.19.0.1"), ("us-east-1", "198.19.0.2")
    routed = RecordSet(
        "near.example.com.",
        "A",
        0,
        (),
        Policy.LATENCY,
        tuple(
            Choice(region, RecordSet("near.example.com.", "A", 60, (address,)), region=region)
            for region, address in places
        ),
    )
    made = zone()
    loaded = LoadedZone.load(replace(made, records=(*made.records, routed)))
    served = Authorities({SERVER: {loaded.key: loaded}})
    virginia = find_place("virginia")
    assert virginia is not None
    option = dns.edns.ECSOption(str(virginia.client), 24)
    plain = dns.message.make_query("near.example.com.", "A")
    told = dns.message.make_query("near.example.com.", "A", use_edns=0, options=[option])

    def asked(query: dns.message.Message, client: str) -> tuple[str, dns.message.Message]:
        wire = served.answer(query.to_wire(), SERVER, client)
        assert wire is not None
        response = dns.message.from_wire(wire)
        return response.answer[0][0].to_text(), response

    assert asked(plain, "198.18.0.100")[0] == "198.19.0.1"
    assert asked(plain, str(virginia.client))[0] == "198.19.0.2"
    address, response = asked(told, "198.18.0.100")
    assert address == "198.19.0.2"
    scopes = [o.scopelen for o in response.options if isinstance(o, dns.edns.ECSOption)]
    assert scopes == [24]
    assert served._cache == {}
