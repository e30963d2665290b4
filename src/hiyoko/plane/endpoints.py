"""AWS's services at addresses inside VPCs: a listening socket in an interface's own namespace.

Packets reach it through the VPC's routes, ACLs and the interface's groups, like any other's. The
sockets are this process's: when it ends they end, and the next one opens them anew.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from typing import Protocol

from hiyoko.blueprint.endpoints import Endpoint, Endpoints
from hiyoko.blueprint.step import Step
from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import IP_FREEBIND, identity, in_namespace
from hiyoko.plane.process import NETNS_DIR

PORT = 443
BACKLOG = 512


class Site(Protocol):
    """A socket that is served."""

    async def stop(self) -> None:
        """Serve it no longer, and close it."""
        ...


Serve = Callable[[socket.socket, Sequence[str]], Awaitable[Site]]
"""Serves a listening socket over TLS, with a certificate for these names."""


@dataclass(frozen=True, slots=True)
class Listen(Step):
    """Answer at an endpoint's address."""

    endpoint: Endpoint

    def __str__(self) -> str:
        """In words."""
        return f"listen on {self.endpoint.address}:{PORT} in {self.endpoint.eni_id}"


@dataclass(frozen=True, slots=True)
class Leave(Step):
    """Answer no longer in this interface's namespace."""

    eni_id: str

    def __str__(self) -> str:
        """In words."""
        return f"leave {self.eni_id}"


@dataclass(frozen=True, slots=True)
class Observed:
    """What is served where. ``stale`` are sockets in namespaces that are no more.

    ``standing`` are the wanted interfaces whose namespace is there.
    """

    listening: frozenset[Endpoint]
    stale: frozenset[str]
    standing: frozenset[str]


def steps(wanted: Endpoints, observed: Observed) -> tuple[Step, ...]:
    """What is missing, where a namespace stands for it, after what is too much."""
    endpoints = frozenset(wanted.endpoints)
    leave = observed.stale | {e.eni_id for e in observed.listening - endpoints}
    listen = [
        e for e in wanted.endpoints if e not in observed.listening and e.eni_id in observed.standing
    ]
    return (*(Leave(eni_id) for eni_id in sorted(leave)), *(Listen(e) for e in listen))


@dataclass(frozen=True, slots=True)
class _Open:
    """A served socket and the namespace that it is in."""

    endpoint: Endpoint
    namespace: tuple[int, int] | None
    site: Site


@dataclass(slots=True)
class EndpointPlane:
    """The sockets of this process. ``serve`` is whoever speaks HTTP."""

    serve: Serve
    _open: dict[str, _Open] = field(default_factory=dict)

    def observe(self, wanted: Endpoints) -> Observed:
        """Which sockets are open, and which of the wanted interfaces' namespaces there are."""
        stale = {i for i, one in self._open.items() if identity(NETNS_DIR / i) != one.namespace}
        return Observed(
            listening=frozenset(o.endpoint for i, o in self._open.items() if i not in stale),
            stale=frozenset(stale),
            standing=frozenset(
                e.eni_id for e in wanted.endpoints if identity(NETNS_DIR / e.eni_id) is not None
            ),
        )

    async def apply(self, step: Step) -> None:
        """Take one step. Raises PlaneError."""
        match step:
            case Leave(eni_id):
                await self._open.pop(eni_id).site.stop()
            case Listen(endpoint):
                namespace = NETNS_DIR / endpoint.eni_id
                there = identity(namespace)
                listener = in_namespace(namespace, partial(_listen, endpoint.address))
                try:
                    site = await self.serve(listener, endpoint.names)
                except PlaneError:
                    listener.close()
                    raise
                self._open[endpoint.eni_id] = _Open(endpoint, there, site)


def _listen(address: IPv4Address) -> socket.socket:
    """A listening socket, though the address may still be without an interface."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        listener.bind((str(address), PORT))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PlaneError(f"listen on port {PORT} of {address}: {error}") from error
    return listener
