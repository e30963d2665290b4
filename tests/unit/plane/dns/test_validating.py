"""A validator against an internet that can be made to lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import cast

import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from hiyoko.blueprint.zones import RecordSet, Signing, Zone, Zones
from hiyoko.clock import SystemClock
from hiyoko.plane.dns.authority import LoadedZone, deepest
from hiyoko.plane.dns.loaded import Key, Name, Records, Type
from hiyoko.plane.dns.reply import Reply
from hiyoko.plane.dns.served import Served
from hiyoko.plane.dns.signing import sign_keys
from hiyoko.plane.dns.upstream import Upstream
from hiyoko.plane.dns.validating import Validator
from hiyoko.plane.dns.zone_keys import Role, ZoneKeys, delegation_signer

KEYS, OTHER_KEYS = ZoneKeys(b"k" * 32), ZoneKeys(b"o" * 32)
SERVER = IPv4Address("198.18.0.1")
DS, A, TXT = dns.rdatatype.DS, dns.rdatatype.A, dns.rdatatype.TXT
HOUR_S = 3600.0

Lie = Callable[[Name, Type, Reply], Reply]


def rows(zone: str, *records: tuple[str, str, str]) -> tuple[RecordSet, ...]:
    apex = ((zone, "SOA", "ns. host. 1 2 3 4 60"), (zone, "NS", "ns."))
    return tuple(RecordSet(name, kind, 60, (value,)) for name, kind, value in (*apex, *records))


def hosted(now: float, key: str = "kms") -> tuple[Zone, str]:
    """A zone as Route 53 signs it, compactly, with a key-signing key of KMS; and its DS."""
    secret = KEYS.key(key, Role.KEY_SIGNING)
    texts = (KEYS.key("Z1", Role.ZONE_SIGNING).public.to_text(), secret.public.to_text())

    def ask(data: bytes) -> bytes:
        return secret.private.sign(data, ec.ECDSA(SHA256()))

    signature = sign_keys("host.jp.", texts, texts[1], ask, now)
    records = rows("host.jp.", ("a.host.jp.", "A", "192.0.2.1"), ("c.host.jp.", "CNAME", "a.jp."))
    zone = Zone("Z1", "host.jp.", (SERVER,), records, signing=Signing((texts[1],), (signature,)))
    return zone, delegation_signer(dns.name.from_text("host.jp."), secret.public).to_text()


@dataclass
class Internet:
    """Answers as a resolver that asks for signatures would; ``lie`` may change each answer."""

    keys: ZoneKeys = KEYS
    lie: Lie = field(default=lambda name, rdtype, reply: reply)
    key: str = "kms"
    zones: dict[Key, LoadedZone] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now = SystemClock().now()
        signed, (_, vouched) = hosted(now, self.key)[0], hosted(now)
        cuts = (
            *(("host.jp.", "NS", "ns."), ("host.jp.", "DS", vouched), ("plain.jp.", "NS", "ns.")),
            *(("a.jp.", "A", "192.0.2.2"), ("x.deep.jp.", "A", "192.0.2.3")),
        )
        plain = rows("plain.jp.", ("a.plain.jp.", "A", "192.0.2.4"))
        zones = (
            Zone(".", ".", (SERVER,), rows(".", ("jp.", "NS", "ns.")), signing=Signing()),
            Zone("jp.", "jp.", (SERVER,), rows("jp.", *cuts), signing=Signing()),
            Zone("Z2", "plain.jp.", (SERVER,), plain),
            signed,
        )
        served = Served.load(Zones(zones=zones), self.keys, cast(Upstream, None))
        self.zones = dict(served.authorities.by_address[str(SERVER)])

    async def resolve(self, name: Name, rdtype: Type) -> Reply:
        zone = deepest(self.zones, name, rdtype)
        assert zone is not None
        reply = zone.secured(zone.ask(name, rdtype))
        return self.lie(name, rdtype, reply)

    async def judged(self, text: str, rdtype: Type = A, *, now: float = 0.0) -> Reply:
        anchor = KEYS.key(".", Role.KEY_SIGNING).public
        clock = SystemClock().now
        validator = Validator(self, anchor, (lambda: clock() + now) if now else clock)
        name = dns.name.from_text(text)
        return await validator.judged(await self.resolve(name, rdtype), name, rdtype)


def code(reply: Reply) -> str:
    return dns.rcode.to_text(reply.rcode)


def without(*types: Type, about: str = "") -> Lie:
    """Leave out what has these types from what is said, about this name or about all."""

    def lie(name: Name, rdtype: Type, reply: Reply) -> Reply:
        if about and name != dns.name.from_text(about):
            return reply
        answer = [r for r in reply.answer if r.type not in types]
        return replace(
            reply, answer=answer, authority=[r for r in reply.authority if r.type not in types]
        )

    return lie


def saying(other: Reply, about: str, what: Type) -> Lie:
    """Give another answer to one question."""

    def lie(name: Name, rdtype: Type, reply: Reply) -> Reply:
        return other if (name, rdtype) == (dns.name.from_text(about), what) else reply

    return lie


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("a.host.jp.", A, "NOERROR"),
        ("c.host.jp.", dns.rdatatype.CNAME, "NOERROR"),
        ("a.host.jp.", TXT, "NOERROR"),
        ("gone.host.jp.", A, "NXDOMAIN"),
        ("a.plain.jp.", A, "NOERROR"),
        ("gone.plain.jp.", A, "NXDOMAIN"),
        ("gone.jp.", A, "NXDOMAIN"),
        ("deep.jp.", A, "NOERROR"),
        ("gone.deep.jp.", A, "NXDOMAIN"),
        ("plain.jp.", DS, "NOERROR"),
        ("host.jp.", DS, "NOERROR"),
        ("gone.", A, "NXDOMAIN"),
    ],
)
async def test_the_truth_is_believed(name: str, rdtype: Type, expected: str) -> None:
    assert code(await Internet().judged(name, rdtype)) == expected


async def test_an_answer_without_its_signature_is_not() -> None:
    lie = without(dns.rdatatype.RRSIG, about="a.host.jp.")
    assert code(await Internet(lie=lie).judged("a.host.jp.")) == "SERVFAIL"


async def test_a_signed_zone_cannot_be_passed_off_as_an_unsigned_one() -> None:
    """Neither by leaving the DS out, nor with the proof that another zone has none."""
    assert code(await Internet(lie=without(DS)).judged("a.host.jp.")) == "SERVFAIL"
    honest = Internet()
    # The second one is the proof that nothing follows host.jp, which has its types.
    for name in ("plain.jp.", "hz.jp."):
        other = await honest.resolve(dns.name.from_text(name), DS)
        assert code(await Internet(lie=saying(other, "host.jp.", DS)).judged("a.host.jp.")) == (
            "SERVFAIL"
        )


async def test_other_data_under_a_true_signature_is_not_believed() -> None:
    def lie(name: Name, rdtype: Type, reply: Reply) -> Reply:
        if (str(name), rdtype) != ("a.host.jp.", A):
            return reply
        data, signature = reply.answer
        forged = tuple(datum.replace(address="192.0.2.66") for datum in data.data)
        return replace(reply, answer=[Records(data.owner, A, 60, forged), signature])

    assert code(await Internet(lie=lie).judged("a.host.jp.")) == "SERVFAIL"


async def test_absence_needs_a_proof_of_this_name_and_type() -> None:
    lie = without(dns.rdatatype.NSEC)
    for name in ("gone.host.jp.", "gone.jp."):
        assert code(await Internet(lie=lie).judged(name)) == "SERVFAIL"
    honest = Internet()
    for name, rdtype in (("gone.host.jp.", A), ("a.host.jp.", TXT)):
        other = await honest.resolve(dns.name.from_text(name), rdtype)
        lie = saying(other, "a.host.jp.", A)
        assert code(await Internet(lie=lie).judged("a.host.jp.")) == "SERVFAIL"


async def test_absence_needs_a_proof_that_no_wildcard_stands_in() -> None:
    def lie(name: Name, rdtype: Type, reply: Reply) -> Reply:
        if str(name) != "gone.jp.":
            return reply
        # The first proof is the name's, the second one the wildcard's.
        proofs = [r for r in reply.authority if r.owner != dns.name.from_text("jp.")]
        return replace(reply, authority=proofs)

    assert code(await Internet(lie=lie).judged("gone.jp.")) == "SERVFAIL"


async def test_a_root_with_other_keys_is_not_believed() -> None:
    assert code(await Internet(keys=OTHER_KEYS).judged("a.jp.")) == "SERVFAIL"


async def test_keys_that_the_parent_does_not_vouch_for_are_not_believed() -> None:
    assert code(await Internet(key="another").judged("a.host.jp.")) == "SERVFAIL"


async def test_what_has_expired_is_not_believed() -> None:
    assert code(await Internet().judged("a.host.jp.", now=60 * 24 * HOUR_S)) == "SERVFAIL"
    assert code(await Internet().judged("a.host.jp.", now=24 * HOUR_S)) == "NOERROR"
