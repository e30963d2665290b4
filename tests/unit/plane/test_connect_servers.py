"""What a running proxy is told of its servers, and whether it does what it shall."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from hiyoko.blueprint.proxies import Proxy, ProxyListener, ProxyServer
from hiyoko.plane.connect.servers import ServerSeen, follows, listener_servers

FIRST, SECOND = (ProxyServer(IPv4Address(f"10.0.0.{one}"), 80) for one in (1, 2))
ALIAS = ProxyListener("api", IPv4Address("127.255.0.1"), 80, 15001, "srv-1", "http", 300, 15)


def proxy(*servers: ProxyServer) -> Proxy:
    return Proxy("eni-1", "arn", "proxy", (replace(ALIAS, servers=servers),))


def test_a_proxy_follows_when_all_that_begins_goes_where_it_shall() -> None:
    servers = listener_servers(proxy(FIRST, SECOND).listeners[0])
    seen = {one.key: ServerSeen(False, 0, 0) for one in servers}
    assert follows(proxy(FIRST, SECOND), seen)
    assert not follows(proxy(FIRST, replace(SECOND, weight=64)), seen)
    assert not follows(proxy(FIRST), seen)
    leaving = {
        one.key: ServerSeen(one.endpoint == SECOND.name, 0, 3) for one in servers
    }  # what it began it may end
    assert follows(proxy(FIRST), leaving)
    assert not follows(proxy(FIRST, SECOND), leaving)
