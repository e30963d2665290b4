"""A listener's servers: what a configuration says of them, and how a running proxy is told.

Rule 1: a server that leaves goes into maintenance first: what it began it may end, for
``DRAIN_S``; then it is deleted.
Rule 2: each place is there twice: once observed, and once as a spare that is used when all of the
observed ones are left alone.
https://docs.haproxy.org/2.6/management.html#9.3-add%20server
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

from hiyoko.blueprint.proxies import Proxy, ProxyListener
from hiyoko.plane.balancer.servers import AS_STATIC

SPARE = "spare:"
EJECT_S = 30
ERRORS_MAX = 5
DRAIN_S = 15
"""As long as a request may take where nothing else was said."""

Key = tuple[str, str]
"""A backend and a server in it."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a backend."""

    backend: str
    name: str
    endpoint: str
    arguments: str
    weight: int = 1

    @property
    def observed(self) -> bool:
        """Whether its failures are counted."""
        return not self.name.startswith(SPARE)

    @property
    def key(self) -> Key:
        """Where a running proxy has it."""
        return self.backend, self.name

    @property
    def told(self) -> str:
        """Its address, and what it is told besides."""
        weight = f" weight {self.weight}" if self.weight != 1 else ""
        return f"{self.endpoint} {self.arguments}{weight}"


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """A server of a running proxy: in maintenance, since when, and with how many sessions."""

    maintenance: bool
    changed_s: int
    sessions: int
    weight: int = 1


def server_arguments(listener: ProxyListener) -> tuple[str, str]:
    """What each server is told besides its address; the second is of spare ones."""
    version = "proto h2 " if listener.protocol in ("http2", "grpc") else ""
    layer = "layer4" if listener.protocol == "tcp" else "layer7"
    observed = (
        f"{version}check inter {EJECT_S}s fall 3 rise 1 observe {layer} error-limit {ERRORS_MAX}"
        f" on-error mark-down {AS_STATIC}"
    )
    return observed, f"{version}{AS_STATIC} backup"


def listener_servers(listener: ProxyListener) -> list[Server]:
    """All servers of a listener, in the order of the configuration."""
    observed, spare = server_arguments(listener)
    return [
        Server(backend, prefix + one.name, one.name, arguments, one.weight)
        for backend, servers in listener.backends
        for prefix, arguments in (("", observed), (SPARE, spare))
        for one in servers
    ]


def parse_servers(text: str) -> dict[Key, ServerSeen]:
    """``show stat`` (CSV): the servers by backend and name, without those of ingress."""
    found: dict[Key, ServerSeen] = {}
    for row in csv.DictReader(text.lstrip("# ").splitlines()):
        proxy, name = row["pxname"], row["svname"]
        if name not in ("FRONTEND", "BACKEND") and not proxy.startswith("ingress."):
            found[proxy, name] = ServerSeen(
                maintenance=row["status"].startswith("MAINT"),
                changed_s=int(row["lastchg"] or 0),
                sessions=int(row["scur"] or 0),
                weight=int(row["uweight"] or 1),
            )
    return found


def server_changes(proxy: Proxy, observed: Mapping[Key, ServerSeen]) -> list[str]:
    """The commands that make the observed servers the wished ones: puts before drops."""
    wished = {one.key: one for each in proxy.listeners for one in listener_servers(each)}
    commands: list[str] = []
    for key, server in wished.items():
        name, seen = "/".join(key), observed.get(key)
        if seen is None:
            commands.append(f"add server {name} {server.told}")
        elif seen.weight != server.weight:
            commands.append(f"set server {name} weight {server.weight}")
        if seen is None or seen.maintenance:
            commands += [f"enable health {name}"] if server.observed else []
            commands.append(f"set server {name} state ready")
    for key in sorted(observed.keys() - wished.keys()):
        name, seen = "/".join(key), observed[key]
        if not seen.maintenance:
            commands.append(f"set server {name} state maint")
        elif not seen.sessions or seen.changed_s >= DRAIN_S:
            commands += [f"shutdown sessions server {name}", f"del server {name}"]
    return commands


def follows(proxy: Proxy, observed: Mapping[Key, ServerSeen]) -> bool:
    """Whether what begins now goes where it shall: only what began before is elsewhere."""
    wished = {one.key: one for each in proxy.listeners for one in listener_servers(each)}
    used = {key: seen.weight for key, seen in observed.items() if not seen.maintenance}
    return used == {key: one.weight for key, one in wished.items()}


def drains(proxy: Proxy, observed: Mapping[Key, ServerSeen]) -> bool:
    """Whether some server that shall go is still there."""
    wished = {one.key for each in proxy.listeners for one in listener_servers(each)}
    return bool(observed.keys() - wished)
