"""What was seen of the DNS server (written by ``reconcile.zones`` only) and by the health checkers
(written by ``reconcile.health_checks`` only).
"""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class ServedSeen:
    """The DNS server answers from the zones drawn at this store revision (``key`` is ``dns``).

    ``digest`` is the zone set's: the same one serves later revisions that changed no zone.
    """

    key: str
    revision: int
    seen_at: float
    digest: str = ""


@dataclass(frozen=True, slots=True)
class DelegationSeen:
    """The parent on the simulated internet delegates this public zone to its name servers."""

    zone_id: str
    parent: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class SignaturesSeen:
    """What a zone's key-signing keys signed: its DNSKEY set, all in presentation format.

    They are good until ``expires_at`` and asked for anew from ``renew_at`` on. ``failure`` is why
    KMS did not sign when it was asked last; it is asked again at ``renew_at``.
    """

    zone_id: str
    keys: tuple[str, ...]
    signatures: tuple[str, ...]
    renew_at: float
    expires_at: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class CheckerSeen:
    """What the checker of one Region found last, and how it judges the target.

    ``healthy`` turns only after ``streak`` results in a row against it. ``failure`` is the last
    failed result's words.
    """

    region: str
    address: str
    healthy: bool
    streak: int
    status: str
    checked_at: float
    failure: str = ""
    failed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class HealthCheckSeen:
    """What a health check's checkers say. No row: nobody has checked yet."""

    check_id: str
    checkers: tuple[CheckerSeen, ...]


SERVED_SEEN = Table("route53_served_seen", ServedSeen, key=("key",))
DELEGATIONS_SEEN = Table("route53_delegation_seen", DelegationSeen, key=("zone_id",))
HEALTH_CHECKS_SEEN = Table("route53_health_check_seen", HealthCheckSeen, key=("check_id",))
SIGNATURES_SEEN = Table("route53_signatures_seen", SignaturesSeen, key=("zone_id",))
