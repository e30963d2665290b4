"""CIDR collections, traffic policies, query logging and quotas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.api.dns_cloud import Cloud, record

from hiyoko.api import AwsError
from hiyoko.reconcile.zones import draw

PLACES = {
    "AWSPolicyFormatVersion": "2015-10-01",
    "RecordType": "A",
    "StartRule": "by-place",
    "Endpoints": {
        "tokyo": {"Type": "value", "Value": "198.19.0.1"},
        "dublin": {"Type": "value", "Value": "198.19.0.2"},
    },
    "Rules": {
        "by-place": {
            "RuleType": "geo",
            "Locations": [
                {"Continent": "EU", "EndpointReference": "dublin"},
                {"IsDefault": True, "RuleReference": "shares"},
            ],
        },
        "shares": {
            "RuleType": "weighted",
            "Items": [
                {"Weight": "3", "EndpointReference": "tokyo"},
                {"Weight": "1", "EndpointReference": "dublin"},
            ],
        },
    },
}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def refused(code: str, cloud: Cloud, operation: str, **request: Any) -> str:
    with pytest.raises(AwsError) as error:
        cloud("route53", operation, **request)
    assert error.value.code == code
    return error.value.message


def collection(cloud: Cloud, **locations: list[str]) -> str:
    made = cloud("route53", "CreateCidrCollection", Name="offices", CallerReference="r")
    made_id = str(made["Collection"]["Id"])
    changes = [
        {"LocationName": name, "Action": "PUT", "CidrList": blocks}
        for name, blocks in locations.items()
    ]
    cloud("route53", "ChangeCidrCollection", Id=made_id, Changes=changes)
    return made_id


def by_network(set_id: str, collection_id: str, location: str) -> dict[str, Any]:
    return record("a.example.com", "A", "198.19.0.1") | {
        "SetIdentifier": set_id,
        "CidrRoutingConfig": {"CollectionId": collection_id, "LocationName": location},
    }


def test_a_collection_keeps_blocks_under_names(cloud: Cloud) -> None:
    made = collection(cloud, tokyo=["203.0.113.0/24"], osaka=["198.51.100.0/24", "2001:db8::/32"])
    found = cloud("route53", "ListCidrBlocks", CollectionId=made, LocationName="osaka")
    assert [block["CidrBlock"] for block in found["CidrBlocks"]] == [
        "198.51.100.0/24",
        "2001:db8::/32",
    ]
    names = cloud("route53", "ListCidrLocations", CollectionId=made)["CidrLocations"]
    assert [name["LocationName"] for name in names] == ["osaka", "tokyo"]
    (summary,) = cloud("route53", "ListCidrCollections")["CidrCollections"]
    assert (summary["Name"], summary["Version"]) == ("offices", 2)


def test_a_collection_is_changed_by_version(cloud: Cloud) -> None:
    made = collection(cloud, tokyo=["203.0.113.0/24"])
    gone = [{"LocationName": "tokyo", "Action": "DELETE_IF_EXISTS", "CidrList": ["203.0.113.0/24"]}]
    stale: dict[str, Any] = {"Id": made, "CollectionVersion": 1, "Changes": gone}
    refused("CidrCollectionVersionMismatchException", cloud, "ChangeCidrCollection", **stale)
    cloud("route53", "ChangeCidrCollection", **(stale | {"CollectionVersion": 2}))
    cloud("route53", "DeleteCidrCollection", Id=made)
    refused("NoSuchCidrCollectionException", cloud, "ListCidrBlocks", CollectionId=made)


@pytest.mark.parametrize("block", ["203.0.113.0/25", "203.0.113.1/24", "0.0.0.0/0", "x"])
def test_blocks_are_bounded(cloud: Cloud, block: str) -> None:
    made = collection(cloud, tokyo=["203.0.113.0/24"])
    change = {"LocationName": "tokyo", "Action": "PUT", "CidrList": [block]}
    refused("InvalidInput", cloud, "ChangeCidrCollection", Id=made, Changes=[change])


def test_a_block_is_in_one_location(cloud: Cloud) -> None:
    made = collection(cloud, tokyo=["203.0.113.0/24"])
    change = {"LocationName": "osaka", "Action": "PUT", "CidrList": ["203.0.113.0/24"]}
    refused("CidrBlockInUseException", cloud, "ChangeCidrCollection", Id=made, Changes=[change])


def test_a_record_set_holds_its_location(cloud: Cloud) -> None:
    made, zone = collection(cloud, tokyo=["203.0.113.0/24"]), cloud.zone()
    wanted = by_network("t", made, "tokyo")
    cloud.change(zone, ("CREATE", wanted))
    assert cloud.records(zone)["ResourceRecordSets"][-1] == wanted | {"Name": "a.example.com."}
    gone = {"LocationName": "tokyo", "Action": "DELETE_IF_EXISTS", "CidrList": ["203.0.113.0/24"]}
    refused("CidrBlockInUseException", cloud, "ChangeCidrCollection", Id=made, Changes=[gone])
    with pytest.raises(AwsError, match="CIDR set with the same CidrRoutingConfig exists"):
        cloud.change(zone, ("CREATE", by_network("u", made, "tokyo")))
    with pytest.raises(AwsError, match="NoSuchCidrLocationException"):
        cloud.change(zone, ("CREATE", by_network("u", made, "kyoto")))
    cloud.change(zone, ("CREATE", by_network("rest", made, "*")))


def policy(cloud: Cloud, document: dict[str, Any], name: str = "places") -> dict[str, Any]:
    made = cloud("route53", "CreateTrafficPolicy", Name=name, Document=json.dumps(document))
    return dict(made["TrafficPolicy"])


def instance(cloud: Cloud, zone: str, made: dict[str, Any], name: str = "w.example.com") -> str:
    answer = cloud(
        "route53",
        "CreateTrafficPolicyInstance",
        HostedZoneId=zone,
        Name=name,
        TTL=60,
        TrafficPolicyId=made["Id"],
        TrafficPolicyVersion=made["Version"],
    )
    assert answer["TrafficPolicyInstance"]["State"] == "Creating"
    return str(answer["TrafficPolicyInstance"]["Id"])


def test_a_policy_has_versions(cloud: Cloud) -> None:
    made = policy(cloud, PLACES)
    assert (made["Version"], made["Type"]) == (1, "A")
    second = cloud(
        "route53", "CreateTrafficPolicyVersion", Id=made["Id"], Document=json.dumps(PLACES)
    )["TrafficPolicy"]
    assert second["Version"] == 2
    found = cloud("route53", "ListTrafficPolicyVersions", Id=made["Id"])["TrafficPolicies"]
    assert [one["Version"] for one in found] == [2, 1]
    (summary,) = cloud("route53", "ListTrafficPolicies")["TrafficPolicySummaries"]
    assert (summary["LatestVersion"], summary["TrafficPolicyCount"]) == (2, 2)
    refused(
        "TrafficPolicyAlreadyExists",
        cloud,
        "CreateTrafficPolicy",
        Name="places",
        Document=json.dumps(PLACES),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"RecordType": "NS"},
        {"AWSPolicyFormatVersion": "2014"},
        {"StartRule": "none"},
        {"StartEndpoint": "tokyo"},
        {"Endpoints": {"tokyo": {"Type": "value", "Value": "not-an-address"}}},
        {"Rules": {"by-place": {"RuleType": "odd"}}},
        {"Rules": {"by-place": {"RuleType": "weighted", "Items": [{"RuleReference": "by-place"}]}}},
        {"Rules": {"by-place": {"RuleType": "latency", "Regions": [{"Region": "mars"}]}}},
    ],
)
def test_a_document_that_leads_nowhere_is_refused(cloud: Cloud, change: dict[str, Any]) -> None:
    document = json.dumps(PLACES | change)
    refused(
        "InvalidTrafficPolicyDocument", cloud, "CreateTrafficPolicy", Name="x", Document=document
    )


def test_an_instance_answers_by_the_tree(cloud: Cloud) -> None:
    zone, made = cloud.zone(), policy(cloud, PLACES)
    one = instance(cloud, zone, made)
    with cloud.store.reading() as tx:
        served = next(z for z in draw(tx).zones if z.zone_id == zone.rsplit("/", 1)[-1])
    (drawn,) = [found for found in served.records if found.name == "w.example.com."]
    europe, rest = drawn.choices
    assert (europe.continent, europe.record.values) == ("EU", ("198.19.0.2",))
    assert rest.country == "*"
    assert [choice.weight for choice in rest.record.choices] == [3, 1]
    assert rest.record.choices[0].record.ttl_s == 60
    found = cloud("route53", "ListTrafficPolicyInstancesByHostedZone", HostedZoneId=zone)
    assert [each["Id"] for each in found["TrafficPolicyInstances"]] == [one]
    assert cloud("route53", "GetTrafficPolicyInstanceCount")["TrafficPolicyInstanceCount"] == 1
    which = {"Id": made["Id"], "Version": 1}
    refused("TrafficPolicyInUse", cloud, "DeleteTrafficPolicy", **which)
    refused("HostedZoneNotEmpty", cloud, "DeleteHostedZone", Id=zone)
    cloud("route53", "DeleteTrafficPolicyInstance", Id=one)
    cloud("route53", "DeleteTrafficPolicy", **which)


def test_an_instance_and_a_record_set_do_not_share_a_name(cloud: Cloud) -> None:
    zone, made = cloud.zone(), policy(cloud, PLACES)
    cloud.change(zone, ("CREATE", record("w.example.com", "A", "198.19.0.1")))
    with pytest.raises(AwsError, match="InvalidInput"):
        instance(cloud, zone, made)
    instance(cloud, zone, made, "v.example.com")
    with pytest.raises(AwsError, match="TrafficPolicyInstanceAlreadyExists"):
        instance(cloud, zone, made, "v.example.com")
    with pytest.raises(AwsError, match="InvalidChangeBatch"):
        cloud.change(zone, ("CREATE", record("v.example.com", "A", "198.19.0.1")))


def test_queries_are_logged_to_a_group_that_is_there(cloud: Cloud) -> None:
    zone = cloud.zone()
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/example.com"
    wanted = {"HostedZoneId": zone, "CloudWatchLogsLogGroupArn": arn}
    refused("NoSuchCloudWatchLogsLogGroup", cloud, "CreateQueryLoggingConfig", **wanted)
    cloud("logs", "CreateLogGroup", region="us-east-1", logGroupName="/aws/route53/example.com")
    made = cloud("route53", "CreateQueryLoggingConfig", **wanted)["QueryLoggingConfig"]
    refused("QueryLoggingConfigAlreadyExists", cloud, "CreateQueryLoggingConfig", **wanted)
    found = cloud("route53", "ListQueryLoggingConfigs", HostedZoneId=zone)
    assert found["QueryLoggingConfigs"] == [made]
    cloud("route53", "DeleteQueryLoggingConfig", Id=made["Id"])
    refused("NoSuchQueryLoggingConfig", cloud, "GetQueryLoggingConfig", Id=made["Id"])


def test_quotas_tell_what_is_used(cloud: Cloud) -> None:
    zone = cloud.zone()
    told = cloud("route53", "GetHostedZoneLimit", HostedZoneId=zone, Type="MAX_RRSETS_BY_ZONE")
    assert (told["Limit"]["Value"], told["Count"]) == (10_000, 2)
    told = cloud("route53", "GetAccountLimit", Type="MAX_HOSTED_ZONES_BY_OWNER")
    assert (told["Limit"]["Value"], told["Count"]) == (500, 1)
