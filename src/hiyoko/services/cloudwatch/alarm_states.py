"""The states of alarms: evaluated, set by hand, told in a history; and the tags of alarms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.cloudwatch import queries, rows, views
from hiyoko.services.cloudwatch.alarms import parse_tags
from hiyoko.services.cloudwatch.errors import invalid_next_token, not_found, validation
from hiyoko.services.cloudwatch.judging import COMPARISONS, EXTRA_PERIODS, Verdict, judge
from hiyoko.services.cloudwatch.model import (
    INSUFFICIENT_DATA,
    LATE_S,
    MINUTE_S,
    Alarm,
    AlarmState,
    PendingAction,
    scales,
)
from hiyoko.services.cloudwatch.queries import MetricStat, Range


@dataclass(frozen=True, slots=True)
class Seen:
    """What an evaluation looked at: ``points`` by period, the oldest first."""

    points: tuple[float | None, ...]
    starts: tuple[float, ...]
    verdict: Verdict


@operation("_EvaluateAlarms")
def evaluate_alarms(call: Call, request: Request) -> Response:
    """Look at every alarm's datapoints; an alarm whose verdict is another state turns.

    ``Turned`` names those; ``Again`` are scaling policies that a state which lasts calls for
    (``Account``, ``Region``, ``AlarmName``, ``Action``).
    """
    del request
    turned, again, due = [], [], []
    for alarm in rows.ALARMS.list(call.tx):
        place = replace(call, account=alarm.account, region=alarm.region)
        due.append(_next_look(call.now, min(alarm.period_s, MINUTE_S)))
        seen = evaluate(place, alarm)
        state = rows.state_of(call.tx, alarm)
        if seen.verdict.state not in (None, state.state):
            turned.append(alarm.name)
            turn(
                place,
                alarm,
                seen.verdict.state or state.state,
                reason(alarm, seen, state.state),
                reason_data(alarm, seen, call.now),
            )
        elif _next_look(state.acted_at, MINUTE_S) <= call.now:
            again += _lasting(place, alarm, state)
    with call.tx.unobserved():
        look = rows.last_look(call.tx)
        done = replace(look, seen=look.changes, at=call.now, again_at=min(due, default=call.now))
        rows.LOOKS.put(call.tx, done)
    return {"Turned": turned, "Again": again}


def _next_look(now: float, step_s: int) -> float:
    """When the datapoint of the period that is running can be there."""
    return ((now - LATE_S) // step_s + 1) * step_s + LATE_S


def _lasting(call: Call, alarm: Alarm, state: AlarmState) -> list[dict[str, str]]:
    """A state that lasts calls for its scaling policies once a minute; for nothing else.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
    """
    policies = [action for action in alarm.actions(state.state) if scales(action)]
    if not policies or not alarm.actions_enabled:
        return []
    with call.tx.unobserved():
        rows.STATES.put(call.tx, replace(state, acted_at=call.now))
    place = {"Account": alarm.account, "Region": alarm.region, "AlarmName": alarm.name}
    return [{**place, "Action": action} for action in policies]


@operation("_JudgeByAlarms")
def judge_by_alarms(call: Call, request: Request) -> Response:
    """What data say now by the settings of ``Alarms``, of which a neighbour keeps copies.

    ``States`` are in the same order; None is where the state would stay what it is.
    """
    alarms: Sequence[Alarm] = request["Alarms"]
    places = [replace(call, account=alarm.account, region=alarm.region) for alarm in alarms]
    found = [evaluate(place, alarm) for place, alarm in zip(places, alarms, strict=True)]
    return {"States": [seen.verdict.state for seen in found]}


def evaluate(call: Call, alarm: Alarm) -> Seen:
    """The verdict on an alarm's newest periods that are over."""
    step = min(alarm.period_s, MINUTE_S)
    end = call.now // step * step
    count = alarm.evaluation_periods + EXTRA_PERIODS
    span = Range(end - count * alarm.period_s, end, alarm.period_s)
    if alarm.metrics:
        found = queries.answer(call, alarm.metrics, span.start, span.end)
        [returned] = [q["Id"] for q in alarm.metrics if q.get("ReturnData") is not False]
        values = found[returned]
    else:
        stat = MetricStat(
            alarm.namespace, alarm.metric_name, alarm.dimensions, alarm.statistic, alarm.unit
        )
        values = queries.values_of(call, stat, span)
    starts = tuple(span.starts)
    points = tuple(values.get(start) for start in starts)
    compare, _ = COMPARISONS[alarm.comparison]
    verdict = judge(
        points,
        lambda value: compare(value, alarm.threshold),
        alarm.evaluation_periods,
        alarm.needed,
        alarm.treat_missing_data or "missing",
    )
    return Seen(points, starts, verdict)


