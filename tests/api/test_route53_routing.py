from __future__ import annotations

from typing import Any

import pytest
from tests.api.conftest import Endpoint
from tests.api.dns_cloud import Cloud, alias, record

from hiyoko.api import AwsError

WHERE = r"Change with \[Action=CREATE, Name=a.example.com., Type=A, SetIdentifier="


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def a(set_id: str, **routing: Any) -> dict[str, Any]:
    return record("a.example.com", "A", "198.19.0.1") | {"SetIdentifier": set_id} | routing


def check(cloud: Cloud) -> str:
    config = {"Type": "TCP", "IPAddress": "198.19.0.1", "Port": 80}
    made = cloud(
        "route53", "CreateHealthCheck", CallerReference=cloud.ids.uuid(), HealthCheckConfig=config
    )
    return str(made["HealthCheck"]["Id"])


@pytest.mark.parametrize(
    "routing",
    [
        {"Weight": 0},
        {"Region": "eu-central-1"},
        {"Failover": "SECONDARY"},
        {"MultiValueAnswer": True},
        {"GeoLocation": {"ContinentCode": "AS"}},
        {"GeoLocation": {"CountryCode": "US", "SubdivisionCode": "VA"}},
        {"GeoLocation": {"CountryCode": "*"}},
        {"GeoProximityLocation": {"AWSRegion": "us-east-1", "Bias": -10}},
        {
            "GeoProximityLocation": {
                "Coordinates": {"Latitude": "35", "Longitude": "139.7"},
                "Bias": 0,
            }
        },
    ],
)
def test_what_was_given_is_listed_and_deletes_it(cloud: Cloud, routing: dict[str, Any]) -> None:
    zone = cloud.zone()
    wanted = a("one", HealthCheckId=check(cloud), **routing)
    cloud.change(zone, ("CREATE", wanted))
    found = cloud.records(zone)["ResourceRecordSets"][-1]
    assert found == wanted | {"Name": "a.example.com."}
    cloud.change(zone, ("DELETE", found))
    assert len(cloud.records(zone)["ResourceRecordSets"]) == 2


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"Weight": 1}, "Missing field 'SetIdentifier' in " + WHERE + "null"),
        ({"HealthCheckId": "x"}, "Missing field 'SetIdentifier' in " + WHERE + "null"),
        ({"SetIdentifier": "x"}, "Expected exactly one of .*Weight.*found none in " + WHERE + "x"),
        (
            {"SetIdentifier": "x", "Weight": 1, "Region": "us-east-1"},
            "but found more than one in " + WHERE + "x",
        ),
        (
            {"SetIdentifier": "x", "Failover": "PRIMARY"},
            "Missing field 'HealthCheckId' in " + WHERE + "x",
        ),
        (
            {"SetIdentifier": "x", "GeoLocation": {"ContinentCode": "AS", "CountryCode": "JP"}},
            "Expected exactly one of",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    cloud: Cloud, wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=f"InvalidInput: Invalid request: .*{message}"):
        cloud.change(cloud.zone(), ("CREATE", record("a.example.com", "A", "198.19.0.1") | wanted))


def test_types_and_aliases_that_a_policy_does_not_take_are_refused(cloud: Cloud) -> None:
    zone = cloud.zone()
    multivalue = {"SetIdentifier": "x", "MultiValueAnswer": True}
    for wanted in (
        record("ns.example.com", "NS", "ns.example.org") | {"SetIdentifier": "x", "Weight": 1},
        record("c.example.com", "CNAME", "www.example.org") | multivalue,
        alias("b.example.com", "a.example.com", zone.rsplit("/", 1)[-1]) | multivalue,
    ):
        with pytest.raises(AwsError, match=r"InvalidInput.* is not allowed for "):
            cloud.change(zone, ("CREATE", wanted))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("GeoProximityLocation.LocalZoneGroup", {"LocalZoneGroup": "us-east-1-bue-1"}),
        ("AZAffinity", {"Scope": "Global"}),
        ("TrafficPolicyInstanceId", "x"),
    ],
)
def test_other_policies_are_refused_by_name(cloud: Cloud, member: str, value: object) -> None:
    with pytest.raises(AwsError, match=f"hiyoko does not implement {member}"):
        cloud.change(cloud.zone(), ("CREATE", a("x", **{member.split(".")[0]: value})))


def test_a_record_set_needs_a_health_check_that_exists(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="NoSuchHealthCheck"):
        cloud.change(cloud.zone(), ("CREATE", a("x", Weight=1, HealthCheckId="none")))


def test_a_group_is_listed_by_identifier_and_paged_within(cloud: Cloud) -> None:
    zone = cloud.zone()
    cloud.change(zone, *(("CREATE", a(name, Weight=1)) for name in ("c", "a", "b")))
    page = cloud.records(zone, MaxItems="4")
    assert [r.get("SetIdentifier") for r in page["ResourceRecordSets"]] == [None, None, "a", "b"]
    assert page["NextRecordIdentifier"] == "c"
    start = {
        f"StartRecord{name}": page[f"NextRecord{name}"] for name in ("Name", "Type", "Identifier")
    }
    rest = cloud.records(zone, **start)["ResourceRecordSets"]
    assert [r["SetIdentifier"] for r in rest] == ["c"]
    with pytest.raises(AwsError, match="InvalidInput"):
        cloud.records(zone, StartRecordIdentifier="c")


def test_boto3_makes_a_checked_failover_pair(endpoint: Endpoint) -> None:
    route53 = endpoint.client("route53")
    zone = route53.create_hosted_zone(Name="example.com", CallerReference="z")["HostedZone"]["Id"]
    config = {
        "Type": "HTTPS_STR_MATCH",
        "IPAddress": "198.19.0.1",
        "FullyQualifiedDomainName": "www.example.com",
        "SearchString": "ok",
        "RequestInterval": 10,
    }
    made = route53.create_health_check(CallerReference="c", HealthCheckConfig=config)
    checked = made["HealthCheck"]
    assert made["Location"].endswith(f"/healthcheck/{checked['Id']}")
    assert checked["HealthCheckConfig"]["Port"] == 443
    pair = [
        a("p", Failover="PRIMARY", HealthCheckId=checked["Id"]),
        a("s", Failover="SECONDARY"),
    ]
    changes = [{"Action": "CREATE", "ResourceRecordSet": each} for each in pair]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [r.get("Failover") for r in found] == [None, None, "PRIMARY", "SECONDARY"]
    assert (
        route53.get_health_check_status(HealthCheckId=checked["Id"])["HealthCheckObservations"]
        == []
    )
    tags = [{"Key": "a", "Value": "b"}]
    route53.change_tags_for_resource(
        ResourceType="healthcheck", ResourceId=checked["Id"], AddTags=tags
    )
    shown = route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=checked["Id"])
    assert shown["ResourceTagSet"]["Tags"] == tags
