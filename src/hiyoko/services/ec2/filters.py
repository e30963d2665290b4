"""Describe calls in one place: ids asked for, filters with wildcards, tags, pages.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import eq
from typing import Any, TypeVar

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2 import errors
from hiyoko.services.ec2.rows import Kind

T = TypeVar("T")
Values = str | Iterable[str]
Filters = Mapping[str, Callable[[T], Values]]


def describe(
    call: Call,
    kind: Kind[T],
    request: Request,
    view: Callable[[Call, T], dict[str, Any]],
    filters: Filters[T],
    *,
    ids: str,
    answer: str,
    filter_parameter: str = "Filters",
    rows: list[T] | None = None,
) -> Response:
    """The rows that were asked for, as ``answer``. One unknown id fails the whole call."""
    wanted: Sequence[str] = request.get(ids) or ()
    if wanted and request.get("MaxResults"):
        raise errors.bad_combination(
            f"The parameter {ids} cannot be used with the parameter maxResults"
        )
    if wanted:
        found = sorted({i: kind.get(call, i) for i in wanted}.items())
        chosen = [row for _, row in found]
    else:
        chosen = kind.list(call) if rows is None else rows
    chosen = select(chosen, request.get(filter_parameter) or (), filters)
    return page(chosen, request, kind.id_of, lambda row: view(call, row), answer)


def select(rows: Iterable[T], asked: Iterable[Mapping[str, Any]], filters: Filters[T]) -> list[T]:
    """The rows that pass every filter; a filter passes when any of its values matches."""
    chosen = list(rows)
    for item in asked:
        name = item.get("Name", "")
        matches = [_matcher(value) for value in item.get("Values") or ()]
        values = _reader(name, filters)
        chosen = [row for row in chosen if any(match(v) for match in matches for v in values(row))]
    return chosen


def _reader(name: str, filters: Filters[T]) -> Callable[[T], Iterable[str]]:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda row: [v for k, v in getattr(row, "tags", ()) if k == key]
    if name == "tag-key":
        return lambda row: [k for k, _ in getattr(row, "tags", ())]
    read = filters.get(name)
    if read is None:
        raise errors.bad_value(f"The filter '{name}' is invalid")

    def values(row: T) -> Iterable[str]:
        value = read(row)
        return (value,) if isinstance(value, str) else value

    return values


def _matcher(text: str) -> Callable[[str], object]:
    """Most values are ids: a pattern of each would be compiled, and kept by ``re`` for long."""
    if not any(character in text for character in "*?\\"):
        return partial(eq, text)
    return _pattern(text).fullmatch


def _pattern(text: str) -> re.Pattern[str]:
    """``*`` is any string, ``?`` one character, ``\\`` takes the next one literally."""
    parts = []
    characters = iter(text)
    for character in characters:
        match character:
            case "*":
                parts.append(".*")
            case "?":
                parts.append(".")
            case "\\":
                parts.append(re.escape(next(characters, "\\")))
            case _:
                parts.append(re.escape(character))
    return re.compile("".join(parts), re.DOTALL)


def page(
    rows: Sequence[T],
    request: Request,
    key: Callable[[T], str],
    view: Callable[[T], dict[str, Any]],
    answer: str,
) -> Response:
    """One page. The token holds the last id, so rows that go meanwhile shift nothing."""
    after = _read_token(request.get("NextToken"))
    rest = [row for row in rows if after is None or key(row) > after]
    size = request.get("MaxResults") or len(rest)
    response: Response = {answer: [view(row) for row in rest[:size]]}
    if len(rest) > size:
        response["NextToken"] = base64.urlsafe_b64encode(key(rest[size - 1]).encode()).decode()
    return response


def _read_token(token: str | None) -> str | None:
    if not token:
        return None
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise AwsError("InvalidNextToken", f"The token '{token}' is invalid.") from error


def truth(value: bool) -> str:
    """A boolean as filters spell it."""
    return "true" if value else "false"
