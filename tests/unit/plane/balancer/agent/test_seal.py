"""Sealed values, and cookies that are too large for one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiyoko.plane.balancer.agent.seal import COOKIE_BYTES_MAX, Seal, gathered, shards

SEAL = Seal(b"k" * 32)
ATTRIBUTES = "Expires=Wed, 02 Dec 2026 01:59:48 GMT; Path=/; Secure; HttpOnly"


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none())))
def test_what_is_sealed_is_opened_for_the_same_purpose_only(content: dict[str, object]) -> None:
    text = SEAL.close("a", content)
    assert SEAL.open("a", text) == content
    assert SEAL.open("b", text) is None
    assert Seal(b"l" * 32).open("a", text) is None
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_two_seals_of_one_content_differ_and_hide_it() -> None:
    content = {"token": "secret-token"}
    first, second = SEAL.close("a", content), SEAL.close("a", content)
    assert first != second
    assert b"secret" not in base64.urlsafe_b64decode(first + "==")


@pytest.mark.parametrize("text", ["", "A", "A" * 15, "A" * 200, "é", "a b", "%00", "=" * 8])
def test_what_is_no_seal_is_nothing(text: str) -> None:
    assert SEAL.open("a", text) is None


@given(st.text("ab", min_size=1, max_size=17_000))
def test_shards_come_back_whole_whatever_is_left_of_an_older_value(value: str) -> None:
    lines = shards("S", value, ATTRIBUTES)
    if lines is None:
        assert len(value) > 15_000
        return
    assert all(len(line) <= COOKIE_BYTES_MAX for line in lines)
    kept = {f"S-{number}": "old" for number in range(4)}
    kept |= dict(line.split(";")[0].split("=", 1) for line in lines)
    assert gathered("S", kept) == value
    for number in range(len(lines)):
        assert gathered("S", {k: v for k, v in kept.items() if k != f"S-{number}"}) == ""


@pytest.mark.parametrize("first", ["", "0x", "5x", "x", "2x", "4"])
def test_a_value_that_does_not_say_how_many_shards_it_has_is_none(first: str) -> None:
    assert gathered("S", {"S-0": first}) == ""
    assert shards("S", "", ATTRIBUTES) is None
