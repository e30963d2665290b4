"""Health checks that follow an alarm: judged by the alarm's data whenever somebody looks.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hiyoko import api
from hiyoko.clock import Clock
from hiyoko.plane.addresses import HEALTH_CHECKERS
from hiyoko.services.cloudwatch.model import ALARM, INSUFFICIENT_DATA, MINUTE_S, OK
from hiyoko.services.route53.model import HealthCheck
from hiyoko.services.route53.seen import CheckerSeen, HealthCheckSeen
from hiyoko.store.database import Store

LATE_S = 3.0
"""Data of a minute come a moment after its end."""
REPORTER = "us-east-1"
"""The Region whose checker tells the verdict: one look at the data is all that there is."""
# AWS does not say how it words these.
_WORDS = {
    OK: "Success: The data of the CloudWatch alarm are in order.",
    ALARM: "Failure: The data of the CloudWatch alarm breach its threshold.",
    INSUFFICIENT_DATA: "{}: The CloudWatch alarm has too little data.",
}


def follows_alarm(check: HealthCheck) -> bool:
    """True for a check that is judged here."""
    return check.followed is not None and not check.config.disabled


def judged_by_alarms(
    store: Store, clock: Clock, checks: Iterable[HealthCheck], seen: Mapping[str, HealthCheckSeen]
) -> dict[str, HealthCheckSeen]:
    """What is new, by the check's id: a verdict or its reason is another one than before."""
    following = list(filter(follows_alarm, checks))
    if not following:
        return {}
    alarms = [check.followed for check in following]
    judged = api.invoke(store, "cloudwatch", "_JudgeByAlarms", {"Alarms": alarms}, clock=clock)
    found = {}
    for check, state in zip(following, judged["States"], strict=True):
        before = seen.get(check.check_id)
        last = before.checkers[0] if before is not None else None
        if state is None and last is not None:
            continue  # missing data that are to be ignored
        now = _verdict(check, state or INSUFFICIENT_DATA, last, clock.now())
        if last is None or (now.healthy, now.status) != (last.healthy, last.status):
            found[check.check_id] = HealthCheckSeen(check.check_id, (now,))
    return found


def next_look_s(now: float) -> float:
    """How long until another minute's data are there."""
    return MINUTE_S - now % MINUTE_S + LATE_S


def _verdict(check: HealthCheck, state: str, last: CheckerSeen | None, now: float) -> CheckerSeen:
    healthy = state == OK
    if state == INSUFFICIENT_DATA:
        match check.config.insufficient_data:
            case "Healthy":
                healthy = True
            case "Unhealthy":
                healthy = False
            case _:
                healthy = last.healthy if last is not None else True
    status = _WORDS[state].format("Success" if healthy else "Failure")
    failed = (status, now) if not healthy else (last.failure, last.failed_at) if last else ("", 0.0)
    return CheckerSeen(
        region=REPORTER,
        address=str(HEALTH_CHECKERS[REPORTER]),
        healthy=healthy,
        streak=0,
        status=status,
        checked_at=now,
        failure=failed[0],
        failed_at=failed[1],
    )
