"""Key sets of signed zones, with a KMS that can be told to fail."""

from __future__ import annotations

from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.api.dns_cloud import Cloud

from hiyoko import api
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.dns.zone_keys import Role, ZoneKeys
from hiyoko.reconcile.zone_signing import AGAIN_S, RENEW_S, sign_zone_keys, signing_of
from hiyoko.services.route53.seen import SIGNATURES_SEEN, SignaturesSeen

ARN = "arn:aws:kms:us-east-1:123456789012:key/one"


class Kms:
    """One key; ``works`` is off while it does not sign."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.works = True
        self.signed = 0

    def ask(
        self, service: str, operation: str, request: api.Request, *, account: str, region: str
    ) -> api.Response:
        if operation == "DescribeKey":
            metadata = {
                "KeySpec": "ECC_NIST_P256",
                "KeyUsage": "SIGN_VERIFY",
                "KeyState": "Enabled",
            }
            return {"KeyMetadata": metadata}
        if operation == "GetPublicKey":
            public = self.key.public_key()
            return {
                "PublicKey": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            }
        if not self.works:
            raise api.AwsError("KMSInvalidStateException", "The key is pending deletion.")
        self.signed += 1
        return {"Signature": self.key.sign(request["Message"], ec.ECDSA(SHA256()))}


class Server:
    """Has the zones' own keys."""

    def zone_key(self, zone_id: str) -> str:
        return str(ZoneKeys(b"x" * 32).key(zone_id, Role.ZONE_SIGNING).public.to_text())


@pytest.fixture
def kms() -> Kms:
    made = Kms()
    api.use_neighbours(made.ask)
    return made


def signed_zone(cloud: Cloud) -> str:
    zone = cloud.zone("example.com")
    request: dict[str, Any] = {
        "CallerReference": "one",
        "HostedZoneId": zone,
        "KeyManagementServiceArn": ARN,
        "Name": "one",
        "Status": "ACTIVE",
    }
    cloud("route53", "CreateKeySigningKey", **request)
    cloud("route53", "EnableHostedZoneDNSSEC", HostedZoneId=zone)
    return zone


def settle(cloud: Cloud) -> None:
    sign_zone_keys(cloud.store, cast(DnsServer, Server()), cloud.clock.now())


def seen(cloud: Cloud) -> SignaturesSeen:
    with cloud.store.reading() as tx:
        (row,) = SIGNATURES_SEEN.list(tx)
    return row


def status(cloud: Cloud, zone: str) -> str:
    return str(cloud("route53", "GetDNSSEC", HostedZoneId=zone)["Status"]["ServeSignature"])


def test_a_key_set_is_signed_once_and_again_in_time(kms: Kms) -> None:
    cloud = Cloud()
    signed_zone(cloud)
    for _ in range(3):
        settle(cloud)
    assert kms.signed == 1
    cloud.clock.time += RENEW_S + 1
    settle(cloud)
    assert kms.signed == 2
    assert seen(cloud).expires_at > cloud.clock.now() + RENEW_S


def test_while_kms_refuses_the_zone_is_not_signed_and_it_is_asked_again(kms: Kms) -> None:
    cloud = Cloud()
    zone = signed_zone(cloud)
    kms.works = False
    settle(cloud)
    with cloud.store.reading() as tx:
        assert signing_of(tx) == {}
    assert status(cloud, zone) == "ACTION_NEEDED"
    kms.works = True
    settle(cloud)
    assert kms.signed == 0  # not at every wake
    cloud.clock.time += AGAIN_S
    settle(cloud)
    assert status(cloud, zone) == "SIGNING"
    with cloud.store.reading() as tx:
        assert len(signing_of(tx)) == 1


def test_what_was_signed_is_kept_as_long_as_it_is_valid(kms: Kms) -> None:
    cloud = Cloud()
    zone = signed_zone(cloud)
    settle(cloud)
    first = seen(cloud)
    kms.works = False
    cloud.clock.time += RENEW_S + 1
    settle(cloud)
    assert seen(cloud).signatures == first.signatures
    assert status(cloud, zone) == "ACTION_NEEDED"
    cloud.clock.time = first.expires_at
    settle(cloud)
    assert seen(cloud).signatures == ()


def test_a_zone_that_is_signed_no_longer_leaves_no_row(kms: Kms) -> None:
    cloud = Cloud()
    zone = signed_zone(cloud)
    settle(cloud)
    cloud("route53", "DisableHostedZoneDNSSEC", HostedZoneId=zone)
    settle(cloud)
    with cloud.store.reading() as tx:
        assert SIGNATURES_SEEN.list(tx) == []
        before = tx.revision
    settle(cloud)
    with cloud.store.reading() as tx:
        assert tx.revision == before
