"""Alarms that end a deployment, the time that it is watched, and early success."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.shifting_cloud import BLUE_GREEN, Shifting

from hiyoko.api import AwsError


@pytest.fixture
def it() -> Shifting:
    it = Shifting.ready()
    for name in ("errors", "latency"):
        it.cloud(
            "PutMetricAlarm",
            "cloudwatch",
            AlarmName=name,
            Namespace="Shop",
            MetricName=name,
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=3 if name == "errors" else 5,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
        )
    return it


def watching(*, rollback: bool = True, **how: Any) -> dict[str, Any]:
    alarms = {"alarmNames": ["errors", "latency"], "enable": True, "rollback": rollback}
    return {"alarms": alarms} | how


def turn(it: Shifting, name: str, state: str) -> None:
    it.cloud("SetAlarmState", "cloudwatch", AlarmName=name, StateValue=state, StateReason="test")


def rolled_out(it: Shifting, **how: Any) -> str:
    """A rolling service whose second deployment has replaced every task; its ARN."""
    it.cloud.serve(deploymentConfiguration=how)
    it.settle()
    it.wait(1)
    arn = it.deploy()
    it.settle()
    it.wait(1)
    it.wait(0)
    assert it.families() == ["2", "2"]
    return arn


def test_a_rollout_is_watched_as_long_as_its_alarms_look_back(it: Shifting) -> None:
    arn = rolled_out(it, **watching())
    assert it.primary["rolloutState"] == "IN_PROGRESS"
    assert it.record(arn)["alarms"] == {
        "status": "MONITORING",
        "alarmNames": ["errors", "latency"],
        "triggeredAlarmNames": [],
    }
    it.wait(4.9)
    assert it.primary["rolloutState"] == "IN_PROGRESS"
    it.wait(0.1)
    assert it.primary["rolloutState"] == "COMPLETED"
    assert it.record(arn)["alarms"]["status"] == "MONITORING_COMPLETE"


def test_a_rollout_without_alarms_is_watched_for_its_bake_time(it: Shifting) -> None:
    rolled_out(it, bakeTimeInMinutes=2)
    assert it.primary["rolloutState"] == "IN_PROGRESS"
    it.wait(2)
    assert it.primary["rolloutState"] == "COMPLETED"


def test_an_alarm_rolls_the_deployment_back(it: Shifting) -> None:
    arn = rolled_out(it, **watching())
    bad = it.primary["id"]
    turn(it, "latency", "ALARM")
    it.settle()
    assert f"(service web) (deployment {bad}) deployment failed: alarm detected." in (
        it.cloud.events()
    )
    assert it.record(arn)["alarms"] == {
        "status": "TRIGGERED",
        "alarmNames": ["errors", "latency"],
        "triggeredAlarmNames": ["latency"],
    }
    it.wait(1)
    it.wait(1)
    assert it.families() == ["1", "1"]
    assert it.record(arn)["status"] == "ROLLBACK_SUCCESSFUL"
    assert it.primary["rolloutState"] == "COMPLETED"


def test_without_rollback_the_deployment_fails(it: Shifting) -> None:
    arn = rolled_out(it, **watching(rollback=False))
    turn(it, "errors", "ALARM")
    it.settle()
    assert it.primary["rolloutState"] == "FAILED"
    assert it.primary["rolloutStateReason"] == "ECS deployment failed: alarm detected."
    assert it.record(arn)["status"] == "STOPPED"
    assert it.families() == ["2", "2"]


def test_an_alarm_that_had_gone_off_before_is_ignored(it: Shifting) -> None:
    it.cloud.serve(deploymentConfiguration=watching())
    it.settle()
    it.wait(1)
    turn(it, "errors", "ALARM")
    arn = it.deploy()
    it.settle()
    it.wait(1)
    it.wait(0)
    assert it.record(arn)["status"] == "IN_PROGRESS"
    turn(it, "errors", "OK")
    turn(it, "errors", "ALARM")
    it.settle()
    assert it.record(arn)["status"] == "IN_PROGRESS"
    turn(it, "latency", "ALARM")
    it.settle()
    assert it.record(arn)["status"] == "ROLLBACK_IN_PROGRESS"


def test_a_complete_deployment_is_not_watched_any_more(it: Shifting) -> None:
    arn = rolled_out(it, **watching())
    it.wait(5)
    turn(it, "errors", "ALARM")
    it.settle()
    assert it.record(arn)["status"] == "SUCCESSFUL"
    assert it.families() == ["2", "2"]


def test_alarms_that_are_switched_off_or_not_there_do_nothing(it: Shifting) -> None:
    off = {"alarmNames": ["errors"], "enable": False, "rollback": True}
    arn = rolled_out(it, alarms=off)
    assert it.record(arn)["alarms"]["status"] == "DISABLED"
    unknown = {"alarmNames": ["later"], "enable": True, "rollback": True}
    arn = it.deploy(deploymentConfiguration={"alarms": unknown})
    it.settle()
    it.wait(1)
    it.wait(0)
    assert it.record(arn)["status"] == "SUCCESSFUL"


def test_an_alarm_in_the_bake_time_gives_the_traffic_back(it: Shifting) -> None:
    it.serve(BLUE_GREEN | watching())
    arn = it.deploy()
    it.settle()
    assert it.shares(it.production) == [0, 100]
    turn(it, "errors", "ALARM")
    it.cloud.schedule()
    assert it.shares(it.production) == it.shares(it.test) == [100, 0]
    it.settle()
    it.drain()
    assert it.record(arn)["status"] == "ROLLBACK_SUCCESSFUL"
    assert it.record(arn)["alarms"]["triggeredAlarmNames"] == ["errors"]
    assert it.families() == ["1", "1"]


def test_enabled_alarms_need_a_name(it: Shifting) -> None:
    with pytest.raises(AwsError, match="alarmNames cannot be empty"):
        it.cloud.serve(
            deploymentConfiguration={"alarms": {"alarmNames": [], "enable": True, "rollback": True}}
        )


def early(cleanup: str) -> dict[str, Any]:
    return {
        "minimumHealthyPercent": 50,
        "earlySuccessCriteria": {
            "enable": True,
            "healthyPercent": 50,
            "sourceServiceRevisionCleanup": cleanup,
        },
    }


@pytest.mark.parametrize(
    ("cleanup", "state"), [("DEFERRED", "COMPLETED"), ("BLOCKING", "IN_PROGRESS")]
)
def test_half_of_the_tasks_may_be_enough(it: Shifting, cleanup: str, state: str) -> None:
    it.cloud.serve(desiredCount=4, deploymentConfiguration=early(cleanup))
    it.settle()
    it.wait(1)
    it.deploy()
    it.cloud.schedule()
    new = [one for one in it.cloud.tasks() if one["taskDefinitionArn"].endswith(":2")]
    it.cloud.run(*new[:2])
    it.cloud.schedule()
    assert it.primary["rolloutState"] == state
    assert it.families().count("1") == 2
    for _ in range(3):
        it.wait(1)
    assert it.primary["rolloutState"] == "COMPLETED"
    assert it.families() == ["2"] * 4


def test_early_success_is_checked(it: Shifting) -> None:
    for changes, message in (
        ({"healthyPercent": 40}, "greater than or equal to minimumHealthyPercent"),
        ({"healthyPercent": None}, "are required when"),
    ):
        how = early("DEFERRED")
        criteria = how["earlySuccessCriteria"] | changes
        how["earlySuccessCriteria"] = {k: v for k, v in criteria.items() if v is not None}
        with pytest.raises(AwsError, match=message):
            it.cloud.serve(deploymentConfiguration=how)
    with pytest.raises(AwsError, match="ROLLING deployment strategy"):
        it.cloud.serve(deploymentConfiguration=BLUE_GREEN | early("DEFERRED"))
