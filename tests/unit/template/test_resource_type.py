"""Generated physical names."""

from __future__ import annotations

from typing import Any

import pytest

from hiyoko.template.resource_type import Handle


def handle(stack: str, logical_id: str) -> Handle:
    def invoke(service: str, operation: str, request: Any) -> dict[str, Any]:
        raise AssertionError

    return Handle(invoke, "r", "1", stack, "arn", logical_id, "abcdefghijkl", {})


@pytest.mark.parametrize(
    ("stack", "logical_id", "most", "name"),
    [
        ("site", "Vpc", 128, "site-Vpc-abcdefghijkl"),
        ("site", "LoadBalancer", 32, "site-LoadBalancer-abcdefghijkl"),
        ("my-long-stack-name", "LoadBalancer", 32, "my-long-s-LoadBalan-abcdefghijkl"),
        ("site", "AVeryLongLogicalIdentifier", 32, "site-AVeryLongLogic-abcdefghijkl"),
    ],
)
def test_a_name_keeps_its_random_part_and_cuts_the_others(
    stack: str, logical_id: str, most: int, name: str
) -> None:
    found = handle(stack, logical_id).name(most)
    assert found == name
    assert len(found) <= most
