"""A target's servers: what a configuration says of them, and how a running HAProxy is told.

Servers come and go through the runtime API, so a target costs no reload. The file on disk has the
same servers, because a restart reads that. HAProxy knows which servers it has: nobody remembers.

Rule 1: a server that the runtime API adds inherits nothing, so each line says all there is to say,
and two settings that a static server has by itself: without them it keeps no connection.
Rule 2: a server that leaves maintenance counts as up before its first check. So it comes in
without weight, is called down, and only then gets its weight: no request in between.
https://docs.haproxy.org/2.6/management.html#9.3-add%20server
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from hiyoko.blueprint.balancers import BalancerNode, Target, TargetGroup
from hiyoko.plane.balancer.names import OPEN, backend_name, open_backend, server_name
from hiyoko.plane.balancer.observe import ServerSeen
from hiyoko.plane.balancer.protocols import check_options, endpoint_options

_OWN_PORT = "<own>"
FULL_WEIGHT = 32
"""What a target weighs whose share may be halved, five times at most: less than 1 is nothing."""
CHECK_AGAIN_S = 1
"""After how long a young target is checked again: HAProxy's next check is an interval away."""
IN_USE = "Server still has connections"
"""How HAProxy's refusal to delete a server begins."""
AS_STATIC = "pool-purge-delay 5s pool-max-conn -1"


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a backend; ``settled`` as the target's. Draining means maintenance.

    ``weight`` is told to the running process only: a restart begins with full ones.
    """

    backend: str
    name: str
    endpoint: str
    arguments: str
    checked: bool = True
    draining: bool = False
    settled: bool = True
    young: bool = False
    weight: int = 1

    @property
    def key(self) -> tuple[str, str]:
        """Where an observed node has it."""
        return self.backend, self.name

    def line(self) -> str:
        """Its line in the configuration."""
        disabled = " disabled" if self.draining else ""
        return f"server {self.name} {self.endpoint} {self.arguments}{disabled}"

    def added(self) -> Iterator[str]:
        """The commands that make it."""
        yield f"add server {self.backend}/{self.name} {self.endpoint} {self.arguments}"
        yield from self.enabled()

    def enabled(self) -> Iterator[str]:
        """The commands that take it into service; they may be given again after any of them."""
        it = f"set server {self.backend}/{self.name}"
        yield f"{it} weight 0"
        yield f"{it} state ready"
        if self.checked:
            yield f"{it} health down"
            yield f"enable health {self.backend}/{self.name}"
        yield f"{it} weight {self.weight}"


def group_servers(group: TargetGroup) -> list[Server]:
    """All servers of a group, in the order of the configuration."""
    backend = backend_name(group.arn)
    usual, spare = server_arguments(group)
    way = endpoint_options(group)
    full = FULL_WEIGHT if weighs(group) else 1

    def made(place: str, name: str, arguments: str, target: Target, checked: bool) -> Server:
        return Server(
            place,
            name,
            server_name(target),
            f"{way} {arguments}".strip().replace(_OWN_PORT, str(target.port)),
            checked=checked,
            draining=target.draining,
            settled=target.settled,
            young=target.young,
            weight=max(full >> target.halved, 1) if checked else 1,
        )

    found = [made(backend, server_name(t), usual, t, True) for t in group.targets]
    # All unhealthy means traffic to all that were ever found healthy or unhealthy.
    open_ones = [t for t in group.targets if t.settled]
    if group.stickiness is None:
        found += [made(backend, OPEN + server_name(t), spare, t, False) for t in open_ones]
    if group.opens_apart:
        place, anyway = open_backend(group.arn), spare.removesuffix(" backup")
        found += [made(place, server_name(t), anyway, t, False) for t in open_ones]
    return found


@dataclass(frozen=True, slots=True)
class GroupServers:
    """What follows from one group: its servers by key, and their lines by backend.

    ``bare`` is the group without its targets.
    """

    group: TargetGroup
    bare: TargetGroup
    by_key: Mapping[tuple[str, str], Server]
    lines: Mapping[str, str]

    @classmethod
    def of(cls, group: TargetGroup) -> GroupServers:
        """Work it out."""
        servers = group_servers(group)
        lines: dict[str, str] = {}
        for one in servers:
            lines[one.backend] = f"{lines.get(one.backend, '')}  {one.line()}\n"
        return cls(
            group, replace(group, targets=()), {server.key: server for server in servers}, lines
        )


@dataclass(slots=True)
class KnownServers:
    """Groups' servers. Those of a group that is the same object as before are not made again.

    ``made`` counts how often they were.
    """

    made: int = 0
    _known: dict[str, dict[str, GroupServers]] = field(default_factory=dict)

    def of(self, node: BalancerNode) -> list[GroupServers]:
        """Those of a node's groups, in their order."""
        before = self._known.get(node.eni_id, {})
        known = self._known[node.eni_id] = {}
        for group in node.groups:
            old = before.get(group.arn)
            if old is None or old.group is not group:
                old = GroupServers.of(group)
                self.made += 1
            known[group.arn] = old
        return list(known.values())

    def lines(self, node: BalancerNode) -> dict[str, str]:
        """The lines of each backend's servers, by its name."""
        return {name: text for one in self.of(node) for name, text in one.lines.items()}

    def keep(self, nodes: Collection[str]) -> None:
        """Forget all but these nodes, by interface."""
        for gone in self._known.keys() - nodes:
            del self._known[gone]


