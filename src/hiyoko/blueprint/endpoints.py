"""Where AWS's services must answer inside VPCs, by which names."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service at the address of an interface, in that interface's namespace.

    Of a gateway endpoint ``eni_id`` is its own id, and ``address`` the service's.
    ``names`` are all that its certificate is for: a request for another service fails here.
    """

    eni_id: str
    address: IPv4Address
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Every interface that answers for a service of AWS's, sorted by id."""

    endpoints: tuple[Endpoint, ...] = ()
