from __future__ import annotations

import pytest
from tests.api.conftest import Endpoint
from tests.api.dns_cloud import ALB_ZONE, DNS_NAME, Cloud, alias, record, with_balancer

from hiyoko.api import AwsError
from hiyoko.services.route53.seen import SERVED_SEEN, ServedSeen


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def code_of(caught: pytest.ExceptionInfo[AwsError]) -> str:
    return caught.value.code


def test_a_public_zone_is_born_with_four_servers_below_four_domains_and_two_sets(
    cloud: Cloud,
) -> None:
    made = cloud("route53", "CreateHostedZone", Name="Example.com", CallerReference="a")
    servers = made["DelegationSet"]["NameServers"]
    assert sorted(server.split(".", 2)[2] for server in servers) == ["co.uk", "com", "net", "org"]
    zone = made["HostedZone"]
    assert (zone["Name"], zone["ResourceRecordSetCount"]) == ("example.com.", 2)
    assert made["Location"].endswith(zone["Id"].rsplit("/", 1)[-1])
    ns, soa = cloud.records(zone["Id"])["ResourceRecordSets"]
    assert (ns["Type"], ns["TTL"], soa["Type"], soa["TTL"]) == ("NS", 172800, "SOA", 900)
    assert [r["Value"] for r in ns["ResourceRecords"]] == [f"{server}." for server in servers]
    assert soa["ResourceRecords"][0]["Value"] == (
        f"{servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    )


def test_a_second_zone_of_the_name_gets_other_servers(cloud: Cloud) -> None:
    servers: set[str] = set()
    for _ in range(20):
        zone = cloud.zone("example.com")
        found = cloud("route53", "GetHostedZone", Id=zone)["DelegationSet"]["NameServers"]
        servers |= set(found)
    assert len(servers) == 80


def test_a_caller_reference_stays_used_after_its_zone_is_gone(cloud: Cloud) -> None:
    made = cloud("route53", "CreateHostedZone", Name="example.com", CallerReference="a")
    cloud("route53", "DeleteHostedZone", Id=made["HostedZone"]["Id"])
    with pytest.raises(AwsError, match="HostedZoneAlreadyExists") as caught:
        cloud("route53", "CreateHostedZone", Name="example.com", CallerReference="a")
    assert caught.value.status == 409


@pytest.mark.parametrize("name", ["com", "*.example.com", "a..b"])
def test_a_name_that_can_be_no_zone_is_refused(cloud: Cloud, name: str) -> None:
    with pytest.raises(AwsError, match="InvalidDomainName"):
        cloud.zone(name)


def test_zones_are_their_accounts_own(cloud: Cloud) -> None:
    zone = cloud.zone()
    with pytest.raises(AwsError, match="No hosted zone found with ID: Z") as caught:
        cloud("route53", "GetHostedZone", account="210987654321", Id=zone)
    assert caught.value.status == 404


def test_a_zone_with_more_than_its_two_sets_is_not_deleted(cloud: Cloud) -> None:
    zone = cloud.zone()
    wanted = record("a.example.com", "A", "192.0.2.1")
    cloud.change(zone, ("CREATE", wanted))
    with pytest.raises(AwsError, match="non-required resource record sets  and so cannot"):
        cloud("route53", "DeleteHostedZone", Id=zone)
    cloud.change(zone, ("DELETE", wanted))
    cloud("route53", "DeleteHostedZone", Id=zone)
    assert cloud("route53", "GetHostedZoneCount")["HostedZoneCount"] == 0


def test_a_change_is_in_sync_only_when_the_servers_were_seen_to_serve_it(cloud: Cloud) -> None:
    change = cloud.change(cloud.zone(), ("CREATE", record("a.example.com", "A", "192.0.2.1")))
    change_id = change["ChangeInfo"]["Id"]

    def status() -> str:
        return str(cloud("route53", "GetChange", Id=change_id)["ChangeInfo"]["Status"])

    assert status() == "PENDING"
    revision = cloud.store.connection.execute("SELECT number FROM revision").fetchone()[0]
    for served, expected in ((revision - 1, "PENDING"), (revision, "INSYNC")):
        with cloud.store.transaction() as tx:
            SERVED_SEEN.put(tx, ServedSeen("dns", served, 0.0))
        assert status() == expected
    with pytest.raises(AwsError, match="NoSuchChange"):
        cloud("route53", "GetChange", Id="/change/CNONE")


def test_a_batch_happens_whole_or_not_at_all(cloud: Cloud) -> None:
    zone = cloud.zone()
    with pytest.raises(AwsError) as caught:
        cloud.change(
            zone,
            ("CREATE", record("a.example.com", "A", "192.0.2.1")),
            ("CREATE", record("b.example.com", "A", "nonsense")),
            ("DELETE", record("c.example.com", "A", "192.0.2.1")),
        )
    assert code_of(caught) == "InvalidChangeBatch"
    assert caught.value.message == (
        "[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address"
        " (Value is not a valid IPv4 address) encountered with 'nonsense'', Tried to delete"
        " resource record set [name='c.example.com.', type='A'] but it was not found]"
    )
    assert len(cloud.records(zone)["ResourceRecordSets"]) == 2


def test_a_set_needs_ttl_and_values_or_an_alias(cloud: Cloud) -> None:
    zone = cloud.zone()
    with pytest.raises(AwsError, match=r"InvalidInput.*but found none in Change with"):
        cloud.change(zone, ("CREATE", {"Name": "a.example.com", "Type": "A"}))
    both = record("a.example.com", "A", "192.0.2.1") | alias("a.example.com", DNS_NAME, ALB_ZONE)
    with pytest.raises(AwsError, match="but found more than one in Change with"):
        cloud.change(zone, ("CREATE", both))


def test_records_are_listed_by_reversed_name_and_paged_from_an_inclusive_start(
    cloud: Cloud,
) -> None:
    zone = cloud.zone()
    names = ["*.example.com", "b.example.com", "a.b.example.com", "a.example.com"]
    cloud.change(zone, *(("CREATE", record(name, "A", "192.0.2.1")) for name in names))
    found = [r["Name"] for r in cloud.records(zone)["ResourceRecordSets"]]
    assert found == [
        "example.com.",
        "example.com.",
        r"\052.example.com.",
        "a.example.com.",
        "b.example.com.",
        "a.b.example.com.",
    ]
    page = cloud.records(zone, MaxItems="4")
    assert page["IsTruncated"]
    assert (page["NextRecordName"], page["NextRecordType"]) == ("b.example.com.", "A")
    rest = cloud.records(zone, StartRecordName="b.example.com", StartRecordType="A")
    assert [r["Name"] for r in rest["ResourceRecordSets"]] == found[4:]
    with pytest.raises(AwsError, match="InvalidInput"):
        cloud.records(zone, StartRecordType="A")


def test_upserts_count_twice_towards_the_thousand_values(cloud: Cloud) -> None:
    values = [f"192.0.{n // 200}.{n % 200}" for n in range(400)]
    zone = cloud.zone()
    with pytest.raises(AwsError, match="limit of 1000"):
        cloud.change(
            zone,
            ("UPSERT", record("a.example.com", "A", *values)),
            ("UPSERT", record("b.example.com", "A", *values[:101])),
        )


def test_an_alias_to_a_load_balancer_needs_its_name_and_its_zone(cloud: Cloud) -> None:
    with_balancer(cloud)
    zone = cloud.zone()
    cloud.change(zone, ("CREATE", alias("www.example.com", f"dualstack.{DNS_NAME}", ALB_ZONE)))
    shown = cloud.records(zone)["ResourceRecordSets"][-1]
    assert shown["AliasTarget"]["DNSName"] == f"dualstack.{DNS_NAME.lower()}."
    assert "TTL" not in shown
    with pytest.raises(AwsError, match="does not lie within the target zone"):
        cloud.change(zone, ("CREATE", alias("x.example.com", DNS_NAME, "Z35SXDOTRQ7X7K")))
    with pytest.raises(AwsError, match="but that target was not found"):
        cloud.change(zone, ("CREATE", alias("x.example.com", "gone." + DNS_NAME, ALB_ZONE)))


def test_an_alias_to_a_load_balancer_is_deleted_by_repeating_it(cloud: Cloud) -> None:
    with_balancer(cloud)
    zone = cloud.zone()
    wanted = alias("www.example.com", DNS_NAME, ALB_ZONE)
    cloud.change(zone, ("CREATE", wanted))
    with pytest.raises(AwsError, match="do not match the current values"):
        cloud.change(zone, ("DELETE", alias("www.example.com", f"dualstack.{DNS_NAME}", ALB_ZONE)))
    cloud.change(zone, ("DELETE", wanted))


def test_a_private_zone_shows_its_vpcs_and_keeps_the_last_one(cloud: Cloud) -> None:
    first, second = cloud.vpc(), cloud.vpc()
    zone = cloud.private_zone("in.example", first)
    shown = cloud("route53", "GetHostedZone", Id=zone)
    assert [vpc["VPCId"] for vpc in shown["VPCs"]] == [first]
    assert "DelegationSet" not in shown
    assert shown["HostedZone"]["Config"]["PrivateZone"]
    with pytest.raises(AwsError, match="LastVPCAssociation"):
        cloud("route53", "DisassociateVPCFromHostedZone", HostedZoneId=zone, VPC=_vpc(first))
    cloud("route53", "AssociateVPCWithHostedZone", HostedZoneId=zone, VPC=_vpc(second))
    cloud("route53", "DisassociateVPCFromHostedZone", HostedZoneId=zone, VPC=_vpc(first))
    with pytest.raises(AwsError, match="VPCAssociationNotFound"):
        cloud("route53", "DisassociateVPCFromHostedZone", HostedZoneId=zone, VPC=_vpc(first))
    found = cloud("route53", "ListHostedZonesByVPC", VPCId=second, VPCRegion="ap-northeast-1")[
        "HostedZoneSummaries"
    ]
    assert [z["Name"] for z in found] == ["in.example."]


def _vpc(vpc_id: str) -> dict[str, str]:
    return {"VPCId": vpc_id, "VPCRegion": "ap-northeast-1"}


def test_a_vpc_sees_one_private_zone_of_a_name_but_parent_and_child(cloud: Cloud) -> None:
    vpc = cloud.vpc()
    cloud.private_zone("in.example", vpc)
    cloud.private_zone("sub.in.example", vpc)
    with pytest.raises(AwsError, match=r"ConflictingDomainExists.*overlapping name space"):
        cloud.private_zone("in.example", vpc)


def test_an_unknown_vpc_and_a_public_zone_are_refused(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="The VPC ID is invalid"):
        cloud.private_zone("in.example", "vpc-0123456789abcdef0")
    with pytest.raises(AwsError, match="PublicZoneVPCAssociation"):
        cloud(
            "route53",
            "AssociateVPCWithHostedZone",
            HostedZoneId=cloud.zone(),
            VPC=_vpc(cloud.vpc()),
        )


def test_zones_by_name_start_at_a_name_and_are_not_filtered_by_it(cloud: Cloud) -> None:
    for name in ("b.com", "a.org", "x.a.com", "a.com"):
        cloud.zone(name)
    found = cloud("route53", "ListHostedZonesByName", DNSName="x.a.com")["HostedZones"]
    assert [z["Name"] for z in found] == ["x.a.com.", "b.com.", "a.org."]
    page = cloud("route53", "ListHostedZonesByName", MaxItems="1")
    assert (page["HostedZones"][0]["Name"], page["NextDNSName"]) == ("a.com.", "x.a.com.")


def test_zones_are_paged_by_marker(cloud: Cloud) -> None:
    for number in range(5):
        cloud.zone(f"zone{number}.com")
    first = cloud("route53", "ListHostedZones", MaxItems="3")
    rest = cloud("route53", "ListHostedZones", Marker=first["NextMarker"])
    assert len(first["HostedZones"]) + len(rest["HostedZones"]) == 5
    assert not rest["IsTruncated"]


def test_a_comment_is_set_and_removed(cloud: Cloud) -> None:
    zone = cloud.zone(HostedZoneConfig={"Comment": "mine"})
    shown = cloud("route53", "UpdateHostedZoneComment", Id=zone)["HostedZone"]
    assert "Comment" not in shown["Config"]


def test_tags_are_added_and_removed_in_one_call(cloud: Cloud) -> None:
    zone = cloud.zone().rsplit("/", 1)[-1]
    of = {"ResourceType": "hostedzone", "ResourceId": zone}
    cloud("route53", "ChangeTagsForResource", **of, AddTags=[{"Key": "a", "Value": "1"}])
    cloud(
        "route53",
        "ChangeTagsForResource",
        **of,
        AddTags=[{"Key": "b", "Value": "2"}],
        RemoveTagKeys=["a"],
    )
    found = cloud("route53", "ListTagsForResource", **of)["ResourceTagSet"]
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]


