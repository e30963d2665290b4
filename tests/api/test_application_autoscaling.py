"""Application Auto Scaling over real ECS, CloudWatch and scheduler: only time and load are played.

https://docs.aws.amazon.com/autoscaling/application/userguide/what-is-application-auto-scaling.html
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.api.conftest import Endpoint
from tests.api.ecs_cloud import Cloud, refused
from tests.api.shapes import check_output

import hiyoko.api
import hiyoko.services.application_autoscaling
import hiyoko.services.cloudwatch
from hiyoko.reconcile.alarms import AlarmReconciler
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.scaling import ScalingReconciler

SERVICE = "application-autoscaling"
WEB = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/c/web",
    "ScalableDimension": "ecs:service:DesiredCount",
}
CPU = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
LABEL = "app/front/0123456789abcdef/targetgroup/web/fedcba9876543210"


class Scaling:
    """The service ``web`` with two running tasks, registered to have one to ten."""

    def __init__(self, **bounds: Any) -> None:
        self.cloud = Cloud.ready()
        self.cloud.clock.time = 1_790_000_040.0  # the beginning of a minute
        self.cloud.serve()
        self.settle()
        self("RegisterScalableTarget", **WEB | {"MinCapacity": 1, "MaxCapacity": 10} | bounds)

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        answer = self.cloud(name, SERVICE, **request)
        check_output(SERVICE, name, answer)
        return answer

    def settle(self) -> None:
        """Every task that shall run runs, and those that shall not are gone."""
        self.cloud.schedule()
        self.cloud.run()
        self.cloud.clock.time += 41  # they count as healthy
        self.cloud.schedule()
        self.cloud.leave()
        self.cloud.schedule()
        self.scale()

    def scale(self) -> Report:
        return asyncio.run(ScalingReconciler(self.cloud.store, self.cloud.clock).activate())

    def track(self, target: float = 50.0, name: str = "cpu", **config: Any) -> dict[str, Any]:
        config = {"TargetValue": target, "PredefinedMetricSpecification": CPU} | config
        return self.put_policy(
            name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=config,
        )

    def put_policy(self, name: str, **more: Any) -> dict[str, Any]:
        return self("PutScalingPolicy", PolicyName=name, **WEB, **more)

    def minutes(self, *values: float, metric: str = "CPUUtilization") -> None:
        """Minutes go by, each with its value of the metric; alarms look after each."""
        for value in values:
            clock = self.cloud.clock
            clock.time = clock.time // 60 * 60 + 60
            sample = {
                "MetricName": metric,
                "Unit": "Percent",
                "Dimensions": [("ClusterName", "c"), ("ServiceName", "web")],
                "Timestamp": clock.time - 60,
                "Values": {value: 1.0},
            }
            request = {"Namespace": "AWS/ECS", "Samples": [sample]}
            self.cloud("_RecordSamples", "cloudwatch", **request)
            clock.time += 3
            asyncio.run(AlarmReconciler(self.cloud.store, clock).activate())

    @property
    def desired(self) -> int:
        return int(self.cloud.service()["desiredCount"])

    def activities(self, **more: Any) -> list[dict[str, Any]]:
        request = {"ServiceNamespace": "ecs", **more}
        found: list[dict[str, Any]] = self("DescribeScalingActivities", **request)[
            "ScalingActivities"
        ]
        return found

    def alarms(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cloud("DescribeAlarms", "cloudwatch")["MetricAlarms"]
        return found


@pytest.fixture
def scaling() -> Scaling:
    return Scaling()


# Scalable targets.


def test_a_target_is_registered_described_and_let_go(scaling: Scaling) -> None:
    (found,) = scaling("DescribeScalableTargets", ServiceNamespace="ecs")["ScalableTargets"]
    assert found["ResourceId"] == "service/c/web"
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 10)
    assert found["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_ECSService")
    scaling("RegisterScalableTarget", **WEB, MaxCapacity=5)
    (found,) = scaling("DescribeScalableTargets", ServiceNamespace="ecs")["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 5)
    scaling.track()
    scaling("DeregisterScalableTarget", **WEB)
    assert scaling.alarms() == []
    assert not scaling("DescribeScalableTargets", ServiceNamespace="ecs")["ScalableTargets"]
    assert "No scalable target found" in refused(
        "ObjectNotFoundException", scaling, "DeregisterScalableTarget", **WEB
    )


def test_bounds_move_a_count_that_is_outside_of_them(scaling: Scaling) -> None:
    scaling("RegisterScalableTarget", **WEB, MinCapacity=4)
    assert scaling.desired == 4
    (activity,) = scaling.activities()
    assert activity["Cause"] == "minimum capacity was set to 4"
    assert activity["Description"] == "Setting desired count to 4."
    assert activity["StatusCode"] == "InProgress"
    assert activity["StatusMessage"] == (
        "Successfully set desired count to 4. Waiting for change to be fulfilled by ecs."
    )
    scaling.settle()
    (activity,) = scaling.activities()
    assert activity["StatusCode"] == "Successful"
    assert activity["StatusMessage"] == (
        "Successfully set desired count to 4. Change successfully fulfilled by ecs."
    )
    assert activity["EndTime"] > activity["StartTime"]


def test_what_cannot_be_a_target_is_refused(scaling: Scaling) -> None:
    register = ("RegisterScalableTarget",)
    text = refused(
        "ValidationException", scaling, *register, **WEB | {"ResourceId": "service/c/none"}
    )
    assert text == "ECS service doesn't exist: service/c/none"
    refused("ValidationException", scaling, *register, **WEB, MinCapacity=11)
    refused("ValidationException", scaling, *register, **WEB | {"ResourceId": "table/t"})
    other = {"ScalableDimension": "dynamodb:table:ReadCapacityUnits"}
    refused("ValidationException", scaling, *register, **WEB | other)
    text = refused("NotImplemented", scaling, *register, **WEB | {"ServiceNamespace": "dynamodb"})
    assert "ServiceNamespace='dynamodb'" in text


def test_tags_of_a_target(scaling: Scaling) -> None:
    (found,) = scaling("DescribeScalableTargets", ServiceNamespace="ecs")["ScalableTargets"]
    arn = {"ResourceARN": found["ScalableTargetARN"]}
    scaling("TagResource", **arn, Tags={"team": "shop", "env": "test"})
    scaling("UntagResource", **arn, TagKeys=["env"])
    assert scaling("ListTagsForResource", **arn)["Tags"] == {"team": "shop"}
    refused("ResourceNotFoundException", scaling, "ListTagsForResource", ResourceARN="arn:x")


# Target tracking.


def test_tracking_makes_two_alarms_named_as_aws_names_them(scaling: Scaling) -> None:
    made = scaling.track(60.0)
    high, low = scaling.alarms()
    assert [one["AlarmName"] for one in made["Alarms"]] == [high["AlarmName"], low["AlarmName"]]
    assert high["AlarmName"].startswith("TargetTracking-service/c/web-AlarmHigh-")
    assert low["AlarmName"].startswith("TargetTracking-service/c/web-AlarmLow-")
    assert (high["EvaluationPeriods"], high["Threshold"]) == (3, 60.0)
    assert (low["EvaluationPeriods"], low["Threshold"]) == (15, 54.0)
    assert high["ComparisonOperator"] == "GreaterThanThreshold"
    assert low["ComparisonOperator"] == "LessThanThreshold"
    assert high["AlarmActions"] == low["AlarmActions"] == [made["PolicyARN"]]
    assert (high["Namespace"], high["MetricName"]) == ("AWS/ECS", "CPUUtilization")
    scaling.track(70.0)
    assert [one["Threshold"] for one in scaling.alarms()] == [70.0, 63.0]
    assert scaling.alarms()[0]["AlarmName"] == high["AlarmName"]
    scaling.track(70.0, DisableScaleIn=True)
    assert [one["AlarmName"] for one in scaling.alarms()] == [high["AlarmName"]]
    scaling("DeleteScalingPolicy", PolicyName="cpu", **WEB)
    assert scaling.alarms() == []


def test_three_minutes_above_the_target_scale_out_in_proportion(scaling: Scaling) -> None:
    scaling.track(50.0)
    scaling.minutes(90, 90)
    assert scaling.desired == 2
    scaling.minutes(110)
    assert scaling.desired == 5  # 2 * 110 / 50
    (activity,) = scaling.activities()
    name = scaling.alarms()[0]["AlarmName"]
    assert activity["Cause"] == f"monitor alarm {name} in state ALARM triggered policy cpu"
    scaling.settle()
    assert len(scaling.cloud.tasks()) == 5
    assert scaling.activities()[0]["StatusCode"] == "Successful"


def test_in_the_cooldown_only_a_larger_need_adds_tasks(scaling: Scaling) -> None:
    scaling.track(50.0, ScaleOutCooldown=300)
    scaling.minutes(90, 90, 90)
    assert scaling.desired == 4
    scaling.settle()
    # Triggered each minute, but the two that were added are what was called for.
    scaling.minutes(90, 90)
    assert scaling.desired == 4
    scaling.minutes(140)
    assert scaling.desired == 6  # of the two that it began with
    scaling.settle()
    scaling.minutes(*[90] * 6)
    assert scaling.desired == 10  # 6 * 90 / 50 is 11, the bound is 10


def test_fifteen_minutes_below_scale_in_when_no_deployment_goes_on(scaling: Scaling) -> None:
    scaling("RegisterScalableTarget", **WEB, MinCapacity=2)
    scaling.cloud("UpdateService", cluster="c", service="web", desiredCount=6)
    scaling.settle()
    scaling.track(50.0, ScaleInCooldown=120)
    scaling.minutes(*[20] * 14)
    assert scaling.desired == 6
    scaling.cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    scaling.minutes(20)
    assert scaling.desired == 6  # paused: the deployment is in progress
    for _ in range(6):
        scaling.settle()
    scaling.minutes(20)
    assert scaling.desired == 3  # 6 * 20 / 50
    scaling.settle()
    scaling.minutes(10)
    assert scaling.desired == 3  # the cooldown
    scaling.minutes(*[10] * 3)
    assert scaling.desired == 2  # by the highest of the 15 minutes, and the bound


def test_a_scale_in_keeps_what_the_last_fifteen_minutes_needed(scaling: Scaling) -> None:
    scaling.cloud("UpdateService", cluster="c", service="web", desiredCount=6)
    scaling.settle()
    scaling.track(50.0)
    scaling.minutes(*[30] * 5, *[5] * 10)
    assert scaling.desired == 4  # 6 * 30 / 50, not the one task that the newest minute needed


def test_one_policy_that_needs_the_tasks_keeps_them(scaling: Scaling) -> None:
    memory = {"PredefinedMetricType": "ECSServiceAverageMemoryUtilization"}
    scaling.track(50.0)
    scaling.track(50.0, "memory", PredefinedMetricSpecification=memory)
    scaling.minutes(*[10] * 20)
    assert scaling.desired == 2


def test_a_policy_may_scale_out_only(scaling: Scaling) -> None:
    scaling.track(50.0, DisableScaleIn=True)
    scaling.minutes(*[10] * 20)
    assert scaling.desired == 2


@pytest.mark.parametrize(
    ("state", "values"),
    [("DynamicScalingOutSuspended", [90] * 4), ("DynamicScalingInSuspended", [10] * 16)],
)
def test_a_suspended_direction_rests(scaling: Scaling, state: str, values: list[float]) -> None:
    scaling.track(50.0)
    scaling("RegisterScalableTarget", **WEB, SuspendedState={state: True})
    scaling.minutes(*values)
    assert scaling.desired == 2
    scaling("RegisterScalableTarget", **WEB, SuspendedState={state: False})
    scaling.minutes(values[0])
    assert scaling.desired != 2


def test_at_the_bound_it_says_why_nothing_was_done(scaling: Scaling) -> None:
    scaling("RegisterScalableTarget", **WEB, MaxCapacity=2)
    scaling.track(50.0)
    scaling.minutes(*[90] * 5)
    assert scaling.desired == 2
    assert scaling.activities() == []
    (activity,) = scaling.activities(IncludeNotScaledActivities=True)
    assert activity["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 2}]
    assert activity["StatusCode"] == "Failed"


def test_requests_per_target_are_tracked_by_the_label(scaling: Scaling) -> None:
    metric = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": LABEL}
    scaling.track(100.0, "requests", PredefinedMetricSpecification=metric)
    high = scaling.alarms()[0]
    assert (high["Namespace"], high["MetricName"]) == (
        "AWS/ApplicationELB",
        "RequestCountPerTarget",
    )
    assert high["Statistic"] == "Sum"
    assert {one["Name"]: one["Value"] for one in high["Dimensions"]} == {
        "LoadBalancer": "app/front/0123456789abcdef",
        "TargetGroup": "targetgroup/web/fedcba9876543210",
    }


def test_a_metric_of_ones_own_is_tracked(scaling: Scaling) -> None:
    queries = [
        {"Id": "m", "MetricStat": {"Metric": {"Namespace": "Q", "MetricName": "Depth"},
                                   "Stat": "Sum"}, "ReturnData": False},
        {"Id": "e", "Expression": "m / 2"},
    ]  # fmt: skip
    for given in (
        {"MetricName": "Depth", "Namespace": "Q", "Statistic": "Average"},
        {"Metrics": queries},
    ):
        config = {"TargetValue": 5.0, "CustomizedMetricSpecification": given}
        scaling.put_policy(
            "queue",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=config,
        )
        (shown,) = scaling("DescribeScalingPolicies", ServiceNamespace="ecs")["ScalingPolicies"]
        shape = shown["TargetTrackingScalingPolicyConfiguration"]
        assert shape["CustomizedMetricSpecification"] == given
        assert len(shown["Alarms"]) == 2
    for _ in range(3):
        scaling.cloud.clock.time = scaling.cloud.clock.time // 60 * 60 + 60
        datum = {"MetricName": "Depth", "Value": 20, "Timestamp": scaling.cloud.clock.time - 60}
        scaling.cloud("PutMetricData", "cloudwatch", Namespace="Q", MetricData=[datum])
        scaling.minutes(1)
    assert scaling.desired == 4  # 2 * (20 / 2) / 5


@pytest.mark.parametrize(
    ("code", "config"),
    [
        ("ValidationException", {"PredefinedMetricSpecification": None}),
        ("ValidationException", {"TargetValue": 0.0}),
        ("ValidationException", {"ScaleInCooldown": -1}),
        (
            "ValidationException",
            {"PredefinedMetricSpecification": {"PredefinedMetricType": "ALBRequestCountPerTarget"}},
        ),
        (
            "ValidationException",
            {
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "DynamoDBReadCapacityUtilization"
                }
            },
        ),
        (
            "NotImplemented",
            {
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ECSServiceAverageCPUUtilizationHighResolution"
                }
            },
        ),
    ],
)
def test_a_tracking_that_cannot_be_is_refused(
    scaling: Scaling, code: str, config: dict[str, Any]
) -> None:
    refused(code, scaling.track, **config)
    assert scaling.alarms() == []


def test_what_is_not_done_is_refused_by_name(scaling: Scaling) -> None:
    text = refused("NotImplemented", scaling.put_policy, "p", PolicyType="PredictiveScaling")
    assert "PredictiveScaling" in text
    other = WEB | {"ResourceId": "service/c/other"}
    text = refused(
        "ObjectNotFoundException",
        scaling,
        "PutScalingPolicy",
        PolicyName="p",
        PolicyType="StepScaling",
        **other,
    )
    assert text == (
        "No scalable target registered for service namespace: ecs, resource ID: service/c/other,"
        " scalable dimension: ecs:service:DesiredCount"
    )
    text = refused(
        "ObjectNotFoundException", scaling, "DeleteScalingPolicy", PolicyName="none", **WEB
    )
    assert "policy name: none" in text


# Step scaling.


def put_steps(scaling: Scaling, *steps: tuple[float | None, float | None, int], **more: Any) -> str:
    adjustments = [
        {
            name: value
            for name, value in (
                ("MetricIntervalLowerBound", lower),
                ("MetricIntervalUpperBound", upper),
                ("ScalingAdjustment", adjustment),
            )
            if value is not None
        }
        for lower, upper, adjustment in steps
    ]
    config = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": adjustments} | more
    made = scaling.put_policy(
        "steps", PolicyType="StepScaling", StepScalingPolicyConfiguration=config
    )
    assert made["Alarms"] == []
    return str(made["PolicyARN"])


def alarm(scaling: Scaling, arn: str, comparison: str = "GreaterThanThreshold") -> None:
    scaling.cloud(
        "PutMetricAlarm",
        "cloudwatch",
        AlarmName="busy",
        AlarmActions=[arn],
        Namespace="AWS/ECS",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "ClusterName", "Value": "c"}, {"Name": "ServiceName", "Value": "web"}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=60.0,
        ComparisonOperator=comparison,
    )


def test_a_users_alarm_takes_the_step_of_its_breach(scaling: Scaling) -> None:
    arn = put_steps(scaling, (0, 20, 1), (20, None, 3), Cooldown=60)
    alarm(scaling, arn)
    (shown,) = scaling("DescribeScalingPolicies", ServiceNamespace="ecs")["ScalingPolicies"]
    assert [one["AlarmName"] for one in shown["Alarms"]] == ["busy"]
    scaling.minutes(50)
    assert scaling.desired == 2
    scaling.minutes(70)
    assert scaling.desired == 3
    scaling.minutes(85)
    assert scaling.desired == 5  # three of the two that it began with
    (newest, older) = scaling.activities()
    assert newest["Cause"] == "monitor alarm busy in state ALARM triggered policy steps"
    assert older["StatusCode"] == "Overridden"
    scaling.settle()
    scaling.cloud.clock.time += 60
    scaling.minutes(85)
    assert scaling.desired == 8
    history = scaling.cloud("DescribeAlarmHistory", "cloudwatch", HistoryItemType="Action")
    assert [one["HistorySummary"] for one in history["AlarmHistoryItems"]] == [
        f"Successfully executed action {arn}"  # of the turn; then it goes on without a word
    ]


def test_a_state_that_lasts_costs_no_commit_when_nothing_is_to_be_done(scaling: Scaling) -> None:
    scaling("RegisterScalableTarget", **WEB, MinCapacity=2)
    scaling.track(50.0)
    scaling.minutes(*[10] * 16)
    woken: list[bool] = []
    scaling.cloud.store.watch(lambda _: woken.append(True))
    scaling.minutes(*[10] * 5)
    assert woken == []


def test_a_lasting_state_is_not_evaluated_twice_for_the_same_data(
    scaling: Scaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaling.track(50.0)
    scaling.minutes(10)
    evaluated: list[str] = []
    invoke = hiyoko.api.invoke

    def counted(store: Any, service: str, operation: str, *args: Any, **more: Any) -> Any:
        evaluated.append(operation)
        return invoke(store, service, operation, *args, **more)

    monkeypatch.setattr(hiyoko.api, "invoke", counted)
    alarms = AlarmReconciler(scaling.cloud.store, scaling.cloud.clock)
    reports = [asyncio.run(alarms.activate()) for _ in range(3)]
    assert evaluated == []
    assert reports[-1].again_s == 60
    scaling.cloud.clock.time += 60
    asyncio.run(alarms.activate())
    assert evaluated == ["_EvaluateAlarms"]


def test_steps_down(scaling: Scaling) -> None:
    alarm(scaling, put_steps(scaling, (None, 0, -1), Cooldown=120), "LessThanThreshold")
    scaling.minutes(20)
    assert scaling.desired == 1
    scaling.settle()
    scaling.minutes(*[20] * 5)
    assert scaling.desired == 1
    assert scaling.activities(IncludeNotScaledActivities=True)[0]["NotScaledReasons"] == [
        {"Code": "AlreadyAtMinCapacity", "MinCapacity": 1}
    ]


def test_an_action_that_names_no_policy_is_told_in_the_alarms_history(scaling: Scaling) -> None:
    arn = put_steps(scaling, (0, None, 1))
    alarm(scaling, arn)
    scaling("DeleteScalingPolicy", PolicyName="steps", **WEB)
    scaling.minutes(90)
    history = scaling.cloud("DescribeAlarmHistory", "cloudwatch", HistoryItemType="Action")
    assert history["AlarmHistoryItems"][0]["HistorySummary"].startswith("Failed to execute")


@pytest.mark.parametrize(
    ("steps", "more"),
    [
        ([(0, 20, 1), (10, None, 2)], {}),
        ([(0, 10, 1), (20, None, 2)], {}),
        ([(20, 10, 1)], {}),
        ([(0, None, -1)], {"AdjustmentType": "ExactCapacity"}),
        ([(0, None, 1)], {"MinAdjustmentMagnitude": 2}),
        ([(0, None, 1)], {"Cooldown": -1}),
    ],
)
def test_steps_that_cannot_be_are_refused(
    scaling: Scaling, steps: list[Any], more: dict[str, Any]
) -> None:
    refused("ValidationException", put_steps, scaling, *steps, **more)


def test_another_aggregation_is_refused_by_name(scaling: Scaling) -> None:
    refused("NotImplemented", put_steps, scaling, (0, None, 1), MetricAggregationType="Maximum")


def test_an_alarm_takes_no_other_action_of_auto_scaling(scaling: Scaling) -> None:
    arn = "arn:aws:autoscaling:ap-northeast-1:123456789012:scalingPolicy:1:autoScalingGroupName/g"
    refused("NotImplemented", alarm, scaling, arn)


# Scheduled actions.


def put_action(scaling: Scaling, schedule: str, **more: Any) -> None:
    request = {"ScalableTargetAction": {"MinCapacity": 4}, "Schedule": schedule} | more
    scaling("PutScheduledAction", ScheduledActionName="morning", **WEB, **request)


def test_a_scheduled_action_moves_the_bounds_when_it_is_due(scaling: Scaling) -> None:
    now = scaling.cloud.clock.time
    due = now // 3600 * 3600 + 3600
    local = datetime.fromtimestamp(due + 9 * 3600, UTC)
    put_action(scaling, f"at({local:%Y-%m-%dT%H:%M:%S})", Timezone="Asia/Tokyo")
    report = scaling.scale()
    assert report.quiet
    assert report.again_s == due - now
    scaling.cloud.clock.time = due
    assert scaling.scale().steps == ["run scheduled action morning"]
    assert scaling.desired == 4
    assert scaling.activities()[0]["Cause"] == "minimum capacity was set to 4"
    scaling.settle()
    assert scaling.scale().quiet
    (shown,) = scaling("DescribeScheduledActions", ServiceNamespace="ecs")["ScheduledActions"]
    assert shown["Timezone"] == "Asia/Tokyo"
    assert shown["ScheduledActionARN"].endswith(
        ":resource/ecs/service/c/web:scheduledActionName/morning"
    )
    scaling("DeleteScheduledAction", ScheduledActionName="morning", **WEB)
    refused(
        "ObjectNotFoundException",
        scaling,
        "DeleteScheduledAction",
        ScheduledActionName="morning",
        **WEB,
    )


def test_a_rate_is_done_once_however_often_it_was_due(scaling: Scaling) -> None:
    put_action(scaling, "rate(10 minutes)")
    scaling.cloud.clock.time += 3600
    assert scaling.scale().steps == ["run scheduled action morning"]
    assert not [step for step in scaling.scale().steps if "scheduled" in step]
    scaling.cloud.clock.time += 600
    assert "run scheduled action morning" in scaling.scale().steps


def test_suspended_schedules_rest(scaling: Scaling) -> None:
    scaling("RegisterScalableTarget", **WEB, SuspendedState={"ScheduledScalingSuspended": True})
    put_action(scaling, "rate(1 minute)")
    scaling.cloud.clock.time += 60
    scaling.scale()
    assert scaling.desired == 2


def test_an_action_ends_with_its_end_time(scaling: Scaling) -> None:
    now = scaling.cloud.clock.time
    put_action(scaling, "rate(1 hour)", StartTime=now + 60, EndTime=now + 120)
    scaling.cloud.clock.time += 60
    assert scaling.scale().steps == ["run scheduled action morning"]
    scaling.settle()
    assert scaling.scale().again_s is None


@pytest.mark.parametrize(
    ("schedule", "more"),
    [
        ("every morning", {}),
        ("cron(0 0 * * * *)", {}),
        ("at(2020-01-01T00:00:00)", {}),
        ("rate(1 hour)", {"ScalableTargetAction": {}}),
        ("rate(1 hour)", {"ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 1}}),
        ("rate(1 hour)", {"StartTime": 20.0, "EndTime": 10.0}),
        ("rate(1 hour)", {"Timezone": "Mars/Olympus"}),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(
    scaling: Scaling, schedule: str, more: dict[str, Any]
) -> None:
    refused("ValidationException", put_action, scaling, schedule, **more)


# Over HTTP.


@pytest.fixture
def client(endpoint: Endpoint) -> Any:
    return endpoint.client(SERVICE)


def test_boto3_speaks_to_it(client: Any) -> None:
    assert client.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []
    with pytest.raises(client.exceptions.ObjectNotFoundException):
        client.deregister_scalable_target(**WEB)
    with pytest.raises(ClientError, match="NotImplemented"):
        client.describe_scalable_targets(ServiceNamespace="dynamodb")
