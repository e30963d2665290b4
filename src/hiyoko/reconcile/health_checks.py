"""Health checks: each checker asks when it is time, and what it found is recorded.

What follows from it (which record sets are answered) is drawn by ``reconcile.zones``. Checks that
follow an alarm are ``alarm_health``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hiyoko.blueprint.draw_health_checks import (
    draw_probes,
    unhealthy_balancers,
    unhealthy_checks,
)
from hiyoko.blueprint.draw_records import Unhealthy
from hiyoko.blueprint.health_checks import Probe
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.addresses import HEALTH_CHECKERS
from hiyoko.plane.checkers import Checkers, Outcome
from hiyoko.reconcile.alarm_health import follows_alarm, judged_by_alarms, next_look_s
from hiyoko.reconcile.report import Report
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.services.elbv2.seen import TARGETS_SEEN
from hiyoko.services.route53 import rows
from hiyoko.services.route53.seen import HEALTH_CHECKS_SEEN, CheckerSeen, HealthCheckSeen
from hiyoko.store.database import Store, Transaction

SOON_S = 0.05


@dataclass(frozen=True, slots=True)
class HealthCheckReconciler:
    """Asks what is due. ``pace`` shortens every interval by this factor (tests have no minutes)."""

    store: Store
    checkers: Checkers = field(default_factory=Checkers)
    clock: Clock = field(default_factory=SystemClock)
    pace: float = 1.0

    @property
    def name(self) -> str:
        """The module's."""
        return "health_checks"

    async def activate(self) -> Report:
        """Ask whatever is due, record what was answered, and say when the next one is due."""
        report = Report()
        with self.store.reading() as tx:
            checks = rows.list_all_checks(tx)
            probes = {p.check_id: p for p in draw_probes(checks)}
            seen = {row.check_id: row for row in HEALTH_CHECKS_SEEN.list(tx)}
            before = _unhealthy_checks(tx)
        now = self.clock.now()
        due = [p for p in probes.values() if self._left_s(p, seen.get(p.check_id), now) <= 0]
        answered = await self.checkers.ask(due)
        now = self.clock.now()  # an interval begins with the answer
        found = {
            probe.check_id: judged(probe, seen.get(probe.check_id), outcomes, now)
            for probe, outcomes in answered.items()
        }
        following = {check.check_id for check in checks if follows_alarm(check)}
        found |= judged_by_alarms(self.store, self.clock, checks, seen)
        if found or seen.keys() - probes.keys() - following:
            report.saw_change = self._record(found, before)
        seen |= found
        waits = [self._left_s(probe, seen.get(i), now) for i, probe in probes.items()]
        waits += [next_look_s(now)] if following else []
        report.again_s = max(SOON_S, min(waits)) if waits else None
        return report

    def _left_s(self, probe: Probe, seen: HealthCheckSeen | None, now: float) -> float:
        """How long until the probe is due; at once when a Region has not asked yet."""
        if seen is None or {c.region for c in seen.checkers} != set(probe.regions):
            return 0.0
        last = min(checker.checked_at for checker in seen.checkers)
        return last + probe.interval_s * self.pace - now

    def _record(self, found: Mapping[str, HealthCheckSeen], before: frozenset[str]) -> bool:
        """Note what was found. True when a health check turned; a further look alike is no news."""
        with self.store.transaction() as tx:
            # A check may have been deleted, or disabled, while it was asked.
            checks = rows.list_all_checks(tx)
            wished = {p.check_id for p in draw_probes(checks)}
            wished |= {check.check_id for check in checks if follows_alarm(check)}
            for check_id, row in found.items():
                if check_id in wished:
                    HEALTH_CHECKS_SEEN.put(tx, row)
            for row in HEALTH_CHECKS_SEEN.list(tx):
                if row.check_id not in wished:
                    HEALTH_CHECKS_SEEN.delete(tx, check_id=row.check_id)
            return _unhealthy_checks(tx) != before


def judged(
    probe: Probe, before: HealthCheckSeen | None, outcomes: Mapping[str, Outcome], now: float
) -> HealthCheckSeen:
    """Each checker's verdict after this result: it turns after ``threshold`` in a row."""
    known = {checker.region: checker for checker in before.checkers} if before else {}
    return HealthCheckSeen(
        check_id=probe.check_id,
        checkers=tuple(
            _judged(region, outcomes[region], known.get(region), probe.threshold, now)
            for region in probe.regions
        ),
    )


def _judged(
    region: str, outcome: Outcome, before: CheckerSeen | None, threshold: int, now: float
) -> CheckerSeen:
    healthy = before.healthy if before else True  # a new check is healthy until it has failed
    streak = 0 if outcome.healthy == healthy else (before.streak if before else 0) + 1
    if streak >= threshold:
        healthy, streak = not healthy, 0
    failure, failed_at = (before.failure, before.failed_at) if before else ("", 0.0)
    if not outcome.healthy:
        failure, failed_at = outcome.status, now
    return CheckerSeen(
        region=region,
        address=str(HEALTH_CHECKERS[region]),
        healthy=healthy,
        streak=streak,
        status=outcome.status,
        checked_at=now,
        failure=failure,
        failed_at=failed_at,
    )


def _unhealthy_checks(tx: Transaction) -> frozenset[str]:
    verdicts = {
        row.check_id: tuple(checker.healthy for checker in row.checkers)
        for row in HEALTH_CHECKS_SEEN.list(tx)
    }
    return unhealthy_checks(rows.list_all_checks(tx), verdicts)


def unhealthy(tx: Transaction) -> Unhealthy:
    """What is known to be unhealthy now: health checks, and load balancers by their targets."""
    healthy = {
        (row.group_arn, row.target_id, row.port)
        for row in TARGETS_SEEN.list(tx)
        if row.state == "healthy"
    }
    return Unhealthy(
        checks=_unhealthy_checks(tx),
        balancers=unhealthy_balancers(
            elbv2.LOAD_BALANCERS.list(tx),
            elbv2.LISTENERS.list(tx),
            elbv2.RULES.list(tx),
            elbv2.REGISTRATIONS.list(tx),
            healthy,
        ),
    )
