"""DNSSEC signing: a zone's key-signing keys, and whether it is signed.

The private half of a key-signing key is a customer managed key in KMS, as on AWS: KMS signs the
zone's key set, and Route 53's own key signs everything else.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-configuring-dnssec.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, ask_neighbour, operation
from hiyoko.services.route53 import errors, rows
from hiyoko.services.route53.changes import submit
from hiyoko.services.route53.model import (
    GLOBAL,
    KMS_REGION,
    KSK_ALGORITHM,
    KSK_FLAGS,
    HostedZone,
    KeySigningKey,
)
from hiyoko.services.route53.seen import SIGNATURES_SEEN, SignaturesSeen

KEYS_MAX = 2
_LOCATION = "https://route53.amazonaws.com/2013-04-01/keysigningkey/"
_NAME = re.compile(r"[A-Za-z0-9_]{3,128}")
_POINT_BYTES = 64


@operation("CreateKeySigningKey")
def create_key_signing_key(call: Call, request: Request) -> Response:
    """Record a key-signing key; its customer managed key must be able to sign."""
    zone = _public_zone(call, request["HostedZoneId"])
    name, arn, status = request["Name"], request["KeyManagementServiceArn"], request["Status"]
    if _NAME.fullmatch(name) is None:
        raise errors.invalid_key_signing_key_name(name)
    if status not in ("ACTIVE", "INACTIVE"):
        raise errors.invalid_key_signing_key_status(f"{status} is not a status of a new key.")
    there = rows.SIGNING_KEYS.list(call.tx, zone_id=zone.zone_id)
    reference = request["CallerReference"]
    for key in there:
        if name == key.name or reference == key.caller_reference:
            raise errors.key_signing_key_already_exists(f"name {name}")
        if arn == key.kms_arn:
            raise errors.key_signing_key_already_exists(f"KMS ARN {arn}")
    if len(there) >= KEYS_MAX:
        raise errors.too_many_key_signing_keys(KEYS_MAX)
    key = KeySigningKey(
        account=call.account,
        region=GLOBAL,
        zone_id=zone.zone_id,
        zone_name=zone.name,
        name=name,
        caller_reference=reference,
        kms_arn=arn,
        point=_public_point(call, arn),
        active=status == "ACTIVE",
        created_at=call.now,
        modified_at=call.now,
    )
    rows.SIGNING_KEYS.insert(call.tx, key)
    return {
        "ChangeInfo": submit(call),
        "KeySigningKey": _shown(key, None),
        "Location": f"{_LOCATION}{zone.zone_id}/{name}",
    }


@operation("ActivateKeySigningKey")
def activate_key_signing_key(call: Call, request: Request) -> Response:
    """From now on the key signs the zone's key set."""
    _, key = _key(call, request)
    rows.SIGNING_KEYS.put(call.tx, replace(key, active=True, modified_at=call.now))
    return {"ChangeInfo": submit(call)}


@operation("DeactivateKeySigningKey")
def deactivate_key_signing_key(call: Call, request: Request) -> Response:
    """The key signs no longer; a zone that is signed keeps one that does."""
    zone, key = _key(call, request)
    active = [other for other in _keys(call, zone) if other.active]
    if zone.signing and active == [key]:
        raise errors.key_signing_key_in_use(key.name)
    _check_parent(call, zone, [key])
    rows.SIGNING_KEYS.put(call.tx, replace(key, active=False, modified_at=call.now))
    return {"ChangeInfo": submit(call)}


@operation("DeleteKeySigningKey")
def delete_key_signing_key(call: Call, request: Request) -> Response:
    """Forget an inactive key; the one in KMS stays."""
    _, key = _key(call, request)
    if key.active:
        raise errors.invalid_key_signing_key_status(
            f"Key Signing Key with name {key.name} cannot be deleted because current status is not"
            " INACTIVE."
        )
    rows.SIGNING_KEYS.delete(call.tx, zone_id=key.zone_id, name=key.name)
    return {"ChangeInfo": submit(call)}


@operation("EnableHostedZoneDNSSEC")
def enable_hosted_zone_dnssec(call: Call, request: Request) -> Response:
    """Sign the zone; an active key-signing key must be there."""
    zone = _public_zone(call, request["HostedZoneId"])
    if not any(key.active for key in _keys(call, zone)):
        raise errors.no_active_key_signing_key(zone.zone_id)
    rows.put_zone(call.tx, replace(zone, signing=True))
    return {"ChangeInfo": submit(call)}


@operation("DisableHostedZoneDNSSEC")
def disable_hosted_zone_dnssec(call: Call, request: Request) -> Response:
    """Sign the zone no longer."""
    zone = _public_zone(call, request["HostedZoneId"])
    if not zone.signing:
        raise errors.dnssec_not_found(zone.zone_id)
    _check_parent(call, zone, _keys(call, zone))
    rows.put_zone(call.tx, replace(zone, signing=False))
    return {"ChangeInfo": submit(call)}


