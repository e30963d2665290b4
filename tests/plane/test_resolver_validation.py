"""A VPC's resolver that validates: what is signed wrongly has no answer, whatever else does.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-dnssec-validation.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.plane.resolver_world import Company, Site, World, ask, company, values, world

from hiyoko import api
from hiyoko.neighbours import Neighbours
from hiyoko.services.route53.seen import SIGNATURES_SEEN

__all__ = ["company", "world"]


@pytest.fixture
async def keys() -> AsyncIterator[None]:
    """KMS, which signs the zones' keys."""
    neighbours = Neighbours()
    api.use_neighbours(neighbours.ask)
    yield
    await neighbours.reset()


def zone(world: World, name: str, *, signed: bool = False, **more: Any) -> str:
    made = world("route53", "CreateHostedZone", Name=name, CallerReference=name, **more)
    zone_id = str(made["HostedZone"]["Id"])
    if signed:
        key = api.ask_neighbour(
            "kms",
            "CreateKey",
            {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
            account="123456789012",
            region="us-east-1",
        )
        world(
            "route53",
            "CreateKeySigningKey",
            CallerReference=name,
            HostedZoneId=zone_id,
            KeyManagementServiceArn=key["KeyMetadata"]["Arn"],
            Name="key",
            Status="ACTIVE",
        )
        world("route53", "EnableHostedZoneDNSSEC", HostedZoneId=zone_id)
    return zone_id


def add(world: World, zone_id: str, name: str, kind: str, *data: str) -> None:
    values = [{"Value": value} for value in data]
    record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": values}
    changes = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    world("route53", "ChangeResourceRecordSets", HostedZoneId=zone_id, ChangeBatch=changes)


def validate(world: World, site: Site, wish: str = "ENABLE") -> str:
    made = world.resolver("UpdateResolverDnssecConfig", ResourceId=site.vpc, Validation=wish)
    return str(made["ResolverDNSSECConfig"]["ValidationStatus"])


def status(world: World, site: Site) -> str:
    told = world.resolver("GetResolverDnssecConfig", ResourceId=site.vpc)
    return str(told["ResolverDNSSECConfig"]["ValidationStatus"])


def denied(said: str) -> str:
    return said.split("status: ")[1].split(",")[0] if "ANSWER: 0" in said else "answered"


async def test_what_is_signed_well_or_not_at_all_is_answered_as_before(
    world: World, keys: None
) -> None:
    """AWS's resolver sets no AD bit and returns no records of DNSSEC."""
    site = world.vpc(1)
    task, _ = site.interface()
    good = zone(world, "good.jp", signed=True)
    plain = zone(world, "plain.jp")
    child = zone(world, "sub.good.jp")
    told = world("route53", "GetHostedZone", Id=child)["DelegationSet"]["NameServers"]
    add(world, good, "sub.good.jp", "NS", *told)
    add(world, good, "a.good.jp", "A", "198.19.0.1")
    add(world, good, "c.good.jp", "CNAME", "a.plain.jp")
    add(world, good, "*.wild.good.jp", "TXT", '"star"')
    add(world, plain, "a.plain.jp", "A", "198.19.0.2")
    add(world, plain, "c.plain.jp", "CNAME", "a.good.jp")
    add(world, child, "a.sub.good.jp", "A", "198.19.0.3")
    assert status(world, site) == "DISABLED"
    assert validate(world, site) == "ENABLING"
    await world.settle()
    assert status(world, site) == "ENABLED"
    expected = {
        ("a.good.jp", "A"): ["198.19.0.1"],
        ("c.good.jp", "A"): ["a.plain.jp.", "198.19.0.2"],
        ("x.wild.good.jp", "TXT"): ['"star"'],
        ("a.plain.jp", "A"): ["198.19.0.2"],
        ("c.plain.jp", "A"): ["a.good.jp.", "198.19.0.1"],
        ("a.sub.good.jp", "A"): ["198.19.0.3"],
    }
    for question, data in expected.items():
        said = await ask(site, task, *question)
        assert (values(said), "flags: qr rd ra;" in said) == (data, True), question
    # Absences of both kinds of proof, and of a zone that has none.
    for name in ("gone.good.jp", "gone.jp", "gone.plain.jp", "gone"):
        assert denied(await ask(site, task, name)) == "NXDOMAIN", name
    for question in (("a.good.jp", "AAAA"), ("jp", "A"), ("good.jp", "TXT"), ("plain.jp", "DS")):
        assert denied(await ask(site, task, *question)) == "NOERROR", question
    (own,) = values(await ask(site, task, "sts.ap-northeast-1.amazonaws.com"))
    assert own.startswith("198.18.")


async def test_what_is_signed_wrongly_is_servfail_where_the_vpc_validates(
    world: World, keys: None
) -> None:
    site, other = world.vpc(1), world.vpc(2)
    task, elsewhere = site.interface()[0], other.interface()[0]
    bad, child = zone(world, "bad.jp", signed=True), zone(world, "sub.good.jp")
    good = zone(world, "good.jp", signed=True)
    told = world("route53", "GetHostedZone", Id=child)["DelegationSet"]["NameServers"]
    add(world, good, "sub.good.jp", "NS", *told)
    add(world, good, "sub.good.jp", "DS", "12345 13 2 " + "AB" * 32)
    add(world, good, "a.good.jp", "A", "198.19.0.1")
    add(world, bad, "a.bad.jp", "A", "198.19.0.2")
    add(world, child, "a.sub.good.jp", "A", "198.19.0.3")
    validate(world, site)
    await world.settle()
    assert values(await ask(site, task, "a.bad.jp")) == ["198.19.0.2"]
    with world.store.transaction() as tx:
        row = SIGNATURES_SEEN.find(tx, zone_id=bad.rsplit("/", 1)[1])
        assert row is not None
        forged = tuple(text[:-20] + "A" * 18 + "==" for text in row.signatures)
        SIGNATURES_SEEN.put(tx, replace(row, signatures=forged))
    await world.settle()
    for name, address in (("a.bad.jp", "198.19.0.2"), ("a.sub.good.jp", "198.19.0.3")):
        assert denied(await ask(site, task, name)) == "SERVFAIL"
        assert values(await ask(other, elsewhere, name)) == [address]
    assert denied(await ask(site, task, "gone.bad.jp")) == "SERVFAIL"
    assert values(await ask(site, task, "a.good.jp")) == ["198.19.0.1"]
    validate(world, site, "DISABLE")
    await world.settle()
    assert values(await ask(site, task, "a.bad.jp")) == ["198.19.0.2"]


async def test_private_zones_and_forwarded_names_are_not_judged(
    world: World, company: Company, keys: None
) -> None:
    site = world.vpc(1)
    task, _ = site.interface()
    server, address = site.interface(site.group("company"))
    zone(world, "good.jp", signed=True)
    here = {"VPCId": site.vpc, "VPCRegion": "ap-northeast-1"}
    add(world, zone(world, "in.good.jp", VPC=here), "a.in.good.jp", "A", "10.0.0.1")
    endpoint = site.endpoint("OUTBOUND", site.group("outlet"))
    world.associate(world.rule("corp.good.jp", endpoint, address), site.vpc)
    validate(world, site)
    await world.settle()
    company.serve(server, address)
    company.say("a.corp.good.jp", "A", "192.0.2.9")
    assert values(await ask(site, task, "a.in.good.jp")) == ["10.0.0.1"]
    assert values(await ask(site, task, "a.corp.good.jp")) == ["192.0.2.9"]