def test_boto3_sees_what_route_53_sends(endpoint: Endpoint) -> None:
    client = endpoint.client("route53")
    made = client.create_hosted_zone(Name="example.com", CallerReference="http")
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["HostedZone"]["Id"].startswith("/hostedzone/Z")
    zone_id = made["HostedZone"]["Id"]
    values = [{"Value": '"a <b> & \\"c\\""'}]
    wanted = {"Name": "*.example.com", "Type": "TXT", "TTL": 60, "ResourceRecords": values}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": wanted}]}
    change = client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    shown = client.get_change(Id=change["ChangeInfo"]["Id"])["ChangeInfo"]
    assert shown["Status"] == "PENDING"
    pages = client.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone_id, PaginationConfig={"PageSize": 1}
    )
    found = [r for page in pages for r in page["ResourceRecordSets"]]
    assert [r["Type"] for r in found] == ["NS", "SOA", "TXT"]
    assert found[2]["ResourceRecords"] == values
    with pytest.raises(client.exceptions.InvalidChangeBatch, match="it already exists"):
        client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    with pytest.raises(client.exceptions.NoSuchHostedZone):
        client.get_hosted_zone(Id="ZNONE")


def test_boto3_sees_what_certificate_manager_sends(endpoint: Endpoint) -> None:
    client = endpoint.client("acm")
    arn = client.request_certificate(DomainName="example.com", ValidationMethod="DNS")[
        "CertificateArn"
    ]
    shown = client.describe_certificate(CertificateArn=arn)["Certificate"]
    assert shown["Status"] == "PENDING_VALIDATION"
    listed = client.list_certificates()["CertificateSummaryList"]
    assert [entry["CertificateArn"] for entry in listed] == [arn]
    with pytest.raises(client.exceptions.RequestInProgressException):
        client.get_certificate(CertificateArn=arn)
