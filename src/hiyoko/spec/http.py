"""A request and a response as plain values, so that codecs need no socket and no HTTP library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. ``path`` and ``query`` are raw (still percent-encoded); ``headers`` must find
    lower-case names (a case-insensitive mapping or lower-case keys)."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


class HttpResponse(NamedTuple):
    """One response: what goes on the wire, with nothing left to decide."""

    status: int
    headers: dict[str, str]
    body: bytes
