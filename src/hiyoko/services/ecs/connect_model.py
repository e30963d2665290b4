"""What ECS keeps of Service Connect; part of ``model``, through which others know it."""

from __future__ import annotations

from dataclasses import dataclass

MANAGED = "AmazonECSManaged"
"""The tag of what ECS makes in Cloud Map, and deletes when no service uses it."""


@dataclass(frozen=True, slots=True)
class ConnectService:
    """A port of a service that others reach by an alias, and where its tasks are registered.

    ``registry`` is the ARN of Cloud Map's service; ``protocol`` http, http2, grpc or tcp. Times
    are None where nothing was said, 0 for no limit. Without an ``ingress_port`` tasks are reached
    at the container's. Test traffic has the ``test_header`` with the ``test_value``, or with any.
    """

    port_name: str
    discovery_name: str
    registry: str
    port: int
    protocol: str
    alias_port: int
    alias_name: str
    ingress_port: int = 0
    idle_s: int | None = None
    request_s: int | None = None
    alias_given: bool = True
    test_header: str = ""
    test_value: str = ""

    @property
    def told_port(self) -> int:
        """The port that an instance is registered with."""
        return self.ingress_port or self.port


@dataclass(frozen=True, slots=True)
class ConnectLog:
    """Where proxies' logs go (``options`` of awslogs), and what is in them.

    ``access``: the format of entries of requests, TEXT or JSON; empty for none. ``query``: with
    the paths' queries.
    """

    options: tuple[tuple[str, str], ...]
    access: str = ""
    query: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """A deployment's serviceConnectConfiguration; ``namespace`` is an ARN.

    ``given`` is the namespace as it was asked for, empty for the cluster's default.
    """

    namespace: str
    given: str = ""
    services: tuple[ConnectService, ...] = ()
    log: ConnectLog | None = None
