"""The fidelity page: every row names a source and a test that exists, or says that it is a gap."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from hiyoko.services.elbv2.actions import FINAL
from hiyoko.services.elbv2.attributes import LISTENER, LOAD_BALANCER, TARGET_GROUP
from hiyoko.services.elbv2.conditions import FIELDS
from hiyoko.services.elbv2.transforms import CONFIGS

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


STATUSES = (
    *(400, 401, 403, 405, 408, 413, 414, 460, 463, 464),
    *(500, 501, 502, 503, 504, 505, 507, 561),
)
"""What a load balancer answers by itself."""
ACTIONS = ("authenticate-cognito", "authenticate-oidc", "jwt-validation", *FINAL)
TYPES = (
    *("A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV"),
    *("SSHFP", "SVCB", "TLSA", "TXT"),
)
POLICIES = (
    "weighted",
    "latency",
    "failover",
    "geolocation",
    "geoproximity",
    "multivalue",
    "IP-based",
)


def keys() -> list[str]:
    """Names that a user can set or meet, each of which has a row."""
    attributes = (*LOAD_BALANCER, *TARGET_GROUP, *LISTENER)
    return sorted(
        {
            *(f"`{attribute.key}`" for attribute in attributes),
            *(str(status) for status in STATUSES),
            *(*FIELDS, *ACTIONS, *CONFIGS, *POLICIES, *TYPES),
        }
    )


@pytest.mark.parametrize("key", keys())
def test_every_name_that_a_user_can_set_or_meet_has_a_row(key: str) -> None:
    start, end = ("", "") if key.startswith("`") else (r"(?<![\w-])", r"(?!\w)")
    word = re.compile(f"{start}{re.escape(key)}{end}", re.IGNORECASE)
    assert any(word.search(f"{row.behaviour} {row.test}") for row in rows()), f"no row for {key}"


def test_no_behaviour_is_told_twice() -> None:
    told = [(row.section, row.behaviour) for row in rows()]
    assert len(told) == len(set(told))
