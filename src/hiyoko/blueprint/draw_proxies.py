"""Tasks with Service Connect become proxies: what they listen for, and where that leads. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from hiyoko.blueprint.proxies import Proxy, ProxyListener, ProxyServer
from hiyoko.blueprint.shares import Share, production_weights, test_weights
from hiyoko.services.ecs.model import ConnectService, TaskView
from hiyoko.services.servicediscovery.model import ADDRESS, PORT, Instance

ALIASES = IPv4Network("127.255.0.0/16")
"""Where aliases lead to inside a task, as Amazon ECS has it."""
LOCAL_PORT = 15001
"""The proxy's own ports begin here."""
TEST_HEADER = "x-amzn-ecs-blue-green-test"
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-blue-green.html"""
Weigh = Callable[[Sequence[str]], dict[str, int]]
"""The weights of instances, by their ids; those that get nothing have none."""
NO_SHARES: Mapping[str, Share] = {}
HTTP_IDLE_S, HTTP_REQUEST_S, TCP_IDLE_S = 300, 15, 3600
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TimeoutConfiguration.html"""


def alias_addresses(endpoints: Iterable[ConnectService]) -> dict[str, IPv4Address]:
    """An address of the loopback for each alias name."""
    names = sorted({one.alias_name for one in endpoints})
    return {name: ALIASES[number] for number, name in enumerate(names, 1)}


def draw_proxies(
    views: Iterable[TaskView],
    instances: Mapping[str, Sequence[Instance]],
    shares: Mapping[str, Share] = NO_SHARES,
) -> tuple[Proxy, ...]:
    """A proxy for each task that has one and is not gone.

    ``instances``: by Cloud Map's service; ``shares``: of tasks whose service shifts traffic.
    """
    return tuple(
        _proxy(view, instances, shares)
        for view in views
        if view.task.proxy and view.task.ended_at is None and not (view.stop and _over(view))
    )


def _over(view: TaskView) -> bool:
    """Whether no container of the task runs any more: nobody speaks through its proxy."""
    ended = [seen is not None and seen.status == "STOPPED" for _, seen in view.pairs]
    return view.gone or (bool(ended) and all(ended))


def _proxy(
    view: TaskView, instances: Mapping[str, Sequence[Instance]], shares: Mapping[str, Share]
) -> Proxy:
    task = view.task
    addresses = alias_addresses(task.endpoints)
    listeners = tuple(
        _listener(one, addresses[one.alias_name], LOCAL_PORT + number, instances, shares)
        for number, one in enumerate(task.endpoints)
    )
    log = task.proxy_log
    return Proxy(
        task.eni_id,
        task.arn,
        task.proxy,
        listeners,
        task.ingress,
        access_log=log.access if log is not None else "",
        log_query=log is not None and log.query,
    )


def _listener(
    one: ConnectService,
    address: IPv4Address,
    local_port: int,
    instances: Mapping[str, Sequence[Instance]],
    shares: Mapping[str, Share],
) -> ProxyListener:
    registry = one.registry.rpartition("/")[2]
    tcp = one.protocol == "tcp"
    idle = TCP_IDLE_S if tcp else HTTP_IDLE_S
    there = instances.get(registry, ())
    return ProxyListener(
        name=one.alias_name,
        address=address,
        port=one.alias_port,
        local_port=local_port,
        registry=registry,
        protocol=one.protocol,
        idle_s=idle if one.idle_s is None else one.idle_s,
        request_s=HTTP_REQUEST_S if one.request_s is None else one.request_s,
        servers=_servers(there, partial(production_weights, shares=shares)),
        test_servers=() if tcp else _servers(there, partial(test_weights, shares=shares)),
        test_header="" if tcp else one.test_header or TEST_HEADER,
        test_value=one.test_value,
    )


def _servers(instances: Sequence[Instance], weigh: Weigh) -> tuple[ProxyServer, ...]:
    """Of those with a weight the healthy ones, or all when none is."""
    any_weight = weigh([one.instance_id for one in instances])
    meant = [one for one in instances if one.instance_id in any_weight]
    used = [one for one in meant if one.told_health == "HEALTHY"] or meant
    weights = weigh([one.instance_id for one in used])
    found = {
        ProxyServer(
            IPv4Address(one.attribute(ADDRESS)),
            int(one.attribute(PORT)),
            weights[one.instance_id],
        )
        for one in used
    }
    return tuple(sorted(found, key=lambda server: server.name))
