"""Tasks with Service Connect become proxies: what they listen for, and where that leads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from hiyoko.blueprint.proxies import Proxy, ProxyListener, ProxyServer
from hiyoko.services.ecs.model import ConnectService, TaskView
from hiyoko.services.servicediscovery.model import ADDRESS, PORT, Instance

ALIASES = IPv4Network("127.255.0.0/16")
"""Where aliases lead to inside a task, as Amazon ECS has it."""
LOCAL_PORT = 15001
"""The proxy's own ports begin here."""
HTTP_IDLE_S, HTTP_REQUEST_S, TCP_IDLE_S = 300, 15, 3600
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TimeoutConfiguration.html"""


def alias_addresses(endpoints: Iterable[ConnectService]) -> dict[str, IPv4Address]:
    """An address of the loopback for each alias name."""
    names = sorted({one.alias_name for one in endpoints})
    return {name: ALIASES[number] for number, name in enumerate(names, 1)}


def draw_proxies(
    views: Iterable[TaskView], instances: Mapping[str, Sequence[Instance]]
) -> tuple[Proxy, ...]:
    """A proxy for each task that has one and is not gone. ``instances``: by Cloud Map's service."""
    return tuple(
        _proxy(view, instances)
        for view in views
        if view.task.proxy and view.task.ended_at is None and not (view.stop and view.gone)
    )


def _proxy(view: TaskView, instances: Mapping[str, Sequence[Instance]]) -> Proxy:
    task = view.task
    addresses = alias_addresses(task.endpoints)
    listeners = tuple(
        _listener(one, addresses[one.alias_name], LOCAL_PORT + number, instances)
        for number, one in enumerate(task.endpoints)
    )
    return Proxy(task.eni_id, task.arn, task.proxy, listeners, task.ingress)


def _listener(
    one: ConnectService,
    address: IPv4Address,
    local_port: int,
    instances: Mapping[str, Sequence[Instance]],
) -> ProxyListener:
    registry = one.registry.rpartition("/")[2]
    tcp = one.protocol == "tcp"
    idle = TCP_IDLE_S if tcp else HTTP_IDLE_S
    return ProxyListener(
        name=one.alias_name,
        address=address,
        port=one.alias_port,
        local_port=local_port,
        registry=registry,
        protocol=one.protocol,
        idle_s=idle if one.idle_s is None else one.idle_s,
        request_s=HTTP_REQUEST_S if one.request_s is None else one.request_s,
        servers=_servers(instances.get(registry, ())),
    )


def _servers(instances: Sequence[Instance]) -> tuple[ProxyServer, ...]:
    """The healthy ones, or all when none is."""
    healthy = [one for one in instances if one.told_health == "HEALTHY"]
    found = {
        ProxyServer(IPv4Address(one.attribute(ADDRESS)), int(one.attribute(PORT)))
        for one in healthy or instances
    }
    return tuple(sorted(found, key=lambda server: server.name))
