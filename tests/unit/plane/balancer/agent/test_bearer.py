"""When a token's claim is as demanded."""

from __future__ import annotations

import pytest

from hiyoko.blueprint.balancers import Claim
from hiyoko.plane.balancer.agent.bearer import satisfied


@pytest.mark.parametrize(
    ("kind", "demanded", "value", "expected"),
    [
        ("single-string", ("a",), "a", True),
        ("single-string", ("a",), "A", False),
        ("single-string", ("a",), ["a"], False),
        ("single-string", ("1",), 1, False),
        ("single-string", ("a",), None, False),
        ("space-separated-values", ("a",), "b a c", True),
        ("space-separated-values", ("a", "c"), "b a c", True),
        ("space-separated-values", ("a", "d"), "b a c", False),
        ("space-separated-values", ("a",), "ab", False),
        ("space-separated-values", ("a",), ["a"], False),
        ("string-array", ("a",), ["b", "a"], True),
        ("string-array", ("a", "c"), ["b", "a"], False),
        ("string-array", ("a",), "a", False),
        ("string-array", ("a",), [["a"], {"a": 1}, 1], False),
    ],
)
def test_a_claim_is_of_its_format_and_has_all_values(
    kind: str, demanded: tuple[str, ...], value: object, expected: bool
) -> None:
    assert satisfied(Claim("x", kind, demanded), value) is expected
