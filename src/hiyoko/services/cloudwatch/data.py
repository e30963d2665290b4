"""GetMetricStatistics and GetMetricData."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.cloudwatch import queries, rows
from hiyoko.services.cloudwatch.errors import (
    invalid_combination,
    invalid_next_token,
    invalid_value,
    missing,
    validation,
)
from hiyoko.services.cloudwatch.metrics import parse_dimensions
from hiyoko.services.cloudwatch.model import Series
from hiyoko.services.cloudwatch.queries import Range
from hiyoko.services.cloudwatch.statistics import Sample, is_percentile, statistic

POINTS_MAX = 1440
DATA_POINTS_MAX = 100_800
QUERIES_MAX = 500


@operation("GetMetricStatistics")
def get_metric_statistics(call: Call, request: Request) -> Response:
    """Statistics of one metric for each period with data, apart for each unit."""
    simple = request.get("Statistics") or []
    extended = request.get("ExtendedStatistics") or []
    if not simple and not extended:
        raise missing("At least one of the parameters Statistics and ExtendedStatistics must be "
                      "specified.")  # fmt: skip
    for name in extended:
        if not is_percentile(name):
            raise unsupported("ExtendedStatistics", name)
    span = _span(request)
    series = rows.find_series(
        call.tx,
        call.account,
        call.region,
        request["Namespace"],
        request["MetricName"],
        parse_dimensions(request.get("Dimensions")),
    )
    by_unit: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        if request.get("Unit") in (None, one.unit):
            by_unit[one.unit].append(one)
    points = [
        _point(at, sample, unit, simple, extended)
        for unit, alike in by_unit.items()
        for at, sample in sorted(queries.by_period(call, alike, span).items())
    ]
    return {"Label": request["MetricName"], "Datapoints": points}


def _span(request: Request) -> Range:
    start, end, period = request["StartTime"], request["EndTime"], request["Period"]
    if start >= end:
        raise invalid_value("The parameter StartTime must be less than the parameter EndTime.")
    queries.check_period(period)
    span = Range.around(start, end, period)
    wanted = math.ceil((end - span.start) / period)
    if wanted > POINTS_MAX:
        raise invalid_combination(
            f"You have requested up to {wanted:,} datapoints, which exceeds the limit of"
            f" {POINTS_MAX:,}. You may reduce the datapoints requested by increasing Period, or"
            " decreasing the time range."
        )
    return span


def _point(
    at: float, sample: Sample, unit: str, simple: list[str], extended: list[str]
) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": at, "Unit": unit}
    for name in simple:
        point[name] = statistic(sample, name)
    told = {name: statistic(sample, name) for name in extended}
    if told := {name: value for name, value in told.items() if value is not None}:
        point["ExtendedStatistics"] = told
    return point


@operation("GetMetricData")
def get_metric_data(call: Call, request: Request) -> Response:
    """Values of metrics and of metric math, newest first unless asked otherwise."""
    asked = request["MetricDataQueries"]
    if len(asked) > QUERIES_MAX:
        raise validation(f"At most {QUERIES_MAX} MetricDataQueries can be asked at once.")
    start, end = request["StartTime"], request["EndTime"]
    if start >= end:
        raise validation("The parameter StartTime must be less than the parameter EndTime.")
    queries.check_queries(asked)
    found = queries.answer(call, asked, start, end)
    newest_first = (request.get("ScanBy") or "TimestampDescending") == "TimestampDescending"
    limit = request.get("MaxDatapoints") or DATA_POINTS_MAX
    skip = _token(request.get("NextToken"))
    results, seen = [], 0
    for query in asked:
        if query.get("ReturnData") is False:
            continue
        points = sorted(found[query["Id"]].items(), reverse=newest_first)
        page = points[max(skip - seen, 0) : max(skip + limit - seen, 0)]
        seen += len(points)
        results.append(_result(query, page, complete=seen <= skip + limit))
    answer: Response = {"MetricDataResults": results, "Messages": []}
    if seen > skip + limit:
        answer["NextToken"] = str(skip + limit)
    return answer


def _token(token: str | None) -> int:
    if token is not None and not token.isdecimal():
        raise invalid_next_token()
    return int(token or 0)


def _result(query: Request, page: list[tuple[float, float]], *, complete: bool) -> dict[str, Any]:
    stat = query.get("MetricStat")
    usual = stat["Metric"].get("MetricName") if stat else query["Id"]
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or usual,
        "Timestamps": [at for at, _ in page],
        "Values": [value for _, value in page],
        "StatusCode": "Complete" if complete else "PartialData",
    }
