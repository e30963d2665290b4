"""Health checks that follow a CloudWatch alarm: which alarms they can follow.

A check reads the alarm's data by the alarm's settings, not its state: SetAlarmState does nothing to
it. The settings are those of the moment when the check was made or updated.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html
"""

from __future__ import annotations

from collections.abc import Mapping

from hiyoko.api import Call
from hiyoko.services.cloudwatch import rows as cloudwatch
from hiyoko.services.cloudwatch.model import MINUTE_S, Alarm
from hiyoko.services.route53 import errors
from hiyoko.services.route53.model import AlarmIdentifier, HealthCheckConfig

ALARM_TYPE = "CLOUDWATCH_METRIC"
LAST_KNOWN, HEALTHY = "LastKnownStatus", "Healthy"
_STATISTICS = frozenset({"Average", "Minimum", "Maximum", "Sum", "SampleCount"})


def identifier(given: Mapping[str, str]) -> AlarmIdentifier:
    """An AlarmIdentifier."""
    return AlarmIdentifier(given["Region"], given["Name"])


def followed(call: Call, config: HealthCheckConfig) -> Alarm | None:
    """The alarm of a check as it is now; None for other types. Raises InvalidInput."""
    if config.type != ALARM_TYPE:
        return None
    if config.alarm is None:
        raise errors.invalid_input(f"AlarmIdentifier must be specified for {ALARM_TYPE}.")
    place = {"account": call.account, "region": config.alarm.region}
    alarm = cloudwatch.ALARMS.find(call.tx, **place, name=config.alarm.name)
    if alarm is None:
        raise errors.invalid_input(
            f"The alarm {config.alarm.name} does not exist in the Region {config.alarm.region}."
        )
    wrong = _unfollowable(alarm)
    if wrong:
        raise errors.invalid_input(f"The alarm {alarm.name} can't be followed: {wrong}")
    return alarm


def _unfollowable(alarm: Alarm) -> str | None:
    if alarm.metrics:
        return "metric math is not supported."
    if alarm.period_s < MINUTE_S:
        return "high-resolution metrics are not supported."
    if alarm.statistic not in _STATISTICS:
        return "extended statistics are not supported."
    if alarm.needed != alarm.evaluation_periods:
        return "M out of N alarms are not supported."
    return None
