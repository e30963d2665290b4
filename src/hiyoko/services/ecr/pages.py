"""Pages of a list: the token names the place where the next page begins."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TypeVar

from hiyoko.api import Request
from hiyoko.services.ecr.errors import InvalidParameter

T = TypeVar("T")
PAGE = 100
"""https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeRepositories.html"""


def page(request: Request, rows: Sequence[T]) -> tuple[Sequence[T], str | None]:
    """The rows of the page asked for, and the next page's token."""
    start = 0
    if "nextToken" in request:
        try:
            start = int(base64.b64decode(request["nextToken"], validate=True))
        except ValueError as error:
            raise InvalidParameter(
                "Invalid parameter at 'nextToken' failed to satisfy constraint:"
                " 'Invalid pagination token'"
            ) from error
    end = start + int(request.get("maxResults", PAGE))
    token = base64.b64encode(str(end).encode()).decode() if end < len(rows) else None
    return rows[start:end], token
