"""DNSSEC signing as the API has it: keys, statuses, refusals. Packets are in tests/plane."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from tests.api.dns_cloud import Cloud, record

import hiyoko.services.cloudformation  # noqa: F401
from hiyoko import api
from hiyoko.neighbours import Neighbours
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.services.route53.seen import SERVED_SEEN, ServedSeen

ACCOUNT = "123456789012"


@pytest.fixture(scope="module", autouse=True)
def neighbours() -> Iterator[Neighbours]:
    made = Neighbours()
    yield made
    asyncio.run(made.reset())


@pytest.fixture
def cloud(neighbours: Neighbours) -> Cloud:
    api.use_neighbours(neighbours.ask)
    return Cloud()


def kms_key(region: str = "us-east-1", **more: str) -> str:
    request = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", **more}
    made = api.ask_neighbour("kms", "CreateKey", request, account=ACCOUNT, region=region)
    return str(made["KeyMetadata"]["Arn"])


def create(cloud: Cloud, zone: str, name: str = "first", **more: Any) -> dict[str, Any]:
    request = {
        "CallerReference": name,
        "HostedZoneId": zone,
        "Name": name,
        "Status": "ACTIVE",
        **more,
    }
    request.setdefault("KeyManagementServiceArn", kms_key())
    return cloud("route53", "CreateKeySigningKey", **request)


def code_of(cloud: Cloud, operation: str, **request: Any) -> str:
    with pytest.raises(api.AwsError) as refused:
        cloud("route53", operation, **request)
    return refused.value.code


def test_a_key_is_shown_with_the_ds_that_its_parent_needs(cloud: Cloud) -> None:
    zone = cloud.zone("example.com")
    key = create(cloud, zone)["KeySigningKey"]
    assert (key["Status"], key["Flag"], key["SigningAlgorithmType"]) == ("ACTIVE", 257, 13)
    shown = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DNSKEY, str(key["DNSKEYRecord"]))
    expected = dns.dnssec.make_ds("example.com.", shown, "SHA256").to_text()
    assert key["DSRecord"].lower() == expected.lower()
    assert dns.dnssec.key_id(shown) == key["KeyTag"]  # type: ignore[arg-type]
    found = cloud("route53", "GetDNSSEC", HostedZoneId=zone)
    assert found["Status"] == {"ServeSignature": "NOT_SIGNING"}
    assert found["KeySigningKeys"] == [key]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Name": "no-dash"}, "InvalidKeySigningKeyName"),
        ({"Status": "PERHAPS"}, "InvalidKeySigningKeyStatus"),
        ({"KeyManagementServiceArn": "arn:aws:kms:us-east-1:1:key/x"}, "InvalidKMSArn"),
        (
            {"KeyManagementServiceArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{'0' * 8}"},
            "InvalidKMSArn",
        ),
    ],
)
def test_a_key_that_cannot_sign_is_refused(cloud: Cloud, change: dict[str, str], code: str) -> None:
    request = {
        "CallerReference": "one",
        "HostedZoneId": cloud.zone("example.com"),
        "KeyManagementServiceArn": kms_key(),
        "Name": "first",
        "Status": "ACTIVE",
    }
    assert code_of(cloud, "CreateKeySigningKey", **{**request, **change}) == code


@pytest.mark.parametrize(
    ("region", "more"),
    [
        ("us-east-1", {"KeySpec": "ECC_NIST_P384"}),
        ("us-east-1", {"KeySpec": "RSA_2048"}),
        ("ap-northeast-1", {}),
    ],
)
def test_a_customer_managed_key_of_another_kind_is_refused(
    cloud: Cloud, region: str, more: dict[str, str]
) -> None:
    with pytest.raises(api.AwsError) as refused:
        create(cloud, cloud.zone(), KeyManagementServiceArn=kms_key(region, **more))
    assert refused.value.code == "InvalidKMSArn"


def test_a_zone_has_two_different_keys_at_most(cloud: Cloud) -> None:
    zone, arn = cloud.zone("example.com"), kms_key()
    create(cloud, zone, KeyManagementServiceArn=arn)
    for name, more in (("first", {}), ("other", {"KeyManagementServiceArn": arn})):
        with pytest.raises(api.AwsError) as refused:
            create(cloud, zone, name, **more)
        assert (refused.value.code, refused.value.status) == ("KeySigningKeyAlreadyExists", 409)
    create(cloud, zone, "second")
    with pytest.raises(api.AwsError) as refused:
        create(cloud, zone, "third")
    assert refused.value.code == "TooManyKeySigningKeys"


def test_signing_needs_an_active_key_and_keeps_it(cloud: Cloud) -> None:
    zone = cloud.zone("example.com")
    bare = zone.rsplit("/", 1)[-1]
    with pytest.raises(api.AwsError) as refused:
        cloud("route53", "EnableHostedZoneDNSSEC", HostedZoneId=zone)
    assert refused.value.message == (
        f"Hosted zone with ID '{bare}' does not have a Key Signing Key in ACTIVE status."
    )
    create(cloud, zone, Status="INACTIVE")
    enable = {"HostedZoneId": zone}
    assert code_of(cloud, "EnableHostedZoneDNSSEC", **enable) == (
        "KeySigningKeyWithActiveStatusNotFound"
    )
    cloud("route53", "ActivateKeySigningKey", HostedZoneId=zone, Name="first")
    assert cloud("route53", "EnableHostedZoneDNSSEC", **enable)["ChangeInfo"]["Status"] == "PENDING"
    key = {"HostedZoneId": zone, "Name": "first"}
    assert code_of(cloud, "DeactivateKeySigningKey", **key) == "KeySigningKeyInUse"
    assert code_of(cloud, "DeleteKeySigningKey", **key) == "InvalidKeySigningKeyStatus"
    with pytest.raises(api.AwsError) as refused:
        cloud("route53", "DeleteHostedZone", Id=zone)
    assert refused.value.message == (
        "The specified hosted zone contains DNSSEC Key Signing Keys and so cannot be deleted."
    )
    cloud("route53", "DisableHostedZoneDNSSEC", HostedZoneId=zone)
    assert code_of(cloud, "DisableHostedZoneDNSSEC", HostedZoneId=zone) == "DNSSECNotFound"
    cloud("route53", "DeactivateKeySigningKey", **key)
    cloud("route53", "DeleteKeySigningKey", **key)
    assert code_of(cloud, "DeleteKeySigningKey", **key) == "NoSuchKeySigningKey"
    cloud("route53", "DeleteHostedZone", Id=zone)


def test_a_key_that_a_parent_zone_vouches_for_stays(cloud: Cloud) -> None:
    parent, child = cloud.zone("example.com"), cloud.zone("sub.example.com")
    key = create(cloud, child)["KeySigningKey"]
    create(cloud, child, "second")
    cloud("route53", "EnableHostedZoneDNSSEC", HostedZoneId=child)
    vouched = record("sub.example.com", "DS", key["DSRecord"])
    cloud.change(parent, ("CREATE", record("sub.example.com", "NS", "ns-1.example.org")))
    cloud.change(parent, ("CREATE", vouched))
    refused = "KeySigningKeyInParentDSRecord"
    asked = {"HostedZoneId": child, "Name": "first"}
    assert code_of(cloud, "DeactivateKeySigningKey", **asked) == refused
    assert code_of(cloud, "DisableHostedZoneDNSSEC", HostedZoneId=child) == refused
    cloud.change(parent, ("DELETE", vouched))
    cloud("route53", "DeactivateKeySigningKey", **asked)


def test_a_private_zone_is_not_signed(cloud: Cloud) -> None:
    zone = cloud.private_zone("inside.example.com", cloud.vpc())
    assert code_of(cloud, "GetDNSSEC", HostedZoneId=zone) == "InvalidArgument"


TEMPLATE = """
Resources:
  Zone: {{Type: AWS::Route53::HostedZone, Properties: {{Name: example.com}}}}
  Key:
    Type: AWS::Route53::KeySigningKey
    Properties:
      HostedZoneId: !Ref Zone
      KeyManagementServiceArn: {arn}
      Name: site
      Status: {status}
  Signing:
    Type: AWS::Route53::DNSSEC
    DependsOn: Key
    Properties: {{HostedZoneId: !Ref Zone}}
