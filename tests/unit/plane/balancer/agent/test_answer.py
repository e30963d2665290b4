"""What HAProxy tells of a request."""

from __future__ import annotations

import pytest

from hiyoko.plane.balancer.agent.answer import Asked, path_of


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a?b=1&c", "/a?b=1&c"),
        ("//evil.test/x", "//evil.test/x"),
        ("https://a.test/x?y=%20", "/x?y=%20"),
        ("https://a.test", "/"),
        ("https://a.test?q", "/?q"),
    ],
)
def test_a_target_of_either_protocol_has_a_path(target: str, path: str) -> None:
    assert path_of(target) == path
    assert Asked("b.test:8443", path_of(target)).url == f"https://b.test:8443{path}"


def test_the_first_cookie_of_a_name_counts() -> None:
    asked = Asked("h", "/", cookie="a=1; b=x=y;a=2; c; =d")
    assert asked.cookies == {"a": "1", "b": "x=y", "": "d"}
