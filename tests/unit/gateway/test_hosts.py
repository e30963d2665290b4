from __future__ import annotations

import pytest

from hiyoko.gateway import hosts


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("127.0.0.1:4566", "127.0.0.1"),
        ("LOCALHOST", "localhost"),
        ("[::1]:4566", "::1"),
        ("ec2.eu-west-1.amazonaws.com", "ec2.eu-west-1.amazonaws.com"),
        ("", ""),
    ],
)
def test_a_host_header_is_read(header: str, name: str) -> None:
    assert hosts.host_name(header) == name


@pytest.mark.parametrize(
    "host", ["", "evil.example", "amazonaws.com.evil.example", "xamazonaws.com", "127.0.0.2"]
)
def test_a_foreign_host_is_refused(host: str) -> None:
    assert hosts.foreign(host, None) is not None


def test_a_cross_site_request_without_an_origin_is_refused() -> None:
    assert hosts.foreign("127.0.0.1", None, "cross-site") is not None
    assert hosts.foreign("127.0.0.1", None, "none") is None
