"""Quoting, wildcards, and the pages of AWS's balancer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiyoko.plane.balancer.text import page, quoted, wildcard


@given(st.text())
def test_a_quoted_word_holds_nothing_that_the_parser_reads(text: str) -> None:
    inner = quoted(text)[1:-1]
    assert not re.search(r"""["'$#%\n\r\t]|\\(?!x[0-9a-f]{2})""", inner)
    restored = re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), inner)
    assert restored.encode("latin-1").decode() == text


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("/img/*", "/img/", True),
        ("/img/*", "/img/a/b", True),
        ("/img/*", "/img", False),
        ("/img/*/pics", "/img/a/b/pics", True),
        ("/v?", "/v1", True),
        ("/v?", "/v", False),
        ("/a.b", "/axb", False),
        ("*.example.com", "example.com", False),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
    ],
)
def test_wildcards_match_as_aws_says(pattern: str, text: str, matches: bool) -> None:
    # elasticloadbalancing/latest/application/rule-condition-types.html
    assert bool(re.fullmatch(wildcard(pattern), text)) == matches


@pytest.mark.parametrize(
    ("title", "length"),
    [
        ("502 Bad Gateway", 122),
        ("503 Service Temporarily Unavailable", 162),
        ("504 Gateway Time-out", 132),
        ("301 Moved Permanently", 134),
        ("302 Found", 110),
    ],
)
def test_pages_have_the_length_that_aws_sends(title: str, length: int) -> None:
    assert len(page(title)) == length
