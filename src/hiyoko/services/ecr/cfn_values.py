"""Values of templates in the form that ECR's operations take."""

from __future__ import annotations

import json
from typing import Any

from hiyoko.template.resource_type import Handle


def lower(value: Any) -> Any:
    """Names with a small first letter, all the way down mappings."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: lower(inner) for key, inner in value.items()}
    return value


def document(value: Any) -> str:
    """A policy as text: templates write it as text or as an object."""
    return value if isinstance(value, str) else json.dumps(value)


def mutability(handle: Handle) -> dict[str, Any]:
    """Whether tags may move, with the exceptions, whose names are longer in templates."""
    request = lower(handle.given("ImageTagMutability"))
    filters = handle.properties.get("ImageTagMutabilityExclusionFilters", ())
    if filters:
        request["imageTagMutabilityExclusionFilters"] = [
            {
                "filterType": one["ImageTagMutabilityExclusionFilterType"],
                "filter": one["ImageTagMutabilityExclusionFilterValue"],
            }
            for one in filters
        ]
    return dict(request)
