"""Key sets of signed zones: KMS signs them, and what it signed is kept and renewed in time.

The set is the zone's own key, which the DNS plane keeps, and its active key-signing keys, which KMS
keeps. A signature is public, so it is stored: while KMS does not answer, or has lost the key, the
zone goes on with what it has, for as long as that is valid.
"""

from __future__ import annotations

from functools import partial

from hiyoko.api import AwsError, ask_neighbour
from hiyoko.blueprint.zones import Signing
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.dns.signing import KEYS_VALID_S, sign_keys
from hiyoko.services.route53 import rows as route53
from hiyoko.services.route53.model import KMS_REGION, HostedZone, KeySigningKey
from hiyoko.services.route53.seen import SIGNATURES_SEEN, SignaturesSeen
from hiyoko.store.database import Store, Transaction

RENEW_S = KEYS_VALID_S / 4
AGAIN_S = 60.0
"""How soon KMS is asked again when it did not sign."""


def sign_zone_keys(store: Store, server: DnsServer, now: float) -> None:
    """Have every key set signed that is not, or not for long any more. Raises PlaneError."""
    with store.reading() as tx:
        wanted = _wanted(tx)
        seen = {row.zone_id: row for row in SIGNATURES_SEEN.list(tx)}
    made = []
    for zone, keys in wanted:
        known = seen.pop(zone.zone_id, None)
        texts = (server.zone_key(zone.zone_id), *(key.dnskey for key in keys))
        waits = known is not None and known.failure
        if known is None or known.renew_at <= now or (known.keys != texts and not waits):
            made.append(_signed(zone, keys, texts, known, now))
    if made or seen:
        with store.transaction() as tx:
            for zone_id in seen:
                SIGNATURES_SEEN.delete(tx, zone_id=zone_id)
            for row in made:
                SIGNATURES_SEEN.put(tx, row)


def _wanted(tx: Transaction) -> list[tuple[HostedZone, list[KeySigningKey]]]:
    """The zones that are to be signed, each with its active keys."""
    active: dict[str, list[KeySigningKey]] = {}
    for key in route53.SIGNING_KEYS.list(tx):
        if key.active:
            active.setdefault(key.zone_id, []).append(key)
    if not active:
        return []
    zones = (zone for zone in route53.list_all_zones(tx) if zone.signing)
    return [(zone, active[zone.zone_id]) for zone in zones if zone.zone_id in active]


def _signed(
    zone: HostedZone,
    keys: list[KeySigningKey],
    texts: tuple[str, ...],
    known: SignaturesSeen | None,
    now: float,
) -> SignaturesSeen:
    try:
        signatures = tuple(
            sign_keys(zone.name, texts, key.dnskey, partial(_ask_kms, key), now) for key in keys
        )
    except AwsError as error:
        why = f"KMS did not sign the zone's keys: {error.code}: {error.message}"
        if known is not None and known.expires_at > now:
            return SignaturesSeen(
                zone.zone_id, known.keys, known.signatures, now + AGAIN_S, known.expires_at, why
            )
        return SignaturesSeen(zone.zone_id, (), (), now + AGAIN_S, now, why)
    return SignaturesSeen(zone.zone_id, texts, signatures, now + RENEW_S, now + KEYS_VALID_S)


def _ask_kms(key: KeySigningKey, data: bytes) -> bytes:
    request = {"KeyId": key.kms_arn, "Message": data, "SigningAlgorithm": "ECDSA_SHA_256"}
    response = ask_neighbour("kms", "Sign", request, account=key.account, region=KMS_REGION)
    signature: bytes = response["Signature"]
    return signature


def signing_of(tx: Transaction) -> dict[str, Signing]:
    """How each zone is signed whose keys have signed. A row's first key is the zone's own."""
    return {
        row.zone_id: Signing(row.keys[1:], row.signatures)
        for row in SIGNATURES_SEEN.list(tx)
        if row.signatures
    }
