"""Health checks that follow an alarm: what they take of it, and which they can't follow.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.dns_cloud import Cloud

import hiyoko.services.cloudwatch  # noqa: F401
from hiyoko.api import AwsError

ALARM = {
    "AlarmName": "busy",
    "Namespace": "Shop",
    "MetricName": "Orders",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 3.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
BUSY = {"Region": "eu-central-1", "Name": "busy"}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def put_alarm(cloud: Cloud, **more: Any) -> None:
    cloud("cloudwatch", "PutMetricAlarm", region="eu-central-1", **{**ALARM, **more})


def follow(cloud: Cloud, **more: Any) -> dict[str, Any]:
    made = cloud(
        "route53",
        "CreateHealthCheck",
        CallerReference=cloud.ids.uuid(),
        HealthCheckConfig={"Type": "CLOUDWATCH_METRIC", "AlarmIdentifier": BUSY, **more},
    )
    return dict(made["HealthCheck"])


def test_a_check_shows_its_alarm_as_it_was_when_it_was_made_or_updated(cloud: Cloud) -> None:
    put_alarm(cloud, Dimensions=[{"Name": "Shop", "Value": "1"}])
    check = follow(cloud)
    assert check["HealthCheckConfig"] == {
        "Type": "CLOUDWATCH_METRIC",
        "AlarmIdentifier": BUSY,
        "InsufficientDataHealthStatus": "LastKnownStatus",
        "Inverted": False,
        "Disabled": False,
    }
    told = {k: v for k, v in ALARM.items() if k != "AlarmName"}
    assert check["CloudWatchAlarmConfiguration"] == {
        **told,
        "Dimensions": [{"Name": "Shop", "Value": "1"}],
    }
    put_alarm(cloud, Threshold=9.0)
    shown = cloud("route53", "GetHealthCheck", HealthCheckId=check["Id"])["HealthCheck"]
    assert shown["CloudWatchAlarmConfiguration"]["Threshold"] == 3.0
    updated = cloud(
        "route53",
        "UpdateHealthCheck",
        HealthCheckId=check["Id"],
        InsufficientDataHealthStatus="Unhealthy",
    )["HealthCheck"]
    assert updated["CloudWatchAlarmConfiguration"]["Threshold"] == 9.0
    assert updated["HealthCheckConfig"]["InsufficientDataHealthStatus"] == "Unhealthy"


def test_there_must_be_such_an_alarm(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="InvalidInput: The alarm busy does not exist in the Region"):
        follow(cloud)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Statistic": None, "ExtendedStatistic": "p99"}, "extended statistics"),
        ({"Period": 10}, "high-resolution"),
        ({"DatapointsToAlarm": 1}, "M out of N"),
    ],
)
def test_alarms_with_more_than_route_53_knows_are_refused(
    cloud: Cloud, settings: dict[str, Any], message: str
) -> None:
    put_alarm(cloud, **settings)
    with pytest.raises(
        AwsError, match=f"InvalidInput: The alarm busy can't be followed: {message}"
    ):
        follow(cloud)


def test_an_alarm_of_metric_math_is_refused(cloud: Cloud) -> None:
    plain = ("Namespace", "MetricName", "Statistic", "Period")
    stat = {
        "Metric": {"Namespace": "Shop", "MetricName": "Orders"},
        "Period": 60,
        "Stat": "Sum",
    }
    put_alarm(cloud, **dict.fromkeys(plain), Metrics=[{"Id": "m", "MetricStat": stat}])
    with pytest.raises(AwsError, match="metric math"):
        follow(cloud)
