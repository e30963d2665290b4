"""Service Connect's proxies: one for each task, beside its containers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class ProxyServer:
    """A place that a listener sends to. ``weight``: how much, compared with the others; to 256."""

    address: IPv4Address
    port: int
    weight: int = 1

    @property
    def name(self) -> str:
        """Address and port, as one word."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class ProxyListener:
    """An alias: what containers send to ``address`` and ``port`` comes in at ``local_port``.

    ``protocol`` is http, http2, grpc or tcp; ``registry`` the id of Cloud Map's service that the
    servers are of. A time of 0 is no limit. What has the ``test_header`` (with the ``test_value``,
    unless that is empty) goes to the ``test_servers``, where there are some.
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
    test_servers: tuple[ProxyServer, ...] = ()
    test_header: str = ""
    test_value: str = ""

    @property
    def backend(self) -> str:
        """A name for it that is readable and its own."""
        return f"sc.{self.name}.{self.port}"

    @property
    def test_backend(self) -> str:
        """A name for where test traffic goes; all others end with a port."""
        return f"{self.backend}.test"

    @property
    def backends(self) -> tuple[tuple[str, tuple[ProxyServer, ...]], ...]:
        """The names and the servers of all that it leads to."""
        own = ((self.backend, self.servers),)
        return (*own, (self.test_backend, self.test_servers)) if self.test_header else own


@dataclass(frozen=True, slots=True)
class Proxy:
    """A task's proxy. ``ingress``: ports that others send to, and the containers' ports.

    ``access_log``: the format of entries of requests, TEXT or JSON; empty for none.
    ``log_query``: with the paths' queries.
    """

    eni_id: str
    task_arn: str
    name: str
    listeners: tuple[ProxyListener, ...] = ()
    ingress: tuple[tuple[int, int], ...] = ()
    access_log: str = ""
    log_query: bool = False