def reason(alarm: Alarm, seen: Seen, before: str) -> str:
    """Why an alarm turns, in AWS's words."""
    verdict = seen.verdict
    if verdict.state == INSUFFICIENT_DATA:
        were = "datapoint was" if verdict.filled == 1 else "datapoints were"
        return f"Insufficient Data: {verdict.filled} {were} unknown."
    known = [(at, p) for at, p in zip(seen.starts, seen.points, strict=True) if p is not None]
    known = known[-alarm.evaluation_periods :]
    treated = f"{verdict.filled} missing datapoint{'' if verdict.filled == 1 else 's'} " + (
        "was" if verdict.filled == 1 else "were"
    )
    treatment = {"breaching": "[Breaching]", "notBreaching": "[NonBreaching]"}.get(
        alarm.treat_missing_data or "", "[Missing]"
    )
    if not known:
        periods = "period" if verdict.filled == 1 else "periods"
        return (
            f"Threshold Crossed: no datapoints were received for {verdict.filled} {periods} and"
            f" {treated} treated as {treatment}."
        )
    compare, words = COMPARISONS[alarm.comparison]
    alarming = verdict.state == "ALARM"
    named = [(at, p) for at, p in known if compare(p, alarm.threshold) == alarming] or known
    shown = ", ".join(
        f"{p} ({datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S})" for at, p in reversed(named)
    )
    were = "was" if len(named) == 1 else "were"
    needed = alarm.needed if alarming else alarm.evaluation_periods - alarm.needed + 1
    filled = f" {treated} treated as {treatment}" if verdict.filled else ""
    return (
        f"Threshold Crossed: {len(named)} out of the last {len(known)} datapoints [{shown}] {were}"
        f" {'' if alarming else 'not '}{words} the threshold ({alarm.threshold}){filled} (minimum"
        f" {needed} datapoint{'' if needed == 1 else 's'} for {before} -> {verdict.state}"
        " transition)."
    )


def reason_data(alarm: Alarm, seen: Seen, now: float) -> str:
    """The same for programs: StateReasonData."""
    data: dict[str, Any] = {
        "version": "1.0",
        "queryDate": views.stamp(now),
        "startDate": views.stamp(seen.starts[0]),
        "statistic": alarm.statistic,
        "period": alarm.period_s,
        "recentDatapoints": [p for p in seen.points if p is not None],
        "threshold": alarm.threshold,
        "evaluatedDatapoints": [
            {"timestamp": views.stamp(at), "value": p}
            for at, p in zip(reversed(seen.starts), reversed(seen.points), strict=True)
            if p is not None
        ][: alarm.evaluation_periods],
    }
    return json.dumps(data)


def turn(call: Call, alarm: Alarm, value: str, why: str, data: str | None) -> None:
    """Put an alarm into a state; entering another one is told and acted on."""
    old = rows.state_of(call.tx, alarm)
    moved = call.now if value != old.state else old.transitioned_at
    new = AlarmState(
        alarm.account, alarm.region, alarm.name, value, why, data, call.now, moved, call.now
    )
    rows.STATES.put(call.tx, new)
    if value == old.state:
        return
    rows.add_history(
        call.tx,
        alarm,
        call.now,
        "StateUpdate",
        f"Alarm updated from {old.state} to {value}",
        json.dumps(
            {
                "version": "1.0",
                "oldState": {"stateValue": old.state, "stateReason": old.reason},
                "newState": {
                    "stateValue": value,
                    "stateReason": why,
                    "stateReasonData": json.loads(data) if data else None,
                },
            }
        ),
    )
    if not alarm.actions_enabled:
        return
    place = {"account": alarm.account, "region": alarm.region, "name": alarm.name}
    waiting = rows.PENDING.list(call.tx, **place)
    sequence = waiting[-1].sequence if waiting else 0
    for number, action in enumerate(alarm.actions(value), sequence + 1):
        subject = f'{value}: "{alarm.name}" in {alarm.region}'[:100]
        text = views.message(alarm, old, new)
        rows.PENDING.insert(
            call.tx,
            PendingAction(
                alarm.account, alarm.region, alarm.name, number, action, text, subject, value
            ),
        )


@operation("_ActionDone")
def action_done(call: Call, request: Request) -> Response:
    """An action was carried out, or was refused with ``Error``: noted, and not tried again."""
    place = {"account": call.account, "region": call.region, "name": request["AlarmName"]}
    rows.PENDING.delete(call.tx, **place, sequence=request["Sequence"])
    alarm = rows.ALARMS.find(call.tx, **place)
    if alarm is not None:
        error, action = request.get("Error"), request["Action"]
        done = "Successfully executed" if error is None else "Failed to execute"
        data = {
            "actionState": "Succeeded" if error is None else "Failed",
            "notificationResource": action,
            "stateUpdateTimestamp": int(call.now * 1000),
            "error": error,
        }
        rows.add_history(
            call.tx, alarm, call.now, "Action", f"{done} action {action}", json.dumps(data)
        )
    return {}


