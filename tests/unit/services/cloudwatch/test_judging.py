"""AWS's own tables of what missing datapoints do.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import pytest

from hiyoko.services.cloudwatch.judging import judge

# Datapoints (0 not breaching, X breaching, - missing), then the state for missing, ignore,
# breaching and notBreaching. KEEP: the present state is kept.
THREE_OF_THREE = [
    ("0 - X - X", "OK", "OK", "OK", "OK"),
    ("0 - - - -", "OK", "OK", "OK", "OK"),
    ("- - - - -", "INSUFFICIENT_DATA", "KEEP", "ALARM", "OK"),
    ("0 X X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("- - X - -", "ALARM", "KEEP", "ALARM", "OK"),
    # Not in the table: "at least as old as the value of Datapoints to Alarm".
    ("- - - X X", "KEEP", "KEEP", "ALARM", "OK"),
    ("- - - - X", "KEEP", "KEEP", "ALARM", "OK"),
]
TWO_OF_THREE = [
    ("0 - X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("0 0 X 0 X", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("0 - X - -", "OK", "OK", "ALARM", "OK"),
    ("- - - - 0", "OK", "OK", "ALARM", "OK"),
    ("- - - X -", "ALARM", "KEEP", "ALARM", "OK"),
]
ROWS = [(3, *row) for row in THREE_OF_THREE] + [(2, *row) for row in TWO_OF_THREE]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} of 3: {row[1]}")
def test_missing_datapoints_are_treated_as_in_awss_tables(row: tuple[int, str, str]) -> None:
    needed, text, *wanted = row
    marks: dict[str, float | None] = {"0": 0.0, "X": 9.0, "-": None}
    points = [marks[mark] for mark in text.split()]
    states = [
        judge(points, lambda value: value > 1, 3, needed, treatment).state or "KEEP"
        for treatment in ("missing", "ignore", "breaching", "notBreaching")
    ]
    assert states == wanted


def test_real_datapoints_further_back_are_used_before_anything_is_filled_in() -> None:
    verdict = judge([9.0, 9.0, None, 9.0, None], lambda value: value > 1, 3, 3, "notBreaching")
    assert (verdict.state, verdict.filled, verdict.breaching) == ("ALARM", 0, 3)
