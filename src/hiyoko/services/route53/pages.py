"""Lists in pages: by a number of items and a marker, or by a token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hiyoko.api import Request, Response
from hiyoko.services.route53 import errors, rows

PAGE = 100
T = TypeVar("T")
View = Callable[[T], dict[str, Any]]


def page_size(request: Request, most: int = PAGE) -> int:
    """How many items the caller wants (``MaxItems``), ``most`` at most. Raises InvalidInput."""
    text = str(request.get("MaxItems") or most)
    if not text.isdigit() or int(text) == 0:
        raise errors.invalid_input(f"Invalid value for maxitems: {text}")
    return min(int(text), most)


def marker_page(
    request: Request, member: str, items: Sequence[T], key: Callable[[T], str], view: View[T]
) -> Response:
    """One page under ``member`` of items in the order of their keys; a marker is the next key.

    It may have a prefix, as every id may.
    """
    size, marker = page_size(request), request.get("Marker") or ""
    found = [one for one in items if key(one) >= rows.bare_id(marker)]
    response: Response = {
        member: [view(one) for one in found[:size]],
        "Marker": marker,
        "IsTruncated": len(found) > size,
        "MaxItems": str(size),
    }
    if len(found) > size:
        response["NextMarker"] = key(found[size])
    return response


def token_page(request: Request, member: str, items: Sequence[dict[str, Any]]) -> Response:
    """One page under ``member``; the token is the position of the next one."""
    token, size = request.get("NextToken") or "0", str(request.get("MaxResults") or PAGE)
    if not token.isdigit() or not size.isdigit() or int(size) == 0:
        raise errors.invalid_input("Invalid value for nexttoken or maxresults")
    start, end = int(token), int(token) + min(int(size), PAGE)
    page: Response = {member: list(items[start:end])}
    if end < len(items):
        page["NextToken"] = str(end)
    return page
