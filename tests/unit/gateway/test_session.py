from __future__ import annotations

import pytest

from hiyoko.gateway.session import whole_characters

CHARACTERS = ("a", "\u00e9", "\u3042", "\U0001f423")


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_cut_is_between_characters(character: str) -> None:
    data = f"x{character}".encode()
    for end in range(1, len(data)):
        assert whole_characters(data[:end]) == 1
    assert whole_characters(data) == len(data)


def test_what_is_no_text_is_not_held_back() -> None:
    for data in (b"", b"\x80", b"ab\x80\x80\x80\x80", b"\xe3\x81\x82\x80", b"a\xff\xfe\x80"):
        assert whole_characters(data) == len(data)
