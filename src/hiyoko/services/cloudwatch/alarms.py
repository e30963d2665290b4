"""PutMetricAlarm and its kin: what is wished. States are ``alarm_states``'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.cloudwatch import queries, rows, views
from hiyoko.services.cloudwatch.errors import (
    invalid_combination,
    invalid_next_token,
    not_found,
    validation,
)
from hiyoko.services.cloudwatch.judging import COMPARISONS
from hiyoko.services.cloudwatch.metrics import parse_dimensions
from hiyoko.services.cloudwatch.model import DAY_S, Alarm, Tags, scales

ALARMS_MAX = 5000
ACTIONS_MAX = 5
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
_NOT_DONE = (
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
)
_OF_ONE_METRIC = (
    *("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period"),
    "Unit",
)


@operation("PutMetricAlarm")
def put_metric_alarm(call: Call, request: Request) -> Response:
    """Create an alarm, or give one other settings; its state and tags stay."""
    for name in _NOT_DONE:
        if request.get(name):
            raise unsupported(name)
    old = rows.ALARMS.find(
        call.tx, account=call.account, region=call.region, name=request["AlarmName"]
    )
    alarm = _wanted(call, request, old)
    if old is None and len(_mine(call)) >= ALARMS_MAX:
        raise unsupported(f"more than {ALARMS_MAX} alarms")
    rows.ALARMS.put(call.tx, alarm)
    rows.note_change(call.tx)
    what = "created" if old is None else "updated"
    rows.add_history(
        call.tx,
        alarm,
        call.now,
        "ConfigurationUpdate",
        f'Alarm "{alarm.name}" {what}',
        views.configuration(alarm, "Create" if old is None else "Update"),
    )
    if old is None:
        rows.STATES.put(call.tx, rows.state_of(call.tx, alarm))
    return {}


def _wanted(call: Call, request: Request, old: Alarm | None) -> Alarm:
    name = request["AlarmName"]
    for required in ("EvaluationPeriods", "ComparisonOperator"):
        if request.get(required) is None:
            raise validation(f"{required} is required for a metric alarm")
    if request["ComparisonOperator"] not in COMPARISONS:
        raise unsupported("ComparisonOperator", request["ComparisonOperator"])
    if request.get("Threshold") is None:
        raise validation("Threshold is required for a metric alarm")
    periods, datapoints = request["EvaluationPeriods"], request.get("DatapointsToAlarm")
    if datapoints is not None and datapoints > periods:
        raise validation("DatapointsToAlarm must not be greater than EvaluationPeriods")
    treatment = request.get("TreatMissingData")
    if treatment is not None and treatment not in TREATMENTS:
        raise validation(f"Option {treatment} is not supported for TreatMissingData")
    low = request.get("EvaluateLowSampleCountPercentile")
    if low not in (None, "evaluate"):
        raise unsupported("EvaluateLowSampleCountPercentile", low)
    alarm = Alarm(
        account=call.account,
        region=call.region,
        name=name,
        arn=call.arn("cloudwatch", f"alarm:{name}"),
        evaluation_periods=periods,
        datapoints_to_alarm=datapoints,
        comparison=request["ComparisonOperator"],
        threshold=float(request["Threshold"]),
        changed_at=call.now,
        description=request.get("AlarmDescription"),
        actions_enabled=request.get("ActionsEnabled") is not False,
        ok_actions=_actions(request, "OKActions"),
        alarm_actions=_actions(request, "AlarmActions"),
        insufficient_data_actions=_actions(request, "InsufficientDataActions"),
        treat_missing_data=treatment,
        low_sample_count=low,
        tags=old.tags if old is not None else parse_tags(request.get("Tags") or []),
    )
    return _of_queries(alarm, request) if request.get("Metrics") else _of_metric(alarm, request)


def _actions(request: Request, member: str) -> tuple[str, ...]:
    given = tuple(request.get(member) or ())
    if len(given) > ACTIONS_MAX:
        raise validation(f"{member} must have at most {ACTIONS_MAX} members")
    for arn in given:
        parts = arn.split(":")
        if len(parts) < 6 or parts[0] != "arn":
            raise validation(f"Invalid arn syntax: {arn}")
        if parts[2] != "sns" and not (scales(arn) and ":resource/ecs/" in arn):
            raise unsupported(member, arn)
    return given


def _of_metric(alarm: Alarm, request: Request) -> Alarm:
    for name in ("MetricName", "Namespace", "Period"):
        if request.get(name) is None:
            raise validation(f"{name} is required for an alarm based on a single metric")
    simple, extended = request.get("Statistic"), request.get("ExtendedStatistic")
    if (simple is None) == (extended is None):
        raise validation(
            "Exactly one of the parameters Statistic and ExtendedStatistic must be specified"
        )
    statistic: str = simple or extended or ""
    queries.check_statistic(statistic)
    _check_length(request["Period"], alarm.evaluation_periods)
    return replace(
        alarm,
        namespace=request["Namespace"],
        metric_name=request["MetricName"],
        dimensions=parse_dimensions(request.get("Dimensions")),
        statistic=statistic,
        period_s=request["Period"],
        unit=request.get("Unit"),
    )


def _of_queries(alarm: Alarm, request: Request) -> Alarm:
    given = [name for name in _OF_ONE_METRIC if request.get(name)]
    if given:
        raise invalid_combination(
            f"The parameters Metrics and {given[0]} are mutually exclusive and you have specified"
            " both."
        )
    asked: Sequence[Mapping[str, Any]] = request["Metrics"]
    queries.check_queries(asked)
    returned = [query for query in asked if query.get("ReturnData") is not False]
    if len(returned) != 1:
        raise validation("Exactly one element of the metrics list should return data.")
    periods = [query["MetricStat"]["Period"] for query in asked if query.get("MetricStat")]
    if not periods:
        raise validation("Metrics list must contain at least one metric.")
    _check_length(max(periods), alarm.evaluation_periods)
    return replace(alarm, metrics=tuple(dict(query) for query in asked), period_s=max(periods))


def _check_length(period_s: int, periods: int) -> None:
    if period_s not in (10, 20, 30) and (period_s < 60 or period_s % 60):
        raise validation("Period must be 10, 20, 30 or a multiple of 60")
    most = DAY_S if period_s < 3600 else 7 * DAY_S
    if period_s * periods > most:
        raise validation(
            "Metrics cannot be checked across more than "
            f"{'a day' if most == DAY_S else 'seven days'} (EvaluationPeriods * Period must be <="
            f" {most})"
        )


def _mine(call: Call) -> list[Alarm]:
    return rows.ALARMS.list(call.tx, account=call.account, region=call.region)


@operation("DescribeAlarms")
def describe_alarms(call: Call, request: Request) -> Response:
    """Alarms by name, prefix, state or action, in the order of their names."""
    for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName"):
        if request.get(name):
            raise unsupported(name)
    names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix") or ""
    if names and prefix:
        raise validation("AlarmNamePrefix and AlarmNames cannot be specified together")
    types = request.get("AlarmTypes") or ["MetricAlarm"]
    found = [
        alarm
        for alarm in (_mine(call) if "MetricAlarm" in types else [])
        if (not names or alarm.name in names)
        and alarm.name.startswith(prefix)
        and request.get("StateValue") in (None, rows.state_of(call.tx, alarm).state)
        and _has_action(alarm, request.get("ActionPrefix"))
    ]
    page, token = _page(found, request)
    answer: Response = {
        "MetricAlarms": [views.alarm(alarm, rows.state_of(call.tx, alarm)) for alarm in page],
        "CompositeAlarms": [],
    }
    if token:
        answer["NextToken"] = token
    return answer


def _has_action(alarm: Alarm, prefix: str | None) -> bool:
    every = (*alarm.ok_actions, *alarm.alarm_actions, *alarm.insufficient_data_actions)
    return prefix is None or any(action.startswith(prefix) for action in every)


def _page(found: list[Alarm], request: Request) -> tuple[list[Alarm], str]:
    after, limit = request.get("NextToken"), request.get("MaxRecords") or 50
    if after is not None:
        if not any(alarm.name == after for alarm in found):
            raise invalid_next_token()
        found = [alarm for alarm in found if alarm.name > after]
    return found[:limit], found[limit - 1].name if len(found) > limit else ""


@operation("DescribeAlarmsForMetric")
def describe_alarms_for_metric(call: Call, request: Request) -> Response:
    """The alarms of one metric."""
    dimensions = parse_dimensions(request.get("Dimensions"))
    statistic = request.get("Statistic") or request.get("ExtendedStatistic")
    found = [
        alarm
        for alarm in _mine(call)
        if (alarm.namespace, alarm.metric_name, alarm.dimensions)
        == (request["Namespace"], request["MetricName"], dimensions)
        and statistic in (None, alarm.statistic)
        and request.get("Period") in (None, alarm.period_s)
        and request.get("Unit") in (None, alarm.unit)
    ]
    return {"MetricAlarms": [views.alarm(one, rows.state_of(call.tx, one)) for one in found]}


@operation("DeleteAlarms")
def delete_alarms(call: Call, request: Request) -> Response:
    """Delete all of these alarms, or none when one of them does not exist."""
    names: list[str] = request["AlarmNames"]
    there = {alarm.name: alarm for alarm in _mine(call)}
    if missing := [name for name in names if name not in there]:
        raise not_found(f"Alarm(s) do not exist: {', '.join(missing)}")
    for name in dict.fromkeys(names):
        place = {"account": call.account, "region": call.region, "name": name}
        rows.ALARMS.delete(call.tx, **place)
        rows.STATES.delete(call.tx, **place)
        rows.PENDING.delete(call.tx, **place)
        rows.add_history(
            call.tx,
            there[name],
            call.now,
            "ConfigurationUpdate",
            f'Alarm "{name}" deleted',
            views.configuration(there[name], "Delete"),
        )
    return {}


@operation("EnableAlarmActions")
def enable_alarm_actions(call: Call, request: Request) -> Response:
    """Let these alarms act from their next turn on."""
    return _set_actions(call, request["AlarmNames"], enabled=True)


@operation("DisableAlarmActions")
def disable_alarm_actions(call: Call, request: Request) -> Response:
    """Let these alarms turn without acting."""
    return _set_actions(call, request["AlarmNames"], enabled=False)


def _set_actions(call: Call, names: Iterable[str], *, enabled: bool) -> Response:
    for alarm in _mine(call):
        if alarm.name in names and alarm.actions_enabled != enabled:
            changed = replace(alarm, actions_enabled=enabled, changed_at=call.now)
            rows.ALARMS.put(call.tx, changed)
            rows.note_change(call.tx)
            rows.add_history(
                call.tx,
                changed,
                call.now,
                "ConfigurationUpdate",
                f'Alarm "{alarm.name}" updated',
                views.configuration(changed, "Update"),
            )
    return {}


def parse_tags(given: Sequence[Mapping[str, str]]) -> Tags:
    """Tags as they are kept. Raises ValidationError."""
    tags = {item["Key"]: item["Value"] for item in given}
    if any(key.startswith("aws:") and not key.startswith("aws:cloudformation:") for key in tags):
        raise validation("Tag keys must not begin with aws:")
    return tuple(tags.items())
