"""ACM's events on the account's default bus: about to expire, expired, available, not renewed.

Each is told once: what was told is noted, by certificate, kind and occasion. A crash between the
two tells it twice, which EventBridge allows itself as well ("best effort").

https://docs.aws.amazon.com/acm/latest/userguide/supported-events.html
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hiyoko import api
from hiyoko.clock import Clock
from hiyoko.reconcile.event_bus import put_event
from hiyoko.services.acm import rows as acm
from hiyoko.services.acm.model import DAY_S, Certificate, Kind, Status
from hiyoko.services.acm.rows import Known
from hiyoko.services.acm.seen import EVENTS_SEEN, EventSeen
from hiyoko.store.database import Store

log = logging.getLogger(__name__)

DAYS_BY_DEFAULT = {Kind.AMAZON_ISSUED: 30, Kind.IMPORTED: 45}
"""Before the account says otherwise."""
ACTION_DAYS = (45, 30, 15, 7, 3, 1)
"""When a renewal that cannot go on is told again."""
APPROACHING = "ACM Certificate Approaching Expiration"
EXPIRED = "ACM Certificate Expired"
AVAILABLE = "ACM Certificate Available"
ACTION_REQUIRED = "ACM Certificate Renewal Action Required"
REVOKED = "ACM Certificate Revoked"


@dataclass(frozen=True, slots=True)
class Event:
    """One event, and the occasion that tells it from others of its kind."""

    certificate: Certificate
    detail_type: str
    mark: str
    detail: dict[str, Any]


async def tell(store: Store, clock: Clock, wished: Iterable[Known], *, heard: bool = True) -> None:
    """Put what is new of these certificates on the bus, and note it.

    While nobody has used the bus (``heard`` is false) nobody can have a rule there: it is noted
    only, and the neighbour that is the bus is not loaded for it.
    Without a bus (the neighbours are not installed) it is noted all the same, and said once in the
    log: certificates do not wait for it.
    """
    now = clock.now()
    with store.reading() as tx:
        days = {(c.account, c.region): c.days_before_expiry for c in acm.CONFIGURATIONS.list(tx)}
        noted = EVENTS_SEEN.list(tx)
        told = {(e.certificate_arn, e.detail_type, e.mark) for e in noted}
        silent = any(not e.delivered for e in noted)
        events = [
            event
            for known in wished
            for event in occasions(
                known, now, days.get((known.certificate.account, known.certificate.region))
            )
            if (event.certificate.arn, event.detail_type, event.mark) not in told
        ]
    for event in events:
        try:
            if heard:
                await asyncio.to_thread(_put, event, now)
        except api.AwsError as error:
            if not silent:
                log.warning("no event can be put on the bus, and none will be: %s", error)
            silent, delivered = True, False
        else:
            delivered = True
        seen = EventSeen(event.certificate.arn, event.detail_type, event.mark, delivered, now)
        with store.transaction() as tx, tx.unobserved():
            EVENTS_SEEN.put(tx, seen)


def _put(event: Event, now: float) -> None:
    certificate = event.certificate
    place = certificate.account, certificate.region
    detail = json.dumps(event.detail)
    put_event("aws.acm", event.detail_type, detail, now, place, [certificate.arn])


def occasions(known: Known, now: float, days_before: int | None) -> Iterator[Event]:
    """All that there is to tell of a certificate at this moment."""
    certificate, state, not_after = known.certificate, known.status(now), known.not_after
    if not_after is None:
        return
    days = int((not_after - now) // DAY_S)
    if state is Status.ISSUED:
        yield _available(known, days)
        begin = days_before if days_before is not None else DAYS_BY_DEFAULT[certificate.kind]
        if days < begin:
            detail = {"DaysToExpiry": days, "CommonName": certificate.domain}
            yield Event(certificate, APPROACHING, f"{not_after:.0f} {days}", detail)
        renewal = known.renewal
        if renewal is not None and renewal.status == "PENDING_VALIDATION":
            last = min((day for day in ACTION_DAYS if day > days), default=days)
            reason = {"RenewalStatusReason": renewal.reason} if renewal.reason else {}
            detail = _described(known) | reason | {"DaysToExpiry": days}
            yield Event(certificate, ACTION_REQUIRED, f"{not_after:.0f} {last}", detail)
    # An imported one expires in silence.
    if state is Status.EXPIRED and certificate.kind is not Kind.IMPORTED:
        yield Event(certificate, EXPIRED, f"{not_after:.0f}", _described(known))
    if state is Status.REVOKED:
        yield Event(certificate, REVOKED, f"{not_after:.0f}", _described(known))


def _available(known: Known, days: int) -> Event:
    renewed = known.renewal is not None and known.renewal.status == "SUCCESS"
    action = "RENEWAL" if renewed else "ISSUANCE"
    if known.certificate.imported is not None:
        first = known.certificate.created_at == known.certificate.imported.imported_at
        action = "IMPORT" if first else "REIMPORT"
    # The serial number: each certificate becomes available once.
    imported, issued = known.certificate.imported, known.issued
    serial = imported.facts.serial if imported else issued.serial if issued else ""
    detail = {"Action": action, "DaysToExpiry": days} | _described(known)
    return Event(known.certificate, AVAILABLE, serial, detail)


def _described(known: Known) -> dict[str, Any]:
    certificate = known.certificate
    shown: dict[str, Any] = {
        "CertificateType": certificate.kind.value,
        "CommonName": certificate.domain,
        "InUse": bool(known.used_by),
        "Exported": certificate.exported_at is not None,
        "CertificateCreatedDate": _iso(certificate.created_at),
    }
    if known.not_after is not None:
        shown["CertificateExpirationDate"] = _iso(known.not_after)
    if certificate.imported is None:
        shown["DomainValidationMethod"] = certificate.method.value
    return shown


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
