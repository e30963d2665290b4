from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from hiyoko.api import AwsError
from hiyoko.services.ec2.filters import Filters, page, select


@dataclass(frozen=True)
class Row:
    name: str
    tags: tuple[tuple[str, str], ...] = ()


FILTERS: Filters[Row] = {"name": lambda row: row.name, "letter": lambda row: row.name}


def names(rows: list[Row], name: str, *values: str) -> list[str]:
    return [r.name for r in select(rows, [{"Name": name, "Values": list(values)}], FILTERS)]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("a", ["a"]),
        ("a*", ["a", "ab", "a*"]),
        ("a?", ["ab", "a*"]),
        ("a\\*", ["a*"]),
        ("A", []),
        ("a.", []),
        ("*", ["a", "ab", "a*", "\\"]),
        ("\\\\", ["\\"]),
        ("\\", ["\\"]),
    ],
)
def test_wildcards_and_escapes(pattern: str, matches: list[str]) -> None:
    assert names([Row("a"), Row("ab"), Row("a*"), Row("\\")], "name", pattern) == matches


def test_a_filter_without_values_matches_nothing() -> None:
    assert names([Row("a")], "name") == []


def test_tags_are_filtered_by_value_and_by_key() -> None:
    rows = [Row("a", (("k", "v"),)), Row("b", (("k", "w"),)), Row("c")]
    assert names(rows, "tag:k", "v") == ["a"]
    assert names(rows, "tag-key", "k") == ["a", "b"]


def test_an_unknown_filter_is_named() -> None:
    with pytest.raises(AwsError, match="The filter 'colour' is invalid"):
        names([Row("a")], "colour", "red")


def test_every_row_comes_on_exactly_one_page() -> None:
    rows = [Row(f"{n:03}") for n in range(23)]
    seen: list[str] = []
    request: dict[str, Any] = {"MaxResults": 7}
    while True:
        answer = page(rows, request, lambda r: r.name, lambda r: {"Name": r.name}, "Rows")
        seen += [row["Name"] for row in answer["Rows"]]
        if "NextToken" not in answer:
            break
        request["NextToken"] = answer["NextToken"]
    assert seen == [row.name for row in rows]


@pytest.mark.parametrize("token", ["%", "é", "abc", "/w=="])
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(AwsError, match="InvalidNextToken"):
        page([Row("a")], {"NextToken": token}, lambda r: r.name, lambda _: {}, "Rows")
