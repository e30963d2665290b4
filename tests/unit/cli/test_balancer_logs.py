"""An entry of the access log for the eye."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hiyoko.cli.balancer_logs import columns

ENTRY = (
    "https 2018-07-02T22:23:00.186641Z app/a/1 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 "
    '200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" C P arn "Root=1" '
    '"www.example.com" "-" 1 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" '
    '"-" "-" TID_1 "-" "-" "-"'
)


@pytest.fixture
def utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_an_entry_in_columns() -> None:
    assert columns(ENTRY) == (
        "22:23:00.186 200   171 ms 192.168.131.39  https GET https://www.example.com:443/ HTTP/1.1"
        " → 10.0.0.1:80"
    )
    refused = ENTRY.replace("10.0.0.1:80 0.086 0.048 0.037 200 200", "- -1 -1 -1 301 -")
    assert columns(refused).endswith(" HTTP/1.1 → forward")
    assert " 301        - " in columns(refused)
