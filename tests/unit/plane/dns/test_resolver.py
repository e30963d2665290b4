from __future__ import annotations

from dataclasses import dataclass, field

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from hiyoko.blueprint.draw_zones import draw_zones, route53_address
from hiyoko.blueprint.zones import RecordSet, Zone
from hiyoko.plane.addresses import PARENT_SERVER, ROOT_SERVER
from hiyoko.plane.dns.answers import Authorities
from hiyoko.plane.dns.authority import LoadedZone
from hiyoko.plane.dns.resolver import Resolver
from hiyoko.plane.dns.upstream import NoAnswer
from hiyoko.services.route53.model import GLOBAL, HostedZone, default_records
from hiyoko.services.route53.model import RecordSet as Wished

HOSTED = HostedZone(
    account="123456789012",
    region=GLOBAL,
    zone_id="Z1",
    name="example.jp.",
    caller_reference="x",
    private=False,
    servers=(5, 600, 1100, 1600),
    vpcs=(),
    created_at=0.0,
)


def wished(name: str, kind: str, *values: str) -> Wished:
    return Wished(HOSTED.account, GLOBAL, "Z1", name, kind, 60, values)


@dataclass
class Internet:
    """Servers by address, without a network; counts the questions."""

    authorities: Authorities
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def ask(
        self,
        servers: list[str],
        name: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
        subnet: str = "",
        signed: bool = False,
    ) -> dns.message.Message:
        self.asked.append((servers[0], name.to_text()))
        query = dns.message.make_query(name, rdtype)
        wire = self.authorities.answer(query.to_wire(), servers[0])
        assert wire is not None
        response = dns.message.from_wire(wire)
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise NoAnswer(str(name))
        return response


@dataclass
class Hand:
    """A clock's hand that tests move."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


def resolver(*records: Wished, more: tuple[Zone, ...] = ()) -> tuple[Resolver, Internet, Hand]:
    drawn = draw_zones(
        revision=1,
        hosted_zones=[HOSTED],
        records=[*default_records(HOSTED), *records],
        balancers=[],
        vpcs=[],
    )
    by_address: dict[str, dict[tuple[bytes, ...], LoadedZone]] = {}
    for zone in (*drawn.zones, *more):
        loaded = LoadedZone.load(zone)
        for server in zone.servers:
            by_address.setdefault(str(server), {})[loaded.key] = loaded
    internet, hand = Internet(Authorities(by_address)), Hand()
    return Resolver(internet, str(ROOT_SERVER), now=hand), internet, hand


async def texts(asked: Resolver, name: str, kind: str = "A") -> tuple[str, list[str]]:
    reply = await asked.resolve(dns.name.from_text(name), dns.rdatatype.from_text(kind))
    return dns.rcode.to_text(reply.rcode), [
        datum.to_text() for records in reply.answer for datum in records.data
    ]


async def test_a_name_is_found_from_the_root_down() -> None:
    asked, internet, _ = resolver(wished("www.example.jp.", "A", "192.0.2.1"))
    assert await texts(asked, "www.example.jp.") == ("NOERROR", ["192.0.2.1"])
    assert internet.asked[0] == (str(ROOT_SERVER), "www.example.jp.")


async def test_what_was_learnt_is_not_asked_again_until_its_time_is_over() -> None:
    asked, internet, hand = resolver(wished("www.example.jp.", "A", "192.0.2.1"))
    await texts(asked, "www.example.jp.")
    count = len(internet.asked)
    await texts(asked, "www.example.jp.")
    assert len(internet.asked) == count
    hand.at = 61.0
    await texts(asked, "www.example.jp.")
    assert len(internet.asked) == count + 1


async def test_ttls_count_down() -> None:
    asked, _, hand = resolver(wished("www.example.jp.", "A", "192.0.2.1"))
    await texts(asked, "www.example.jp.")
    hand.at = 20.0
    reply = await asked.resolve(dns.name.from_text("www.example.jp."), dns.rdatatype.A)
    assert reply.answer[0].ttl_s == 40


async def test_absence_is_learnt_too_by_name_or_type() -> None:
    asked, internet, _ = resolver(wished("www.example.jp.", "A", "192.0.2.1"))
    assert await texts(asked, "gone.example.jp.") == ("NXDOMAIN", [])
    assert await texts(asked, "www.example.jp.", "AAAA") == ("NOERROR", [])
    count = len(internet.asked)
    assert await texts(asked, "gone.example.jp.") == ("NXDOMAIN", [])
    assert len(internet.asked) == count
    assert await texts(asked, "nobody.example.com.") == ("NXDOMAIN", [])


async def test_cnames_are_followed_across_zones() -> None:
    asked, _, _ = resolver(wished("www.example.jp.", "CNAME", "ecs.ap-northeast-1.amazonaws.com"))
    assert await texts(asked, "www.example.jp.") == (
        "NOERROR",
        ["ecs.ap-northeast-1.amazonaws.com.", "198.18.0.80"],
    )


async def test_a_cname_loop_ends_in_servfail() -> None:
    asked, _, _ = resolver(
        wished("a.example.jp.", "CNAME", "b.example.jp"),
        wished("b.example.jp.", "CNAME", "a.example.jp"),
    )
    assert (await texts(asked, "a.example.jp."))[0] == "SERVFAIL"


@pytest.mark.parametrize("server", ["ns.nowhere.jp.", "ns.sub.example.jp.", "ns-5.awsdns-00.com."])
async def test_a_lame_delegation_ends_in_servfail(server: str) -> None:
    asked, _, _ = resolver(wished("sub.example.jp.", "NS", server))
    assert (await texts(asked, "www.sub.example.jp."))[0] == "SERVFAIL"


async def test_addresses_for_names_outside_the_servers_own_zone_are_not_believed() -> None:
    # A server of example.jp may not say where a name in com is.
    poison = Zone(
        zone_id="poison",
        name="evil.example.jp.",
        servers=tuple(route53_address(n) for n in HOSTED.servers),
        records=(
            RecordSet("evil.example.jp.", "SOA", 9, ("a. b. 1 1 1 1 1",)),
            RecordSet("x.evil.example.jp.", "NS", 60, ("ns.victim.com.",)),
            RecordSet("ns.victim.com.", "A", 60, ("198.18.8.5",)),
        ),
    )
    asked, internet, _ = resolver(more=(poison,))
    await texts(asked, "www.x.evil.example.jp.")
    assert (str(PARENT_SERVER), "ns.victim.com.") in internet.asked
