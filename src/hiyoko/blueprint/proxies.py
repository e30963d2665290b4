"""Service Connect's proxies: one for each task, beside its containers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class ProxyServer:
    """A place that a listener sends to."""

    address: IPv4Address
    port: int

    @property
    def name(self) -> str:
        """Address and port, as one word."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class ProxyListener:
    """An alias: what containers send to ``address`` and ``port`` comes in at ``local_port``.

    ``protocol`` is http, http2, grpc or tcp; ``registry`` the id of Cloud Map's service that the
    servers are of. A time of 0 is no limit.
    """

    name: str
    address: IPv4Address
    port: int
    local_port: int
    registry: str
    protocol: str
    idle_s: int
    request_s: int
    servers: tuple[ProxyServer, ...] = ()

    @property
    def backend(self) -> str:
        """A name for it that is readable and its own."""
        return f"sc.{self.name}.{self.port}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A task's proxy. ``ingress``: ports that others send to, and the containers' ports."""

    eni_id: str
    task_arn: str
    name: str
    listeners: tuple[ProxyListener, ...] = ()
    ingress: tuple[tuple[int, int], ...] = ()
