"""PutMetricData, ListMetrics, and the intake of what the reconcilers counted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.cloudwatch import rows
from hiyoko.services.cloudwatch.errors import (
    invalid_combination,
    invalid_next_token,
    invalid_value,
    missing,
)
from hiyoko.services.cloudwatch.model import DAY_S, MINUTE_S, Dimensions, Intake, Series
from hiyoko.services.cloudwatch.statistics import Sample

VALUE_MAX = 2.0**360
PAST_S, FUTURE_S = 14 * DAY_S, 2 * 3600
DATA_MAX, VALUES_MAX, DIMENSIONS_MAX = 1000, 150, 30
LIST_MAX = 500
ACTIVE_S = 3 * 3600
_NAMESPACE = re.compile(r"[^:].*")


def parse_dimensions(given: list[Mapping[str, str]] | None) -> Dimensions:
    """Dimensions by name. Raises InvalidParameterValue."""
    given = given or []
    if len(given) > DIMENSIONS_MAX:
        raise invalid_value(
            f"The collection MetricData.member.1.Dimensions must not have a size greater than "
            f"{DIMENSIONS_MAX}."
        )
    return tuple(sorted((item["Name"], item["Value"]) for item in given))


@operation("PutMetricData")
def put_metric_data(call: Call, request: Request) -> Response:
    """Add values to the periods that they fall into."""
    if request.get("EntityMetricData"):
        raise unsupported("EntityMetricData")
    namespace, data = request["Namespace"], request.get("MetricData") or []
    if not _NAMESPACE.fullmatch(namespace):
        raise invalid_value(f"The value {namespace} for parameter Namespace is invalid.")
    if not data:
        raise missing("The parameter MetricData is required.")
    if len(data) > DATA_MAX:
        raise invalid_value(
            f"The collection MetricData must not have a size greater than {DATA_MAX}."
        )
    with call.tx.unobserved():  # an alarm looks at its own time
        for number, datum in enumerate(data, 1):
            _put(call, namespace, datum, f"MetricData.member.{number}")
        rows.note_change(call.tx)
    return {}


def _put(call: Call, namespace: str, datum: Request, where: str) -> None:
    sample = _sample(datum, where)
    at = datum.get("Timestamp")
    at = call.now if at is None else at
    if not call.now - PAST_S <= at <= call.now + FUTURE_S:
        raise invalid_value(
            f"The parameter {where}.Timestamp must specify a time no more than two weeks in the"
            " past and no more than two hours in the future."
        )
    resolution = datum.get("StorageResolution") or MINUTE_S
    if resolution not in (1, MINUTE_S):
        raise invalid_value(f"The value {resolution} for parameter {where}.StorageResolution is "
                            "invalid.")  # fmt: skip
    place = (call.account, call.region, namespace)
    dimensions = parse_dimensions(datum.get("Dimensions"))
    series = rows.series_of(
        call.tx, place, datum["MetricName"], dimensions, datum.get("Unit") or "None"
    )
    rows.add_sample(call.tx, series.number, int(at) // resolution * resolution, sample)
    if resolution == 1:
        rows.fold_fine(call.tx, series.number, call.now)


def _sample(datum: Request, where: str) -> Sample:
    names = [n for n in ("Value", "Values", "StatisticValues") if datum.get(n) is not None]
    if len(names) > 1:
        raise invalid_combination(
            f"The parameters {where}.{names[0]} and {where}.{names[1]} are mutually exclusive and"
            " you have specified both."
        )
    match names:
        case ["Value"]:
            return Sample.of({_number(datum["Value"], f"{where}.Value"): 1.0})
        case ["Values"]:
            return _distribution(datum, where)
        case ["StatisticValues"]:
            return _statistic_set(datum["StatisticValues"], f"{where}.StatisticValues")
        case _:
            raise missing(
                f"The parameter {where}.Value, {where}.Values or {where}.StatisticValues is"
                " required."
            )


def _distribution(datum: Request, where: str) -> Sample:
    values = datum["Values"]
    counts = datum.get("Counts") or [1.0] * len(values)
    if not values or len(values) > VALUES_MAX:
        raise invalid_value(f"The collection {where}.Values must have a size of 1 to {VALUES_MAX}.")
    if len(counts) != len(values):
        raise invalid_value(
            f"The parameters {where}.Values and {where}.Counts must be of the same size."
        )
    found: dict[float, float] = {}
    for value, count in zip(values, counts, strict=True):
        if not count > 0:
            raise invalid_value(f"The value {count} for parameter {where}.Counts is invalid.")
        number = _number(value, f"{where}.Values")
        found[number] = found.get(number, 0.0) + _number(count, f"{where}.Counts")
    return Sample.of(found)


def _statistic_set(given: Mapping[str, float], where: str) -> Sample:
    count, total, least, most = (
        _number(given[name], f"{where}.{name}")
        for name in ("SampleCount", "Sum", "Minimum", "Maximum")
    )
    if count <= 0:
        raise invalid_value(f"The value {count} for parameter {where}.SampleCount is invalid.")
    if least > most:
        raise invalid_value(f"{where}.Minimum must not be greater than {where}.Maximum.")
    return Sample.of_set(count, total, least, most)


def _number(value: float, where: str) -> float:
    if not math.isfinite(value) or abs(value) > VALUE_MAX:
        raise invalid_value(f"The value {value} for parameter {where} is invalid.")
    return float(value)


@operation("_RecordSamples")
def record_samples(call: Call, request: Request) -> Response:
    """What a part of this cloud has counted, for a service's own namespace; each batch once.

    ``Samples`` have ``MetricName``, ``Dimensions``, ``Unit``, ``Timestamp`` and ``Values``: how
    often each value came. A batch whose ``Sequence`` its ``Source`` has given before changes
    nothing, so it may be given again after a crash. Both may be left out: then it is not counted
    in order.
    """
    source = request.get("Source")
    with call.tx.unobserved():
        if source is not None:
            sequence: int = request["Sequence"]
            last = rows.INTAKES.find(call.tx, source=source)
            if last is not None and sequence <= last.sequence:
                return {"Taken": False}
            rows.INTAKES.put(call.tx, Intake(source, sequence))
        for item in request["Samples"]:
            if not item["Values"]:
                continue
            place = (call.account, call.region, request["Namespace"])
            dimensions = tuple(sorted(item["Dimensions"]))
            series = rows.series_of(call.tx, place, item["MetricName"], dimensions, item["Unit"])
            start = int(item["Timestamp"]) // MINUTE_S * MINUTE_S
            rows.add_sample(call.tx, series.number, start, Sample.of(item["Values"]))
        rows.note_change(call.tx)
        rows.expire(call.tx, call.now)
    return {"Taken": True}


@operation("ListMetrics")
def list_metrics(call: Call, request: Request) -> Response:
    """Metrics that had data in the last two weeks, by namespace, name and dimensions."""
    for name in ("IncludeLinkedAccounts", "OwningAccount"):
        if request.get(name):
            raise unsupported(name)
    if (active := request.get("RecentlyActive")) not in (None, "PT3H"):
        raise invalid_value(f"The value {active} for parameter RecentlyActive is invalid.")
    since = call.now - (ACTIVE_S if active else PAST_S)
    where = {"account": call.account, "region": call.region}
    if request.get("Namespace"):
        where["namespace"] = request["Namespace"]
        if request.get("MetricName"):
            where["name"] = request["MetricName"]
    found: dict[tuple[str, str, str], Series] = {}
    for series in rows.SERIES.list(call.tx, **where):
        if _asked_for(series, request) and (rows.last_start(call.tx, series.number) or 0) >= since:
            found.setdefault((series.namespace, series.name, series.key), series)
    after = _after(request.get("NextToken"), len(found))
    page = list(found.values())[after : after + LIST_MAX]
    answer: Response = {"Metrics": [_metric(series) for series in page]}
    if after + LIST_MAX < len(found):
        answer["NextToken"] = str(after + LIST_MAX)
    return answer


def _after(token: str | None, count: int) -> int:
    if token is None:
        return 0
    if not token.isdecimal() or int(token) > count:
        raise invalid_next_token()
    return int(token)


def _asked_for(series: Series, request: Request) -> bool:
    if request.get("MetricName") not in (None, series.name):
        return False
    has = dict(series.dimensions)
    return all(
        item["Name"] in has and item.get("Value") in (None, has[item["Name"]])
        for item in request.get("Dimensions") or []
    )


def _metric(series: Series) -> dict[str, Any]:
    return {
        "Namespace": series.namespace,
        "MetricName": series.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
    }