@operation("_StateOfAlarm")
def state_of_alarm(call: Call, request: Request) -> Response:
    """An alarm's state for a neighbour, as ``StateValue``; ResourceNotFound when there is none.

    ``Span`` is how far back it looks, in seconds.
    """
    alarm = rows.get_alarm(call.tx, call.account, call.region, request["AlarmName"])
    state = rows.state_of(call.tx, alarm)
    return {
        "StateValue": state.state,
        "StateReason": state.reason,
        "AlarmArn": alarm.arn,
        "Span": alarm.period_s * alarm.evaluation_periods,
    }


@operation("_AlarmDatapoints")
def alarm_datapoints(call: Call, request: Request) -> Response:
    """What an alarm is judged by just now, for a neighbour; ResourceNotFound without an alarm.

    ``Values`` are the datapoints that count, the oldest first; ``StateValue`` and ``Threshold``.
    """
    alarm = rows.get_alarm(call.tx, call.account, call.region, request["AlarmName"])
    seen = evaluate(call, alarm)
    state = rows.state_of(call.tx, alarm)
    return {
        "StateValue": state.state,
        "Threshold": alarm.threshold,
        "Values": list(seen.verdict.used),
    }


@operation("SetAlarmState")
def set_alarm_state(call: Call, request: Request) -> Response:
    """Put an alarm into a state until its next evaluation; its actions are carried out."""
    alarm = rows.get_alarm(call.tx, call.account, call.region, request["AlarmName"])
    data = request.get("StateReasonData")
    if data is not None:
        try:
            json.loads(data)
        except ValueError:
            raise validation("StateReasonData is not valid JSON") from None
    turn(call, alarm, request["StateValue"], request["StateReason"], data)
    rows.note_change(call.tx)  # until the next evaluation, which is at once
    return {}


@operation("DescribeAlarmHistory")
def describe_alarm_history(call: Call, request: Request) -> Response:
    """What happened to alarms, the newest first unless asked otherwise."""
    if request.get("AlarmContributorId"):
        raise unsupported("AlarmContributorId")
    where = {"account": call.account, "region": call.region}
    if request.get("AlarmName"):
        where["name"] = request["AlarmName"]
    types = request.get("AlarmTypes") or ["MetricAlarm"]
    found = [
        item
        for item in rows.HISTORY.list(call.tx, **where)
        if "MetricAlarm" in types
        and request.get("HistoryItemType") in (None, item.kind)
        and (request.get("StartDate") or 0) <= item.at <= (request.get("EndDate") or call.now)
    ]
    oldest_first = request.get("ScanBy") == "TimestampAscending"
    found.sort(key=lambda item: (item.at, item.sequence), reverse=not oldest_first)
    token, limit = request.get("NextToken") or "0", request.get("MaxRecords") or 100
    if not token.isdecimal():
        raise invalid_next_token()
    after = int(token)
    answer: Response = {
        "AlarmHistoryItems": [views.history_item(item) for item in found[after : after + limit]]
    }
    if after + limit < len(found):
        answer["NextToken"] = str(after + limit)
    return answer


def _tagged(call: Call, request: Request) -> Alarm:
    arn = request["ResourceARN"]
    name = arn.split(":alarm:", 1)[-1]
    alarm = rows.ALARMS.find(call.tx, account=call.account, region=call.region, name=name)
    if alarm is None or alarm.arn != arn:
        raise not_found(f"Resource {arn} does not exist")
    return alarm


@operation("TagResource")
def tag_resource(call: Call, request: Request) -> Response:
    """Add tags to an alarm, or give present ones a new value."""
    alarm = _tagged(call, request)
    tags = {**dict(alarm.tags), **dict(parse_tags(request["Tags"]))}
    if len(tags) > 50:
        raise validation("An alarm can have at most 50 tags")
    rows.ALARMS.put(call.tx, replace(alarm, tags=tuple(tags.items())))
    return {}


@operation("UntagResource")
def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags of an alarm."""
    alarm = _tagged(call, request)
    kept = tuple(tag for tag in alarm.tags if tag[0] not in request["TagKeys"])
    rows.ALARMS.put(call.tx, replace(alarm, tags=kept))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """An alarm's tags."""
    return {"Tags": [{"Key": k, "Value": v} for k, v in _tagged(call, request).tags]}
