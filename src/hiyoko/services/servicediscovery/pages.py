"""Lists in pages: the token is the position of the next page's first item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiyoko.api import Request, Response
from hiyoko.services.servicediscovery import errors

PAGE = 100


def page(request: Request, member: str, items: Sequence[dict[str, Any]]) -> Response:
    """One page under ``member``. Raises InvalidInput for a token that no answer gave out."""
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise errors.invalid_input("The NextToken is not valid.")
    start, end = int(token), int(token) + int(request.get("MaxResults") or PAGE)
    answer: Response = {member: list(items[start:end])}
    if end < len(items):
        answer["NextToken"] = str(end)
    return answer
