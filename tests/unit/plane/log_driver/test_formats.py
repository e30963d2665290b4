from __future__ import annotations

import re

import pytest

from hiyoko.plane.log_driver.formats import datetime_pattern


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[%b %d, %Y %H:%M:%S]", "[May 01, 2026 19:00:01] A message"),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2026-11-30T01:02:03.123456+0900 x"),
        ("%A %j %p %%", "Monday 366 AM % x"),
    ],
)
def test_a_format_finds_its_time(text: str, line: str) -> None:
    assert re.search(datetime_pattern(text), line)
    assert not re.search(datetime_pattern(text), "  at com.example.Main")


def test_a_code_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="%Q is no code"):
        datetime_pattern("%Y %Q")
