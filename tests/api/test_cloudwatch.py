"""CloudWatch: metrics put and read back, metric math, alarms that turn.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cbor2
import pytest
from botocore.exceptions import ClientError
from tests.api.shapes import check_output
from tests.golden.golden import CountingIds, FixedClock

from hiyoko import api, services
from hiyoko.neighbours import Neighbours
from hiyoko.reconcile.alarms import AlarmReconciler
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.store.database import Store

MINUTE = 60.0
METRIC = {"Namespace": "Shop", "MetricName": "Orders"}


@dataclass
class Watch:
    """CloudWatch on a store in memory, at a time of its own that begins with a minute."""

    store: Store = field(default_factory=lambda: Store.open(":memory:"))
    clock: FixedClock = field(default_factory=FixedClock)

    def __post_init__(self) -> None:
        self.clock.time = 1_790_000_040.0

    def __call__(self, operation: str, /, **request: Any) -> Any:
        return self.call("cloudwatch", operation, request)

    def call(self, service: str, operation: str, request: dict[str, Any]) -> Any:
        response = api.invoke(
            self.store, service, operation, request, clock=self.clock, ids=CountingIds()
        )
        if not operation.startswith("_"):
            check_output(service, operation, response)
        return response

    def put(self, value: float, name: str = "Orders", **more: Any) -> None:
        datum = {"MetricName": name, "Value": value, **more}
        self("PutMetricData", Namespace="Shop", MetricData=[datum])

    def statistics(self, *names: str, minutes: int = 10, **more: Any) -> list[dict[str, Any]]:
        simple = [name for name in names if not name.startswith("p")]
        extended = [name for name in names if name.startswith("p")]
        asked: dict[str, Any] = {"Statistics": simple} if simple else {}
        asked |= {"ExtendedStatistics": extended} if extended else {}
        span = {
            "StartTime": self.clock.time - minutes * MINUTE,
            "EndTime": self.clock.time + MINUTE,
        }
        asked = {**METRIC, **span, "Period": 60, **asked, **more}
        return list(self("GetMetricStatistics", **asked)["Datapoints"])

    def data(self, *queries: dict[str, Any], **more: Any) -> dict[str, list[float]]:
        span = {"StartTime": self.clock.time - 300, "EndTime": self.clock.time}
        order = {"ScanBy": "TimestampAscending", **more}
        answer = self("GetMetricData", MetricDataQueries=list(queries), **span, **order)
        return {found["Id"]: found["Values"] for found in answer["MetricDataResults"]}

    def alarm(self, name: str = "many", **more: Any) -> None:
        usual = {
            **METRIC,
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 5,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        self("PutMetricAlarm", AlarmName=name, **{**usual, **more})

    def pass_minute(self) -> Report:
        self.clock.time += MINUTE
        return asyncio.run(AlarmReconciler(self.store, self.clock).activate())

    def state(self, name: str = "many") -> dict[str, Any]:
        [alarm] = self("DescribeAlarms", AlarmNames=[name])["MetricAlarms"]
        return dict(alarm)

    def refused(self, operation: str, **request: Any) -> api.AwsError:
        with pytest.raises(api.AwsError) as caught:
            self(operation, **request)
        return caught.value


@pytest.fixture
def watch() -> Watch:
    services.load()
    return Watch()


def stat(query_id: str, name: str = "Orders", statistic: str = "Sum", **more: Any) -> Any:
    metric = {"Namespace": "Shop", "MetricName": name}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic},
            **more}  # fmt: skip


def test_values_of_a_minute_are_one_datapoint(watch: Watch) -> None:
    for value in (1, 2, 9):
        watch.put(value, Unit="Count")
    [point] = watch.statistics("Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p100")
    assert point == {
        "Timestamp": watch.clock.time,
        "Unit": "Count",
        "Sum": 12,
        "Average": 4,
        "Minimum": 1,
        "Maximum": 9,
        "SampleCount": 3,
        "ExtendedStatistics": {"p50": 2, "p100": 9},
    }


def test_a_longer_period_begins_with_the_asked_minute(watch: Watch) -> None:
    for minute in range(4):
        watch.put(10**minute, Timestamp=watch.clock.time - minute * MINUTE)
    points = watch.statistics("Sum", minutes=3, Period=120)
    assert [point["Sum"] for point in points] == [1100, 11]


def test_values_with_counts_and_statistic_sets_are_added(watch: Watch) -> None:
    watch("PutMetricData", Namespace="Shop", MetricData=[
        {"MetricName": "Orders", "Values": [1.0, 2.0], "Counts": [3.0, 1.0]},
        {"MetricName": "Orders", "StatisticValues":
            {"SampleCount": 2, "Sum": 10, "Minimum": 4, "Maximum": 6}},
    ])  # fmt: skip
    [point] = watch.statistics("Sum", "SampleCount", "Maximum")
    assert (point["Sum"], point["SampleCount"], point["Maximum"]) == (15, 6, 6)
    [point] = watch.statistics("p50", "Sum")
    assert "ExtendedStatistics" not in point


def test_dimensions_and_units_keep_data_apart(watch: Watch) -> None:
    tokyo = [{"Name": "City", "Value": "Tokyo"}, {"Name": "Floor", "Value": "1"}]
    watch.put(1)
    watch.put(2, Dimensions=tokyo, Unit="Count")
    watch.put(4, Dimensions=tokyo[::-1], Unit="Seconds")
    assert [p["Sum"] for p in watch.statistics("Sum")] == [1]
    found = watch.statistics("Sum", Dimensions=tokyo)
    assert {(p["Unit"], p["Sum"]) for p in found} == {("Count", 2), ("Seconds", 4)}
    assert watch.statistics("Sum", Dimensions=tokyo[:1]) == []
    assert [p["Sum"] for p in watch.statistics("Sum", Dimensions=tokyo, Unit="Seconds")] == [4]


def test_seconds_are_kept_for_three_hours_then_minutes_for_fifteen_days(watch: Watch) -> None:
    for second in (0, 1, 31):
        at = watch.clock.time + second
        watch.put(1, Timestamp=at, StorageResolution=1)
    assert [p["Sum"] for p in watch.statistics("Sum", Period=1, minutes=1)] == [1, 1, 1]
    watch.clock.time += 4 * 3600
    watch.put(1, StorageResolution=1)
    assert [p["Sum"] for p in watch.statistics("Sum", minutes=241, Period=20)] == [3, 1]
    watch.clock.time += 16 * 86400
    watch.put(1)
    watch("_RecordSamples", Namespace="Shop", Samples=[])
    assert watch.store.connection.execute("SELECT count(*) FROM cloudwatch_datum").fetchone() == (
        1,
    )


def test_bad_data_is_refused_in_awss_words(watch: Watch) -> None:
    both = {"MetricName": "m", "Value": 1, "Values": [1]}
    old = {"MetricName": "m", "Value": 1, "Timestamp": watch.clock.time - 15 * 86400}
    for datum, code in (
        (both, "InvalidParameterCombination"),
        ({"MetricName": "m"}, "MissingParameter"),
        ({"MetricName": "m", "Value": float("nan")}, "InvalidParameterValue"),
        ({"MetricName": "m", "Value": 2.0**361}, "InvalidParameterValue"),
        ({"MetricName": "m", "Values": [1], "Counts": [1, 2]}, "InvalidParameterValue"),
        (old, "InvalidParameterValue"),
    ):
        error = watch.refused("PutMetricData", Namespace="Shop", MetricData=[datum])
        assert error.code == code, datum
        assert "MetricData.member.1" in error.message
    span = {"StartTime": watch.clock.time, "EndTime": watch.clock.time + 1}
    assert watch.refused("GetMetricStatistics", **METRIC, **span, Period=60).code == (
        "MissingParameter"
    )
    week = {"StartTime": watch.clock.time - 7 * 86400, "EndTime": watch.clock.time}
    error = watch.refused("GetMetricStatistics", **METRIC, **week, Period=60, Statistics=["Sum"])
    assert error.message.startswith("You have requested up to 10,080 datapoints")


def test_metrics_are_listed_by_namespace_name_and_dimensions(watch: Watch) -> None:
    watch.put(1, Unit="Count")
    watch.put(1, Unit="Seconds")
    watch.put(1, "Visits", Dimensions=[{"Name": "City", "Value": "Kyoto"}])
    listed = watch("ListMetrics", Namespace="Shop")["Metrics"]
    assert [m["MetricName"] for m in listed] == ["Orders", "Visits"]
    assert [
        m["MetricName"] for m in watch("ListMetrics", Dimensions=[{"Name": "City"}])["Metrics"]
    ] == ["Visits"]
    watch.clock.time += 4 * 3600
    assert watch("ListMetrics", RecentlyActive="PT3H")["Metrics"] == []
    watch.clock.time += 15 * 86400
    assert watch("ListMetrics")["Metrics"] == []


def test_metric_math_calculates_period_by_period(watch: Watch) -> None:
    for minute, (orders, visits) in enumerate([(2, 10), (0, 5), (3, 0)]):
        at = watch.clock.time - (3 - minute) * MINUTE
        watch.put(orders, Timestamp=at)
        watch.put(visits, "Visits", Timestamp=at)
    asked = [stat("a"), stat("b", "Visits")]
    found = watch.data(
        *asked,
        {"Id": "rate", "Expression": "100 * a / b"},
        {"Id": "both", "Expression": "SUM(METRICS())"},
        {"Id": "filled", "Expression": "FILL(a, 7)"},
        {"Id": "over", "Expression": "IF(a > 1, a, 0)"},
        {"Id": "total", "Expression": "SUM(a)"},
        {"Id": "power", "Expression": "-(a ^ 2) + PERIOD(a)"},
    )
    assert found["rate"] == [20, 0]  # nothing is divided by nought
    assert found["both"] == [12, 5, 3]
    assert found["filled"] == [7, 7, 2, 0, 3]
    assert found["over"] == [2, 0, 3]
    assert found["total"] == [5, 5, 5, 5, 5]
    assert found["power"] == [56, 60, 51]
    hidden = watch.data(stat("a", ReturnData=False), {"Id": "x", "Expression": "a"})
    assert list(hidden) == ["x"]


def test_metric_math_that_is_not_done_is_refused_by_name(watch: Watch) -> None:
    span = {"StartTime": watch.clock.time - 300, "EndTime": watch.clock.time}
    for text in ("SEARCH('{Shop} x', 'Sum', 60)", "ANOMALY_DETECTION_BAND(a)",
                 "SELECT SUM(Orders) FROM Shop"):  # fmt: skip
        query = {"Id": "x", "Expression": text}
        error = watch.refused("GetMetricData", MetricDataQueries=[stat("a"), query], **span)
        assert (error.code, text in error.message) == ("NotImplemented", True)
    query = {"Id": "x", "Expression": "a +"}
    assert watch.refused("GetMetricData", MetricDataQueries=[stat("a"), query], **span).code == (
        "ValidationError"
    )


def test_pages_of_metric_data_go_on_where_the_last_one_ended(watch: Watch) -> None:
    for minute in range(1, 5):
        watch.put(minute, Timestamp=watch.clock.time - minute * MINUTE)
    span = {"StartTime": watch.clock.time - 300, "EndTime": watch.clock.time, "MaxDatapoints": 3}
    first = watch("GetMetricData", MetricDataQueries=[stat("a")], **span)
    assert first["MetricDataResults"][0]["Values"] == [1, 2, 3]
    assert first["MetricDataResults"][0]["StatusCode"] == "PartialData"
    rest = watch(
        "GetMetricData", MetricDataQueries=[stat("a")], **span, NextToken=first["NextToken"]
    )
    assert rest["MetricDataResults"][0]["Values"] == [4]
    assert "NextToken" not in rest


def test_a_batch_that_is_given_again_is_counted_once(watch: Watch) -> None:
    sample = {
        "MetricName": "Orders",
        "Dimensions": [],
        "Unit": "Count",
        "Timestamp": watch.clock.time,
        "Values": {1.0: 3.0},
    }
    batch = {"Namespace": "Shop", "Source": "collector 1", "Samples": [sample]}
    assert watch("_RecordSamples", **batch, Sequence=1) == {"Taken": True}
    assert watch("_RecordSamples", **batch, Sequence=1) == {"Taken": False}
    assert watch("_RecordSamples", **batch, Sequence=2) == {"Taken": True}
    assert watch.statistics("Sum")[0]["Sum"] == 6


def test_an_alarm_turns_with_its_datapoints_and_tells_why(watch: Watch) -> None:
    watch.alarm()
    assert (watch.state()["StateValue"], watch.state()["StateReason"]) == (
        "INSUFFICIENT_DATA",
        "Unchecked: Initial alarm creation",
    )
    watch.put(9)
    report = watch.pass_minute()
    assert report.steps == ["turn alarm many"]
    turned = watch.state()
    assert turned["StateValue"] == "ALARM"
    assert turned["StateReason"] == (
        "Threshold Crossed: 1 out of the last 1 datapoints [9.0 (21/09/26 14:14:00)] was greater"
        " than the threshold (5.0) (minimum 1 datapoint for INSUFFICIENT_DATA -> ALARM transition)."
    )
    assert json.loads(turned["StateReasonData"])["recentDatapoints"] == [9.0]
    watch.put(2)
    watch.pass_minute()
    assert watch.state()["StateValue"] == "OK"
    for _ in range(3):
        report = watch.pass_minute()
    assert watch.state()["StateValue"] == "INSUFFICIENT_DATA"
    assert watch.state()["StateReason"] == "Insufficient Data: 1 datapoint was unknown."
    assert report.again_s == 3  # what belongs to the minute that is just over may still come
    kinds = [
        item["HistorySummary"]
        for item in watch("DescribeAlarmHistory", AlarmName="many", HistoryItemType="StateUpdate")[
            "AlarmHistoryItems"
        ]
    ]
    assert kinds == [
        "Alarm updated from OK to INSUFFICIENT_DATA",
        "Alarm updated from ALARM to OK",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
    ]


def test_m_of_n_datapoints_make_an_alarm(watch: Watch) -> None:
    watch.alarm(EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    for value, state in ((9, "OK"), (1, "OK"), (9, "ALARM"), (1, "OK")):
        watch.put(value)
        watch.pass_minute()
        assert watch.state()["StateValue"] == state, value


def test_an_alarm_may_watch_metric_math_and_percentiles(watch: Watch) -> None:
    watch(
        "PutMetricAlarm",
        AlarmName="rate",
        Metrics=[
            stat("a", ReturnData=False),
            stat("b", "Visits", ReturnData=False),
            {"Id": "r", "Expression": "a / b", "ReturnData": True},
        ],
        EvaluationPeriods=1,
        Threshold=0.5,
        ComparisonOperator="LessThanThreshold",
    )
    watch.alarm("slow", Statistic=None, ExtendedStatistic="p90", Threshold=2)
    watch.put(1)
    watch.put(10, "Visits")
    watch.pass_minute()
    assert watch.state("rate")["StateValue"] == "ALARM"
    assert watch.state("slow")["StateValue"] == "OK"
    assert watch.state("slow")["ExtendedStatistic"] == "p90"
    assert "Metrics" in watch.state("rate")


def test_a_turn_is_published_once_to_its_topic(watch: Watch) -> None:
    neighbours = Neighbours()
    api.use_neighbours(neighbours.ask)
    here = {"account": api.DEFAULT_ACCOUNT, "region": api.DEFAULT_REGION}
    topic = neighbours.ask("sns", "CreateTopic", {"Name": "alerts"}, **here)["TopicArn"]
    queue = neighbours.ask("sqs", "CreateQueue", {"QueueName": "alerts"}, **here)["QueueUrl"]
    arn = f"arn:aws:sqs:{api.DEFAULT_REGION}:{api.DEFAULT_ACCOUNT}:alerts"
    subscription = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn}
    neighbours.ask("sns", "Subscribe", subscription, **here)
    watch.alarm(AlarmActions=[topic], AlarmDescription="too many")
    watch.alarm("lost", AlarmActions=[topic + "-gone"])
    watch.put(9)
    watch.pass_minute()
    watch.pass_minute()
    received = neighbours.ask(
        "sqs", "ReceiveMessage", {"QueueUrl": queue, "MaxNumberOfMessages": 10}, **here
    )
    [notice] = [json.loads(message["Body"]) for message in received["Messages"]]
    assert notice["Subject"] == 'ALARM: "many" in ap-northeast-1'
    told = json.loads(notice["Message"])
    assert (told["NewStateValue"], told["OldStateValue"]) == ("ALARM", "INSUFFICIENT_DATA")
    assert told["Trigger"]["Threshold"] == 5
    done = watch("DescribeAlarmHistory", HistoryItemType="Action")["AlarmHistoryItems"]
    assert sorted(item["HistorySummary"] for item in done) == [
        f"Failed to execute action {topic}-gone",
        f"Successfully executed action {topic}",
    ]


def test_actions_may_be_switched_off_and_states_set_by_hand(watch: Watch) -> None:
    topic = "arn:aws:sns:ap-northeast-1:123456789012:alerts"
    watch.alarm(OKActions=[topic])
    watch("DisableAlarmActions", AlarmNames=["many"])
    watch("SetAlarmState", AlarmName="many", StateValue="OK", StateReason="tried")
    assert watch.state()["StateValue"] == "OK"
    assert watch("_StateOfAlarm", AlarmName="many")["StateValue"] == "OK"
    assert watch("DescribeAlarmHistory", HistoryItemType="Action")["AlarmHistoryItems"] == []
    watch("EnableAlarmActions", AlarmNames=["many"])
    assert watch.state()["ActionsEnabled"] is True
    watch.put(9)
    watch.pass_minute()
    assert watch.state()["StateValue"] == "ALARM"  # the evaluation has the last word


def test_alarms_are_found_by_name_prefix_state_action_and_metric(watch: Watch) -> None:
    topic = "arn:aws:sns:ap-northeast-1:123456789012:alerts"
    watch.alarm("a-1", AlarmActions=[topic])
    watch.alarm("a-2", Statistic="Average")
    watch.alarm("b-1", MetricName="Visits")

    def names(**asked: Any) -> list[str]:
        return [alarm["AlarmName"] for alarm in watch("DescribeAlarms", **asked)["MetricAlarms"]]

    assert names() == ["a-1", "a-2", "b-1"]
    assert names(AlarmNamePrefix="a-") == ["a-1", "a-2"]
    assert names(ActionPrefix=topic[:20]) == ["a-1"]
    assert names(StateValue="OK") == []
    first = watch("DescribeAlarms", MaxRecords=2)
    assert [a["AlarmName"] for a in first["MetricAlarms"]] == ["a-1", "a-2"]
    assert names(NextToken=first["NextToken"]) == ["b-1"]
    found = watch("DescribeAlarmsForMetric", **METRIC, Statistic="Average")["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == ["a-2"]
    watch("DeleteAlarms", AlarmNames=["a-1", "b-1"])
    assert names() == ["a-2"]
    error = watch.refused("DeleteAlarms", AlarmNames=["a-2", "gone"])
    assert (error.code, error.status, names()) == ("ResourceNotFound", 404, ["a-2"])


def test_alarms_that_cannot_be_are_refused(watch: Watch) -> None:
    for more, code in (
        ({"ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold"}, "NotImplemented"),
        ({"AlarmActions": ["arn:aws:automate:ap-northeast-1:ec2:stop"]}, "NotImplemented"),
        ({"AlarmActions": ["mail me"]}, "ValidationError"),
        ({"DatapointsToAlarm": 2}, "ValidationError"),
        ({"TreatMissingData": "invent"}, "ValidationError"),
        ({"EvaluationPeriods": 1441}, "ValidationError"),
        ({"Period": 61}, "ValidationError"),
        ({"Statistic": None}, "ValidationError"),
        ({"Metrics": [stat("a")]}, "InvalidParameterCombination"),
        ({"ThresholdMetricId": "ad1"}, "NotImplemented"),
    ):
        with pytest.raises(api.AwsError) as caught:
            watch.alarm(**more)
        assert caught.value.code == code, more


def test_alarms_have_tags(watch: Watch) -> None:
    watch.alarm(Tags=[{"Key": "team", "Value": "shop"}])
    arn = watch.state()["AlarmArn"]
    watch("TagResource", ResourceARN=arn, Tags=[{"Key": "stage", "Value": "try"}])
    watch("UntagResource", ResourceARN=arn, TagKeys=["team"])
    watch.alarm(Threshold=6)
    assert watch("ListTagsForResource", ResourceARN=arn) == {
        "Tags": [{"Key": "stage", "Value": "try"}]
    }


def test_cloudformation_makes_changes_and_removes_an_alarm(watch: Watch) -> None:
    template = {
        "Resources": {
            "Many": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    **METRIC,
                    "Statistic": "Sum",
                    "Period": 60,
                    "EvaluationPeriods": 1,
                    "Threshold": 5,
                    "ComparisonOperator": "GreaterThanThreshold",
                    "Dimensions": [{"Name": "City", "Value": "Tokyo"}],
                },
            }
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Many", "Arn"]}}},
    }

    def settle() -> None:
        reconciler = StackReconciler(watch.store, watch.clock)
        for _ in range(5):
            asyncio.run(reconciler.activate())

    def call(operation: str, **more: Any) -> Any:
        return watch.call("cloudformation", operation, {"StackName": "s", **more})

    call("CreateStack", TemplateBody=json.dumps(template))
    settle()
    [stack] = call("DescribeStacks")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    [alarm] = watch("DescribeAlarms")["MetricAlarms"]
    assert stack["Outputs"][0]["OutputValue"] == alarm["AlarmArn"]
    template["Resources"]["Many"]["Properties"]["Threshold"] = 7  # type: ignore[index]
    call("UpdateStack", TemplateBody=json.dumps(template))
    settle()
    [alarm] = watch("DescribeAlarms")["MetricAlarms"]
    assert (alarm["Threshold"], alarm["Dimensions"]) == (7, [{"Name": "City", "Value": "Tokyo"}])
    call("DeleteStack")
    settle()
    assert watch("DescribeAlarms")["MetricAlarms"] == []


def test_boto3_puts_and_reads_and_compresses_what_is_large(endpoint: Any) -> None:
    client = endpoint.client("cloudwatch")
    now = datetime.now(UTC).replace(microsecond=0)
    data = [{"MetricName": "Many", "Timestamp": now, "Value": 1.5, "Unit": "Count"}] * 900
    sent: list[Any] = []
    client.meta.events.register("before-send", lambda request, **_: sent.append(request))
    client.put_metric_data(Namespace="Shop", MetricData=data)
    assert sent[0].headers["Content-Encoding"] == b"gzip"
    answer = client.get_metric_statistics(
        Namespace="Shop",
        MetricName="Many",
        StartTime=now - timedelta(minutes=2),
        EndTime=now + timedelta(minutes=2),
        Period=60,
        Statistics=["SampleCount", "Sum"],
    )
    [point] = answer["Datapoints"]
    assert (point["SampleCount"], point["Sum"]) == (900, 1350)
    assert point["Timestamp"] == now.replace(second=0)
    with pytest.raises(ClientError) as caught:
        client.delete_alarms(AlarmNames=["none"])
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.put_metric_data(Namespace="S", MetricData=[{"MetricName": "m", "Value": 2.0**361}])


def test_each_client_speaks_its_own_protocol(endpoint: Any) -> None:
    """SDKs for Go and Java send CBOR, boto3 JSON, and what is older forms."""
    scope = "Credential=AKIA/20260101/ap-northeast-1/monitoring/aws4_request"
    signed = {
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=00",
        "X-Amz-Date": "20260101T000000Z",
    }

    def post(body: bytes, path: str = "/", **headers: str) -> tuple[int, dict[str, str], bytes]:
        asked = urllib.request.Request(endpoint.url + path, body, signed | headers)
        try:
            with urllib.request.urlopen(asked) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    form = {
        "Action": "PutMetricData",
        "Version": "2010-08-01",
        "Namespace": "Shop",
        "MetricData.member.1.MetricName": "Old",
        "MetricData.member.1.Value": "3",
    }
    status, _, text = post(
        urlencode(form).encode(), **{"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (status, b"<PutMetricDataResponse" in text) == (200, True)
    target = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics",
    }
    status, _, text = post(b'{"Namespace":"Shop"}', **target)
    assert json.loads(text)["Metrics"][0]["MetricName"] == "Old"
    target["X-Amz-Target"] = "GraniteServiceVersion20100801.DeleteAlarms"
    status, headers, text = post(b'{"AlarmNames":["none"]}', **target)
    assert (status, headers["x-amzn-query-error"]) == (404, "ResourceNotFound;Sender")
    cbor = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/"
    status, headers, text = post(cbor2.dumps({"Namespace": "Shop"}), path + "ListMetrics", **cbor)
    assert (status, headers["smithy-protocol"]) == (200, "rpc-v2-cbor")
    assert cbor2.loads(text)["Metrics"][0]["MetricName"] == "Old"
    status, headers, text = post(
        cbor2.dumps({"AlarmNames": ["none"]}), path + "DeleteAlarms", **cbor
    )
    assert (status, headers["x-amzn-query-error"]) == (404, "ResourceNotFound;Sender")
    assert cbor2.loads(text)["__type"] == "ResourceNotFound"
    for body in (b"\xa1", b"\xff", b"\x01"):
        status, _, text = post(body, path + "ListMetrics", **cbor)
        assert (status, cbor2.loads(text)["__type"]) == (400, "SerializationException")


def test_the_aws_cli_puts_and_reads(endpoint: Any) -> None:
    def aws(*argv: str) -> Any:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("aws")), "--endpoint-url", endpoint.url,
             "--region", "ap-northeast-1", "--output", "json", "cloudwatch", *argv],
            capture_output=True, text=True, check=False,
            env={"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    aws("put-metric-data", "--namespace", "Shop", "--metric-name", "Cli", "--value", "4")
    start = datetime.fromtimestamp(time.time() - 120, UTC).isoformat()
    end = datetime.fromtimestamp(time.time() + 120, UTC).isoformat()
    found = aws(
        *("get-metric-statistics", "--namespace", "Shop", "--metric-name", "Cli"),
        *("--start-time", start, "--end-time", end, "--period", "60", "--statistics", "Sum"),
    )
    assert [point["Sum"] for point in found["Datapoints"]] == [4]
