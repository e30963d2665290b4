"""A proxy's blueprint, the configuration that HAProxy gets, and the rules that lead to it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from tests.golden.golden import check_golden

from hiyoko.blueprint.proxies import Proxy, ProxyListener, ProxyServer
from hiyoko.plane.connect.render import render_proxy, render_redirections


def listener(number: int, name: str, protocol: str, *servers: str) -> ProxyListener:
    return ProxyListener(
        name=name,
        address=IPv4Address("127.255.0.0") + number,
        port=80,
        local_port=15000 + number,
        registry=f"srv-{number}",
        protocol=protocol,
        idle_s=3600 if protocol == "tcp" else 300,
        request_s=0 if protocol == "grpc" else 15,
        servers=tuple(ProxyServer(IPv4Address(one), 8080) for one in servers),
        test_header="" if protocol == "tcp" else "x-amzn-ecs-blue-green-test",
    )


def shifting(listener: ProxyListener, production: int, test: str) -> ProxyListener:
    """A tenth of its traffic goes to another deployment's server, and what is marked as a test."""
    before = tuple(replace(one, weight=256) for one in listener.servers)
    new = ProxyServer(IPv4Address(test), 8080, production)
    only = replace(new, weight=1)
    return replace(listener, servers=(*before, new), test_servers=(only,), test_value='it"s me')


PROXY = Proxy(
    "eni-1",
    "arn:aws:ecs:ap-northeast-1:123456789012:task/c/1",
    "ecs-service-connect-abcde",
    (
        shifting(listener(1, "api", "http", "10.0.1.5", "10.0.2.6"), 57, "10.0.1.8"),
        listener(2, "calls.shop.internal", "grpc", "10.0.1.7"),
        listener(3, "db", "tcp"),
    ),
    ((8443, 80),),
    access_log="JSON",
)


def test_the_configuration_of_a_proxy() -> None:
    check_golden("connect/proxy.cfg", render_proxy(PROXY))


def test_entries_as_text() -> None:
    lines = render_proxy(replace(PROXY, access_log="TEXT", log_query=True)).splitlines()
    formats = "\n".join(line.strip() for line in lines if "log-format" in line)
    check_golden("connect/access-log.txt", formats + "\n")


def test_the_rules_that_lead_to_it() -> None:
    check_golden("connect/redirections.nft", render_redirections(PROXY))