def weighs(group: TargetGroup) -> bool:
    """True where targets' shares may differ."""
    return group.algorithm == "weighted_random"


def server_arguments(group: TargetGroup) -> tuple[str, str]:
    """What each server of the group is told besides its address; the second is of spare ones."""
    check = group.health_check
    port = f" port {check.port}" if check.port is not None else ""
    if group.protocol == "HTTPS" and check.protocol == "HTTP" and check.port is None:
        # A check with a port of its own does not take over that the server speaks TLS; the keyword
        # that says so directly is unknown to the runtime API.
        port = f" port {_OWN_PORT}"
    slow = f" slowstart {group.slow_start_s}s" if group.slow_start_s else ""
    weight = f" weight {FULL_WEIGHT}" if weighs(group) else ""
    usual = (
        f"check{port}{check_options(group)} inter {check.interval_s}s "
        f"rise {check.healthy_threshold} fall {check.unhealthy_threshold}{slow}{weight} {AS_STATIC}"
    )
    return usual, f"{AS_STATIC} backup"


@dataclass(frozen=True, slots=True)
class Change:
    """Commands that belong together, and what they do in words."""

    words: str
    backend: str
    commands: tuple[str, ...]
    ends: tuple[str, str] | None = None
    """The server whose connections end with it, also those of a worker that is being replaced."""
    fine: tuple[str, ...] = ()
    """Beginnings of answers that are no refusal of it."""


def server_changes(
    node: BalancerNode,
    observed: Mapping[tuple[str, str], ServerSeen],
    known: KnownServers | None = None,
) -> list[Change]:
    """What makes the observed servers the wished ones: puts before drops.

    ``known`` has the servers of groups that were asked for before.
    """
    wished: dict[tuple[str, str], Server] = {}
    for one in (known or KnownServers()).of(node):
        wished.update(one.by_key)
    found: list[Change] = []
    for key, server in wished.items():
        change = _change(server, observed.get(key))
        if change is not None:
            found.append(change)
    for key in observed.keys() - wished.keys():
        name = "/".join(key)
        commands = [f"set server {name} state maint"] if not observed[key].maintenance else []
        commands += [f"shutdown sessions server {name}", f"del server {name}"]
        found.append(Change(f"end server {name}", key[0], tuple(commands), key))
    return found


def _change(server: Server, seen: ServerSeen | None) -> Change | None:
    name = f"{server.backend}/{server.name}"
    if server.draining:
        if seen is None or seen.maintenance:
            return None
        return Change(f"drain server {name}", server.backend, (f"set server {name} state maint",))
    if seen is None:
        return Change(f"add server {name}", server.backend, tuple(server.added()))
    if seen.maintenance and server.checked:
        # A new one is checked at once. One that still ends what it began stays, for its next check.
        commands = (f"del server {name}", *server.added())
        return Change(f"enable server {name}", server.backend, commands, fine=(IN_USE,))
    if seen.maintenance or not seen.weight:
        return Change(f"enable server {name}", server.backend, tuple(server.enabled()))
    if seen.weight != server.weight:
        weigh = f"set server {name} weight {server.weight}"
        return Change(f"weigh server {name}", server.backend, (weigh,))
    if server.checked and not server.settled and not seen.up and seen.check == "L7OK":
        # AWS: one success makes a new target healthy, whatever the threshold is.
        rise = f"set server {name} health up"
        return Change(f"first success of server {name}", server.backend, (rise,))
    failed = not seen.up and seen.check not in ("", "L7OK")
    if server.checked and server.young and failed and seen.for_s >= CHECK_AGAIN_S:
        # It has had no request yet, so it can go; HAProxy checks a new one at once.
        commands = (f"set server {name} state maint", f"del server {name}", *server.added())
        return Change(f"check server {name} again", server.backend, commands)
    return None
