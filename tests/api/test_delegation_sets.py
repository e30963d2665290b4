"""Reusable delegation sets.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateReusableDelegationSet.html
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.dns_cloud import Cloud

from hiyoko.api import AwsError


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def made(cloud: Cloud, reference: str = "r", **more: Any) -> dict[str, Any]:
    answer = cloud("route53", "CreateReusableDelegationSet", CallerReference=reference, **more)
    assert answer["Location"].endswith(answer["DelegationSet"]["Id"])
    return dict(answer["DelegationSet"])


def test_zones_of_a_set_share_its_name_servers(cloud: Cloud) -> None:
    found = made(cloud)
    assert len(found["NameServers"]) == 4
    zones = [cloud.zone(name, DelegationSetId=found["Id"]) for name in ("a.example", "b.example")]
    other = cloud.zone("c.example")
    for zone in zones:
        shown = cloud("route53", "GetHostedZone", Id=zone)["DelegationSet"]
        assert shown == {"Id": found["Id"], "NameServers": found["NameServers"]}
    listed = cloud("route53", "ListHostedZones", DelegationSetId=found["Id"])["HostedZones"]
    assert {zone["Id"] for zone in listed} == set(zones)
    assert other not in zones
    limit = {"Type": "MAX_ZONES_BY_REUSABLE_DELEGATION_SET", "DelegationSetId": found["Id"]}
    assert cloud("route53", "GetReusableDelegationSetLimit", **limit)["Count"] == 2


def test_a_set_may_be_made_of_a_zones_name_servers_once(cloud: Cloud) -> None:
    zone = cloud.zone()
    servers = cloud("route53", "GetHostedZone", Id=zone)["DelegationSet"]["NameServers"]
    found = made(cloud, HostedZoneId=zone)
    assert found["NameServers"] == servers
    assert cloud("route53", "GetHostedZone", Id=zone)["DelegationSet"]["Id"] == found["Id"]
    with pytest.raises(AwsError, match="DelegationSetAlreadyReusable"):
        made(cloud, "s", HostedZoneId=zone)
    with pytest.raises(AwsError, match="HostedZoneNotFound"):
        made(cloud, "t", HostedZoneId="Z1")


def test_zones_of_one_name_or_one_right_above_the_other_share_no_server(cloud: Cloud) -> None:
    found = made(cloud)["Id"]
    cloud.zone("b.example", DelegationSetId=found)
    for name in ("b.example", "a.b.example"):
        with pytest.raises(AwsError, match="ConflictingDomainExists"):
            cloud.zone(name, DelegationSetId=found)
    cloud.zone("c.example", DelegationSetId=found)


def test_a_set_in_use_stays_and_a_caller_reference_makes_one(cloud: Cloud) -> None:
    found = made(cloud)["Id"]
    with pytest.raises(AwsError, match="DelegationSetAlreadyCreated"):
        made(cloud)
    zone = cloud.zone(DelegationSetId=found)
    with pytest.raises(AwsError, match="DelegationSetInUse"):
        cloud("route53", "DeleteReusableDelegationSet", Id=found)
    cloud("route53", "DeleteHostedZone", Id=zone)
    assert cloud("route53", "ListReusableDelegationSets")["DelegationSets"]
    cloud("route53", "DeleteReusableDelegationSet", Id=found)
    assert cloud("route53", "ListReusableDelegationSets")["DelegationSets"] == []
    with pytest.raises(AwsError, match="NoSuchDelegationSet"):
        cloud("route53", "GetReusableDelegationSet", Id=found)


def test_a_private_zone_has_no_delegation_set(cloud: Cloud) -> None:
    found, vpc = made(cloud)["Id"], cloud.vpc()
    with pytest.raises(AwsError, match="InvalidInput"):
        cloud.zone(VPC={"VPCId": vpc, "VPCRegion": "ap-northeast-1"}, DelegationSetId=found)


def test_sets_are_listed_in_pages(cloud: Cloud) -> None:
    ids = {made(cloud, f"r{number}")["Id"] for number in range(3)}
    page = cloud("route53", "ListReusableDelegationSets", MaxItems="2")
    rest = cloud("route53", "ListReusableDelegationSets", Marker=page["NextMarker"])
    assert {one["Id"] for one in (*page["DelegationSets"], *rest["DelegationSets"])} == ids
