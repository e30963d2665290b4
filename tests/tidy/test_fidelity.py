"""The fidelity page: every row names a source and a test that exists, or says that it is a gap."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "fidelity.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SOURCE = re.compile(r"\]\(https://[^)]+\)|\bRFC \d+\b")
GAP = re.compile(r"^\*\*(refused|not done)\*\*: \S")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    section: str
    behaviour: str
    source: str
    test: str


def rows() -> Iterator[Row]:
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        if not line.startswith("|") or line.startswith(("| ---", "| behaviour ")):
            continue
        # A bar inside a cell is written \|.
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        assert len(cells) == 3, f"not three cells: {line}"
        yield Row(section, *cells)


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row.behaviour[:60])
def test_a_row_names_its_source_and_its_test_or_is_a_gap(row: Row) -> None:
    assert SOURCE.search(row.source), f"no page or RFC: {row.behaviour}"
    named = TEST.findall(row.test)
    assert named or GAP.match(row.test), f"neither a test nor a gap: {row.behaviour}"
    for path, function in named:
        assert (ROOT / path).is_file(), f"{path} is not there"
        assert function.startswith("test_"), f"{path}::{function} is no test"
        assert function in functions(path), f"{path} has no {function}"


def test_no_behaviour_is_told_twice() -> None:
    told = [(row.section, row.behaviour) for row in rows()]
    assert len(told) == len(set(told))
