"""The rows of Route 53."""

from __future__ import annotations

from hiyoko.services.route53 import errors
from hiyoko.services.route53.model import (
    CallerReference,
    Change,
    CidrCollection,
    DelegationSet,
    HealthCheck,
    HostedZone,
    KeySigningKey,
    QueryLoggingConfig,
    RecordSet,
    TrafficPolicy,
    TrafficPolicyInstance,
)
from hiyoko.services.route53.names import order
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

ZONES = Table("route53_zone", HostedZone, key=("zone_id",), index=("account", "name"))
RECORDS = Table("route53_record_set", RecordSet, key=("zone_id", "name", "type", "set_id"))
SIGNING_KEYS = Table("route53_key_signing_key", KeySigningKey, key=("zone_id", "name"))
CHANGES = Table("route53_change", Change, key=("change_id",), index=("revision",), kept=8)
REFERENCES = Table(
    "route53_caller_reference", CallerReference, key=("account", "reference"), kept=8
)
CHECKS = Table("route53_health_check", HealthCheck, key=("check_id",), index=("account",))
CHECK_REFERENCES = Table(
    "route53_health_check_reference", CallerReference, key=("account", "reference"), kept=8
)

DELEGATION_SETS = Table(
    "route53_delegation_set", DelegationSet, key=("set_id",), index=("account",)
)
CIDR_COLLECTIONS = Table(
    "route53_cidr_collection", CidrCollection, key=("collection_id",), index=("account",)
)
TRAFFIC_POLICIES = Table(
    "route53_traffic_policy", TrafficPolicy, key=("policy_id", "version"), index=("account",)
)
TRAFFIC_INSTANCES = Table(
    "route53_traffic_policy_instance",
    TrafficPolicyInstance,
    key=("instance_id",),
    index=("account", "zone_id"),
)
QUERY_LOGGING = Table(
    "route53_query_logging", QueryLoggingConfig, key=("config_id",), index=("account", "zone_id")
)


def get_zone(tx: Transaction, account: str, zone_id: str) -> HostedZone:
    """The account's zone. ``zone_id`` bare or as ``/hostedzone/Z...``. Raises NoSuchHostedZone."""
    bare = bare_id(zone_id)
    zone = ZONES.find(tx, zone_id=bare)
    if zone is None or zone.account != account:
        raise errors.no_such_hosted_zone(bare)
    return zone


def get_own_zone(tx: Transaction, account: str, zone_id: str) -> HostedZone:
    """The account's zone, where it may change it. Raises NoSuchHostedZone and AccessDenied."""
    zone = get_zone(tx, account, zone_id)
    if zone.linked:
        raise errors.managed_elsewhere(zone.zone_id, zone.linked)
    return zone


def list_zones(tx: Transaction, account: str) -> list[HostedZone]:
    """The account's zones, oldest first."""
    return sorted(ZONES.list(tx, account=account), key=lambda z: (z.created_at, z.zone_id))


def list_zones_named(tx: Transaction, name: str) -> list[HostedZone]:
    """Every account's zones of this name."""
    return ZONES.list(tx, name=name)


def list_all_zones(tx: Transaction) -> list[HostedZone]:
    """Every account's zones."""
    return ZONES.list(tx)


def list_all_records(tx: Transaction) -> list[RecordSet]:
    """Every account's record sets."""
    return RECORDS.list(tx)


def insert_zone(tx: Transaction, zone: HostedZone) -> None:
    """Add a zone."""
    ZONES.insert(tx, zone)


def put_zone(tx: Transaction, zone: HostedZone) -> None:
    """Replace a zone."""
    ZONES.put(tx, zone)


def delete_zone(tx: Transaction, zone: HostedZone) -> None:
    """Delete a zone with its records."""
    RECORDS.delete(tx, zone_id=zone.zone_id)
    ZONES.delete(tx, zone_id=zone.zone_id)


def list_records(tx: Transaction, zone_id: str) -> list[RecordSet]:
    """A zone's record sets in Route 53's order: reversed names, the apex NS before the SOA."""
    found = RECORDS.list(tx, zone_id=zone_id)
    return sorted(found, key=lambda r: (order(r.name), r.type, r.set_id))


def count_records(tx: Transaction, zone_id: str) -> int:
    """How many record sets a zone holds."""
    found = tx.execute(f"SELECT count(*) FROM {RECORDS.name} WHERE zone_id = ?", (zone_id,))
    return int(found.fetchone()[0])


def put_record(tx: Transaction, record: RecordSet) -> None:
    """Add or replace a record set."""
    RECORDS.put(tx, record)


def delete_record(tx: Transaction, record: RecordSet) -> None:
    """Delete a record set."""
    name, kind, set_id = record.key
    RECORDS.delete(tx, zone_id=record.zone_id, name=name, type=kind, set_id=set_id)