@operation("GetDNSSEC")
def get_dnssec(call: Call, request: Request) -> Response:
    """Whether the zone is signed, and its key-signing keys."""
    zone = _public_zone(call, request["HostedZoneId"])
    seen = SIGNATURES_SEEN.find(call.tx, zone_id=zone.zone_id) if zone.signing else None
    status: dict[str, str] = {"ServeSignature": "SIGNING" if zone.signing else "NOT_SIGNING"}
    if seen is not None and seen.failure:
        status = {"ServeSignature": "ACTION_NEEDED", "StatusMessage": seen.failure}
    return {"Status": status, "KeySigningKeys": [_shown(key, seen) for key in _keys(call, zone)]}


def _public_zone(call: Call, zone_id: str) -> HostedZone:
    zone = rows.get_zone(call.tx, call.account, zone_id)
    if zone.private:
        raise errors.invalid_argument("DNSSEC signing is for public hosted zones only.")
    return zone


def _keys(call: Call, zone: HostedZone) -> list[KeySigningKey]:
    return rows.SIGNING_KEYS.list(call.tx, zone_id=zone.zone_id)


def _key(call: Call, request: Request) -> tuple[HostedZone, KeySigningKey]:
    zone = _public_zone(call, request["HostedZoneId"])
    return zone, rows.get_signing_key(call.tx, zone.zone_id, request["Name"])


def _check_parent(call: Call, zone: HostedZone, keys: list[KeySigningKey]) -> None:
    """A DS in a hosted zone above would lead to nothing. (A registry's follows by itself.)"""
    digests = {key.digest: key.name for key in keys if zone.signing and key.active}
    above = zone.name
    while digests and (above := above.partition(".")[2]):
        for parent in rows.list_zones_named(call.tx, above):
            for record in rows.RECORDS.list(
                call.tx, zone_id=parent.zone_id, name=zone.name, type="DS"
            ):
                for value in record.values:
                    found = digests.get(value.split()[-1].upper())
                    if found is not None:
                        raise errors.key_signing_key_in_parent(found)


def _public_point(call: Call, arn: str) -> str:
    """The public key of a customer managed key that can sign for a zone."""
    start = f"arn:aws:kms:{KMS_REGION}:{call.account}:key/"
    if not arn.startswith(start):
        raise errors.invalid_kms_arn(
            f"The CMK with ARN '{arn}' must be a key of this account in {KMS_REGION}."
        )
    try:
        found = ask_neighbour(
            "kms", "DescribeKey", {"KeyId": arn}, account=call.account, region=KMS_REGION
        )["KeyMetadata"]
        public = (
            ask_neighbour(
                "kms", "GetPublicKey", {"KeyId": arn}, account=call.account, region=KMS_REGION
            )["PublicKey"]
            if _can_sign(found)
            else b""
        )
    except AwsError as error:
        if error.code == "NotFoundException":
            raise errors.invalid_kms_arn(f"The CMK with ARN '{arn}' was not found.") from error
        raise
    if not public:
        raise errors.invalid_kms_arn(
            f"The CMK with ARN '{arn}' must be an enabled asymmetric key with key spec"
            " ECC_NIST_P256 and key usage SIGN_VERIFY."
        )
    # A SubjectPublicKeyInfo of P-256 ends with the uncompressed point (RFC 5480).
    return bytes(public[-_POINT_BYTES:]).hex()


def _can_sign(key: dict[str, Any]) -> bool:
    return (key.get("KeySpec"), key.get("KeyUsage"), key.get("KeyState")) == (
        "ECC_NIST_P256",
        "SIGN_VERIFY",
        "Enabled",
    )


def _shown(key: KeySigningKey, seen: SignaturesSeen | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Name": key.name,
        "KmsArn": key.kms_arn,
        "Flag": KSK_FLAGS,
        "SigningAlgorithmMnemonic": "ECDSAP256SHA256",
        "SigningAlgorithmType": KSK_ALGORITHM,
        "DigestAlgorithmMnemonic": "SHA-256",
        "DigestAlgorithmType": 2,
        "KeyTag": key.tag,
        "DigestValue": key.digest,
        "PublicKey": key.public_key,
        "DSRecord": key.delegation_signer,
        "DNSKEYRecord": key.dnskey,
        "Status": "ACTIVE" if key.active else "INACTIVE",
        "CreatedDate": key.created_at,
        "LastModifiedDate": key.modified_at,
    }
    if key.active and seen is not None and seen.failure:
        shown |= {"Status": "ACTION_NEEDED", "StatusMessage": seen.failure}
    return shown
