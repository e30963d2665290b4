"""Lists by filter, in pages: the token is the position of the next page's first item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from hiyoko.api import Request, Response
from hiyoko.services.route53resolver import errors

PAGE = 100

T = TypeVar("T")
Filters = Mapping[str, Callable[[Any], str | Iterable[str]]]
"""What an item says to each filter, by the filter's name in lower case without underscores."""


def page(request: Request, member: str, items: Sequence[dict[str, Any]]) -> Response:
    """One page under ``member``. Raises InvalidNextTokenException."""
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise errors.invalid_next_token()
    start, end = int(token), int(token) + size(request)
    answer: Response = {member: list(items[start:end])}
    if end < len(items):
        answer["NextToken"] = str(end)
    return answer


def size(request: Request) -> int:
    """How many items the caller wants at most."""
    return int(request.get("MaxResults") or PAGE)


def filtered(request: Request, items: Iterable[T], filters: Filters) -> list[T]:
    """The items that pass every filter; one of a filter's values is enough.

    A filter's name may be written either way: ``HostVPCId`` or ``HOST_VPC_ID``.
    """
    found = list(items)
    for one in request.get("Filters") or ():
        name, values = one.get("Name") or "", one.get("Values") or ()
        told = filters.get(name.replace("_", "").lower())
        if told is None:
            raise errors.invalid_parameter(f"The filter '{name}' is invalid")
        if not values:
            raise errors.invalid_parameter(f"No values specified for filter {name}")
        found = [item for item in found if not set(values).isdisjoint(_texts(told(item)))]
    return found


def _texts(told: str | Iterable[str]) -> Iterable[str]:
    return (told,) if isinstance(told, str) else told
