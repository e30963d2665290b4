"""Our resource types against the schemas that AWS publishes (as cfn-lint carries them)."""

from __future__ import annotations

from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]

import hiyoko.services.cloudformation  # noqa: F401  registers the types
from hiyoko.template.resource_type import Update, find_type, type_names

TYPES = sorted(type_names())


def schema(name: str) -> dict[str, Any]:
    return dict(PROVIDER_SCHEMA_MANAGER.get_resource_schema("ap-northeast-1", name).schema)


def top(pointers: list[str]) -> set[str]:
    """The names of whole properties in a list of JSON pointers."""
    return {pointer.split("/")[2] for pointer in pointers if pointer.count("/") == 2}


@pytest.mark.parametrize("name", TYPES)
def test_every_property_of_a_type_is_one_of_aws(name: str) -> None:
    kind, published = find_type(name), schema(name)
    assert kind is not None
    assert set(kind.properties) <= set(published["properties"])
    assert set(published.get("required", [])) <= kind.required <= set(kind.properties)
    assert kind.named is None or kind.named in kind.properties


@pytest.mark.parametrize("name", TYPES)
def test_what_replaces_a_resource_on_aws_replaces_it_here(name: str) -> None:
    kind, published = find_type(name), schema(name)
    assert kind is not None
    fixed = top(published.get("createOnlyProperties", [])) & set(kind.properties)
    assert all(kind.properties[key] is Update.REPLACE for key in fixed)
