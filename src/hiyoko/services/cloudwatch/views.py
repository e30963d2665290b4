"""Alarms as the API, their history and their messages show them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hiyoko.services.cloudwatch.model import Alarm, AlarmState, HistoryItem
from hiyoko.services.cloudwatch.statistics import SIMPLE

_SHORT = {"Minimum": "MINIMUM", "Maximum": "MAXIMUM", "SampleCount": "SAMPLE_COUNT"}


def alarm(row: Alarm, state: AlarmState) -> dict[str, Any]:
    """The API's MetricAlarm."""
    shape: dict[str, Any] = {
        "AlarmName": row.name,
        "AlarmArn": row.arn,
        "AlarmConfigurationUpdatedTimestamp": row.changed_at,
        "ActionsEnabled": row.actions_enabled,
        "OKActions": list(row.ok_actions),
        "AlarmActions": list(row.alarm_actions),
        "InsufficientDataActions": list(row.insufficient_data_actions),
        "StateValue": state.state,
        "StateReason": state.reason,
        "StateReasonData": state.reason_data,
        "StateUpdatedTimestamp": state.updated_at,
        "StateTransitionedTimestamp": state.transitioned_at,
        "EvaluationPeriods": row.evaluation_periods,
        "DatapointsToAlarm": row.datapoints_to_alarm,
        "Threshold": row.threshold,
        "ComparisonOperator": row.comparison,
        "TreatMissingData": row.treat_missing_data,
        "EvaluateLowSampleCountPercentile": row.low_sample_count,
        "AlarmDescription": row.description,
    }
    if row.metrics:
        shape["Metrics"] = [dict(query) for query in row.metrics]
    else:
        kind = "Statistic" if row.statistic in SIMPLE else "ExtendedStatistic"
        shape |= {
            "MetricName": row.metric_name,
            "Namespace": row.namespace,
            kind: row.statistic,
            "Dimensions": [{"Name": name, "Value": value} for name, value in row.dimensions],
            "Period": row.period_s,
            "Unit": row.unit,
        }
    return {name: value for name, value in shape.items() if value is not None}


def history_item(row: HistoryItem) -> dict[str, Any]:
    """The API's AlarmHistoryItem."""
    return {
        "AlarmName": row.name,
        "AlarmType": "MetricAlarm",
        "Timestamp": row.at,
        "HistoryItemType": row.kind,
        "HistorySummary": row.summary,
        "HistoryData": row.data,
    }


def configuration(row: Alarm, what: str) -> str:
    """HistoryData of a ConfigurationUpdate; ``what`` is Create, Update or Delete."""
    return json.dumps({"version": "1.0", "type": what, "name": row.name, "arn": row.arn})


def stamp(at: float) -> str:
    """``2026-11-25T00:30:00.000+0000``: time in history and messages."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def message(row: Alarm, old: AlarmState, new: AlarmState) -> str:
    """What an alarm's SNS topic is sent.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    """
    return json.dumps(
        {
            "AlarmName": row.name,
            "AlarmDescription": row.description,
            "AWSAccountId": row.account,
            "AlarmConfigurationUpdatedTimestamp": stamp(row.changed_at),
            "NewStateValue": new.state,
            "NewStateReason": new.reason,
            "StateChangeTime": stamp(new.updated_at),
            "Region": row.region,
            "AlarmArn": row.arn,
            "OldStateValue": old.state,
            "OKActions": list(row.ok_actions),
            "AlarmActions": list(row.alarm_actions),
            "InsufficientDataActions": list(row.insufficient_data_actions),
            "Trigger": _trigger(row),
        }
    )


def _trigger(row: Alarm) -> dict[str, Any]:
    trigger: dict[str, Any] = {
        "Period": row.period_s,
        "EvaluationPeriods": row.evaluation_periods,
        "DatapointsToAlarm": row.needed,
        "ComparisonOperator": row.comparison,
        "Threshold": row.threshold,
        "TreatMissingData": row.treat_missing_data or "missing",
        "EvaluateLowSampleCountPercentile": row.low_sample_count or "",
    }
    if row.metrics:
        return trigger | {"Metrics": [dict(query) for query in row.metrics]}
    simple = row.statistic in SIMPLE
    return trigger | {
        "MetricName": row.metric_name,
        "Namespace": row.namespace,
        "StatisticType": "Statistic" if simple else "ExtendedStatistic",
        ("Statistic" if simple else "ExtendedStatistic"): (
            _SHORT.get(row.statistic, row.statistic.upper()) if simple else row.statistic
        ),
        "Unit": row.unit,
        "Dimensions": [{"value": value, "name": name} for name, value in row.dimensions],
    }