"""


async def test_a_stack_signs_its_zone_and_takes_everything_away(cloud: Cloud) -> None:
    async def settle() -> None:
        for _ in range(6):
            await StackReconciler(cloud.store, cloud.clock).activate()
            with cloud.store.transaction() as tx:
                SERVED_SEEN.put(tx, ServedSeen("dns", tx.revision, float(tx.revision)))

    def stack(operation: str, **request: Any) -> dict[str, Any]:
        return dict(api.invoke(cloud.store, "cloudformation", operation, request))

    def status() -> str:
        return str(stack("DescribeStacks", StackName=arn)["Stacks"][0]["StackStatus"])

    body = TEMPLATE.format(arn=kms_key(), status="ACTIVE")
    arn = stack("CreateStack", StackName="site", TemplateBody=body)["StackId"]
    await settle()
    assert status() == "CREATE_COMPLETE"
    (zone,) = cloud("route53", "ListHostedZones")["HostedZones"]
    shown = cloud("route53", "GetDNSSEC", HostedZoneId=zone["Id"])
    assert shown["Status"] == {"ServeSignature": "SIGNING"}
    assert [key["Name"] for key in shown["KeySigningKeys"]] == ["site"]
    stack("DeleteStack", StackName="site")
    await settle()
    assert status() == "DELETE_COMPLETE"
    assert cloud("route53", "ListHostedZones")["HostedZones"] == []
