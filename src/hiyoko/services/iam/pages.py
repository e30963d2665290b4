"""Pages of a list: Marker and MaxItems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from hiyoko.api import AwsError

T = TypeVar("T")

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html: 100 unless told.
_ITEMS = 100


def page(items: Sequence[T], request: Mapping[str, Any]) -> tuple[list[T], dict[str, Any]]:
    """One page of the items, and the members that say whether there are more."""
    marker = request.get("Marker", "0")
    if not marker.isdigit():
        raise AwsError("ValidationError", f"Invalid Marker: {marker}")
    start = int(marker)
    end = start + int(request.get("MaxItems", _ITEMS))
    if end >= len(items):
        return list(items[start:]), {"IsTruncated": False}
    return list(items[start:end]), {"IsTruncated": True, "Marker": str(end)}
