"""TestDNSAnswer says what dig hears, from wherever it is asked.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_TestDNSAnswer.html
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from tests.api.dns_cloud import record
from tests.plane.dns_world import internet
from tests.plane.test_routing import World, world

__all__ = ["internet", "world"]

from hiyoko.api import AwsError
from hiyoko.blueprint.places import find_place, locate
from hiyoko.reconcile.name_servers import name_servers
from hiyoko.services.route53.dns_answers import use_name_servers
from hiyoko.services.route53.model import VIRGINIA_RESOLVER


@pytest.fixture
def asked(world: World) -> World:
    use_name_servers(name_servers(world.zones.server.settings))
    return world


def ask(world: World, name: str, kind: str = "A", **more: Any) -> dict[str, Any]:
    return world.cloud(
        "route53",
        "TestDNSAnswer",
        HostedZoneId=world.zone,
        RecordName=name,
        RecordType=kind,
        **more,
    )


def placed(value: str, set_id: str, **geo: str) -> dict[str, Any]:
    plain = record("g.my-project.jp", "A", value)
    return plain | {"SetIdentifier": set_id, "GeoLocation": geo}


def client_in(town: str) -> str:
    place = find_place(town)
    assert place is not None
    return str(place.client)


async def test_the_answer_is_the_name_servers_for_the_resolver_or_its_client(asked: World) -> None:
    await asked.create(
        placed("198.19.0.1", "jp", CountryCode="JP"),
        placed("198.19.0.2", "us", CountryCode="US", SubdivisionCode="VA"),
        placed("198.19.0.3", "eu", ContinentCode="EU"),
        record("many.my-project.jp", "TXT", *(f'"{number:0>200}"' for number in range(30))),
        record("c.my-project.jp", "CNAME", "g.my-project.jp"),
    )
    tokyo, paris = client_in("tokyo"), client_in("paris")
    answer = ask(asked, "G.my-project.jp")
    assert answer["Nameserver"].startswith("ns-")
    assert {k: v for k, v in answer.items() if k != "Nameserver"} == {
        "RecordName": "g.my-project.jp.",
        "RecordType": "A",
        "RecordData": ["198.19.0.2"],
        "ResponseCode": "NOERROR",
        "Protocol": "UDP",
    }
    assert ask(asked, "g.my-project.jp", ResolverIP=tokyo)["RecordData"] == ["198.19.0.1"]
    behind = {"ResolverIP": tokyo, "EDNS0ClientSubnetIP": paris}
    for mask in ({}, {"EDNS0ClientSubnetMask": "32"}):
        assert ask(asked, "g.my-project.jp", **behind, **mask)["RecordData"] == ["198.19.0.3"]
    assert await asked.short("g.my-project.jp", f"+subnet={paris}/24") == ["198.19.0.3"]
    assert ask(asked, "g.my-project.jp", ResolverIP="192.0.2.1")["RecordData"] == []
    chased = ask(asked, "c.my-project.jp", ResolverIP=tokyo)["RecordData"]
    assert chased == ["g.my-project.jp.", "198.19.0.1"]
    many = ask(asked, "many.my-project.jp", "TXT")
    assert (many["Protocol"], len(many["RecordData"])) == ("TCP", 30)
    assert ask(asked, "none.my-project.jp")["ResponseCode"] == "NXDOMAIN"


async def test_a_question_for_a_logged_zone_is_not_in_its_log(asked: World) -> None:
    cloud = asked.cloud
    group = "/aws/route53/my-project.jp"
    cloud("logs", "CreateLogGroup", region="us-east-1", logGroupName=group)
    cloud(
        "route53",
        "CreateQueryLoggingConfig",
        HostedZoneId=asked.zone,
        CloudWatchLogsLogGroupArn=f"arn:aws:logs:us-east-1:123456789012:log-group:{group}",
    )
    await asked.zones.activate()
    ask(asked, "quiet.my-project.jp")
    await asked.short("heard.my-project.jp")
    lines = asked.log.path.read_text()
    assert "heard" in lines
    assert "quiet" not in lines


async def test_what_cannot_be_asked_is_refused_and_no_server_is_told(asked: World) -> None:
    for more in (
        {"EDNS0ClientSubnetMask": "24"},
        {"EDNS0ClientSubnetIP": "10.0.0.1", "EDNS0ClientSubnetMask": "33"},
    ):
        with pytest.raises(AwsError, match="InvalidInput"):
            ask(asked, "g.my-project.jp", **more)
    with pytest.raises(AwsError, match="not in the hosted zone"):
        ask(asked, "g.example.com")
    private = asked.cloud.private_zone("inside.example", asked.cloud.vpc())
    with pytest.raises(AwsError, match="private"):
        asked.cloud(
            "route53",
            "TestDNSAnswer",
            HostedZoneId=private,
            RecordName="inside.example",
            RecordType="A",
        )
    use_name_servers(lambda question: None)
    with pytest.raises(AwsError, match="ServiceUnavailable") as caught:
        ask(asked, "g.my-project.jp")
    assert caught.value.status == 503


def test_the_resolver_that_is_meant_when_none_is_named_is_in_virginia() -> None:
    assert locate(IPv4Address(VIRGINIA_RESOLVER)) == find_place("virginia")
