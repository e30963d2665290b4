"""What health checkers ask."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class Probe:
    """A question that a checker of each of these Regions asks every ``interval_s``.

    Without an address ``domain`` is looked up each time; with one it is the Host header. Neither
    ``http`` nor ``tls``: a TCP connection is all. ``threshold`` results in a row turn a verdict.
    """

    check_id: str
    http: bool
    tls: bool
    sni: bool
    address: IPv4Address | None
    domain: str
    port: int
    path: str
    search: str
    interval_s: int
    threshold: int
    regions: tuple[str, ...]