def find_reference(tx: Transaction, account: str, reference: str) -> CallerReference | None:
    """A caller reference that the account has used."""
    return REFERENCES.find(tx, account=account, reference=reference)


def insert_reference(tx: Transaction, reference: CallerReference) -> None:
    """Remember a caller reference for good."""
    REFERENCES.insert(tx, reference)


def get_check(tx: Transaction, account: str, check_id: str) -> HealthCheck:
    """The account's health check. Raises NoSuchHealthCheck."""
    check = CHECKS.find(tx, check_id=check_id)
    if check is None or check.account != account:
        raise errors.no_such_health_check(check_id)
    return check


def list_checks(tx: Transaction, account: str) -> list[HealthCheck]:
    """The account's health checks, by id."""
    return CHECKS.list(tx, account=account)


def list_all_checks(tx: Transaction) -> list[HealthCheck]:
    """Every account's health checks."""
    return CHECKS.list(tx)


def put_check(tx: Transaction, check: HealthCheck) -> None:
    """Add or replace a health check."""
    CHECKS.put(tx, check)


def delete_check(tx: Transaction, check: HealthCheck) -> None:
    """Delete a health check."""
    CHECKS.delete(tx, check_id=check.check_id)


def check_reference_used(tx: Transaction, account: str, reference: str) -> bool:
    """True when the account has made a health check with this caller reference, ever."""
    return CHECK_REFERENCES.find(tx, account=account, reference=reference) is not None


def insert_check_reference(tx: Transaction, reference: CallerReference) -> None:
    """Remember a health check's caller reference for good."""
    CHECK_REFERENCES.insert(tx, reference)


def get_change(tx: Transaction, account: str, change_id: str) -> Change:
    """The account's change. Raises NoSuchChange."""
    bare = bare_id(change_id)
    change = CHANGES.find(tx, change_id=bare)
    if change is None or change.account != account:
        raise errors.no_such_change(bare)
    return change


def insert_change(tx: Transaction, change: Change) -> None:
    """Add a change."""
    CHANGES.insert(tx, change)


def newest_change_revision(tx: Transaction) -> int:
    """The store revision of the newest change, 0 when there is none."""
    found = tx.execute(f"SELECT max(revision) FROM {CHANGES.name}").fetchone()[0]
    return int(found or 0)


def get_delegation_set(tx: Transaction, account: str, set_id: str) -> DelegationSet:
    """The account's reusable set; its id bare or as ``/delegationset/N...``.

    Raises NoSuchDelegationSet.
    """
    found = DELEGATION_SETS.find(tx, set_id=bare_id(set_id))
    if found is None or found.account != account:
        raise errors.no_such_delegation_set(bare_id(set_id))
    return found


def get_collection(tx: Transaction, account: str, collection_id: str) -> CidrCollection:
    """The account's CIDR collection. Raises NoSuchCidrCollectionException."""
    found = CIDR_COLLECTIONS.find(tx, collection_id=collection_id)
    if found is None or found.account != account:
        raise errors.no_such_cidr_collection(collection_id)
    return found


def get_policy(tx: Transaction, account: str, policy_id: str, version: int) -> TrafficPolicy:
    """The account's traffic policy of this version. Raises NoSuchTrafficPolicy."""
    found = TRAFFIC_POLICIES.find(tx, policy_id=policy_id, version=version)
    if found is None or found.account != account:
        raise errors.no_such_traffic_policy(policy_id, version)
    return found


def get_instance(tx: Transaction, account: str, instance_id: str) -> TrafficPolicyInstance:
    """The account's traffic policy instance. Raises NoSuchTrafficPolicyInstance."""
    found = TRAFFIC_INSTANCES.find(tx, instance_id=instance_id)
    if found is None or found.account != account:
        raise errors.no_such_traffic_policy_instance(instance_id)
    return found


def get_query_logging(tx: Transaction, account: str, config_id: str) -> QueryLoggingConfig:
    """The account's query logging configuration. Raises NoSuchQueryLoggingConfig."""
    found = QUERY_LOGGING.find(tx, config_id=config_id)
    if found is None or found.account != account:
        raise errors.no_such_query_logging_config(config_id)
    return found


def get_signing_key(tx: Transaction, zone_id: str, name: str) -> KeySigningKey:
    """A zone's key-signing key. Raises NoSuchKeySigningKey."""
    key = SIGNING_KEYS.find(tx, zone_id=zone_id, name=name)
    if key is None:
        raise errors.no_such_key_signing_key(name)
    return key


def bare_id(text: str) -> str:
    """An id without the ``/hostedzone/`` or ``/change/`` that callers may leave before it."""
    return text.rsplit("/", 1)[-1]
