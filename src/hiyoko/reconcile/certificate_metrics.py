"""ACM's one metric: twice a day, how many days each certificate has left.

A certificate has its first value as soon as it is there, and none any more once it is expired.
https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html
"""

from __future__ import annotations

from collections.abc import Iterable

from hiyoko.clock import Clock
from hiyoko.reconcile.samples import record_samples, sample
from hiyoko.services.acm.model import DAY_S, Status
from hiyoko.services.acm.rows import Known
from hiyoko.services.cloudwatch import rows as cloudwatch
from hiyoko.store.database import Store

NAMESPACE = "AWS/CertificateManager"
METRIC = "DaysToExpiry"
EVERY_S = DAY_S // 2


def publish(store: Store, clock: Clock, wished: Iterable[Known]) -> None:
    """Put what this half of the day lacks."""
    now = clock.now()
    half = int(now // EVERY_S)
    issued = [known for known in wished if known.status(now) is Status.ISSUED]
    if not issued:
        return
    with store.reading() as tx:
        put = {row.source for row in cloudwatch.INTAKES.list(tx) if row.sequence == half}
    for known in issued:
        if _source(known) not in put:
            _put(store, clock, known, half)


def next_publication(now: float) -> float:
    """When the next half of a day begins."""
    return (now // EVERY_S + 1) * EVERY_S


def _put(store: Store, clock: Clock, known: Known, half: int) -> None:
    certificate, now = known.certificate, clock.now()
    assert known.not_after is not None, "what is issued has an end"
    days = float((known.not_after - now) // DAY_S)
    left = sample(METRIC, "None", [("CertificateArn", certificate.arn)], now, {days: 1.0})
    place, once = (certificate.account, certificate.region), (_source(known), half)
    record_samples(store, clock, place, NAMESPACE, [left], once)


def _source(known: Known) -> str:
    """What tells a certificate's values from others in cloudwatch's list of who has given what."""
    return f"{METRIC}/{known.certificate.arn}"
