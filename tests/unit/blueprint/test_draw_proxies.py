"""Service Connect's proxies from rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hiyoko.blueprint.draw_proxies import alias_addresses, draw_proxies
from hiyoko.blueprint.shares import Share
from hiyoko.services.ecs.model import (
    ConnectService,
    ContainerDefinition,
    Stop,
    Task,
    TaskDefinition,
    TaskView,
)
from hiyoko.services.ecs.seen import ContainerSeen, TaskSeen
from hiyoko.services.servicediscovery.model import Instance

API = ConnectService("http", "api", "arn:aws:x:service/srv-1", 80, "http", 80, "api")
DB = replace(API, discovery_name="db", registry="arn:aws:x:service/srv-2", alias_name="db")
DEFINITION = TaskDefinition("1", "r", "f", 1, "d", 0.0, "", "256", "512", ())
TASK = Task(
    *("1", "r", "arn:task", "t1", "c", "d", "f", "g", 0.0, "eni-1", "s", "v", "a", "10.0.1.4"),
    *("", "", "", "256", "512", ()),
    proxy="ecs-service-connect-abcde",
    endpoints=(API, DB),
)


def instance(number: int, health: str = "HEALTHY") -> Instance:
    attributes = (("AWS_INSTANCE_IPV4", f"10.0.1.{number}"), ("AWS_INSTANCE_PORT", "8080"))
    return Instance("1", "r", "srv-1", str(number), "", 0.0, attributes, health)


def test_each_name_has_an_address_of_its_own() -> None:
    found = alias_addresses([DB, API, replace(API, alias_port=81)])
    assert {name: str(address) for name, address in found.items()} == {
        "api": "127.255.0.1",
        "db": "127.255.0.2",
    }


def test_servers_are_the_healthy_instances_or_all() -> None:
    view = TaskView(TASK, DEFINITION)

    def servers(*instances: Instance) -> list[str]:
        (proxy,) = draw_proxies([view], {"srv-1": instances})
        return [one.name for one in proxy.listeners[0].servers]

    assert servers(instance(5), instance(6, "UNHEALTHY")) == ["10.0.1.5:8080"]
    assert servers(instance(6, "UNHEALTHY")) == ["10.0.1.6:8080"]
    assert servers() == []


def test_a_deployment_that_takes_over_gets_its_share() -> None:
    view = TaskView(TASK, DEFINITION)
    there = [instance(number) for number in (5, 6, 7)]

    def drawn(production: float, test: float) -> tuple[dict[int, int], set[int]]:
        """The last part of each server's address with its weight, and of those for tests."""
        shares = {"7": Share("new", production, test)}
        shares |= dict.fromkeys(("5", "6"), Share("", 100 - production, 100 - test))
        (proxy,) = draw_proxies([view], {"srv-1": there}, shares)
        one = proxy.listeners[0]
        assert one.test_header == "x-amzn-ecs-blue-green-test"
        return (
            {server.address.packed[3]: server.weight for server in one.servers},
            {server.address.packed[3] for server in one.test_servers},
        )

    assert drawn(0, 0) == ({5: 1, 6: 1}, set())
    assert drawn(0, 100) == ({5: 1, 6: 1}, {7})
    assert drawn(10, 100) == ({5: 256, 6: 256, 7: 57}, {7})
    assert drawn(50, 100) == ({5: 128, 6: 128, 7: 256}, {7})
    assert drawn(100, 100) == ({7: 1}, set())
    # A share of a thousandth is a share.
    assert drawn(0.1, 100)[0][7] == 1
    there[0] = instance(5, "UNHEALTHY")
    assert drawn(50, 100) == ({6: 1, 7: 1}, {7})
    there[2] = instance(7, "UNHEALTHY")
    assert drawn(50, 100) == ({6: 1}, {7})


@pytest.mark.parametrize(
    ("service", "idle", "whole"),
    [
        (API, 300, 15),
        (replace(API, protocol="tcp"), 3600, 15),
        (replace(API, idle_s=0, request_s=60), 0, 60),
    ],
)
def test_times_are_those_of_the_protocol_unless_said(
    service: ConnectService, idle: int, whole: int
) -> None:
    view = TaskView(replace(TASK, endpoints=(service,)), DEFINITION)
    ((listener,),) = [proxy.listeners for proxy in draw_proxies([view], {})]
    assert (listener.idle_s, listener.request_s) == (idle, whole)


def test_a_proxy_stays_until_its_containers_are_gone() -> None:
    stopping = replace(TASK, stop=Stop(1.0, "UserInitiated", "x"))
    assert len(draw_proxies([TaskView(stopping, DEFINITION)], {})) == 1
    containers = tuple(ContainerDefinition(name, "i") for name in "ab")
    two = replace(DEFINITION, containers=containers)
    for states, there in ((("STOPPED", "RUNNING"), 1), (("STOPPED",), 1), (("STOPPED",) * 2, 0)):
        names = zip("ab", states, strict=False)
        seen = TaskSeen("arn:task", tuple(ContainerSeen(*each) for each in names))
        assert len(draw_proxies([TaskView(stopping, two, seen)], {})) == there
    gone = TaskSeen("arn:task", (), gone=True)
    assert draw_proxies([TaskView(stopping, DEFINITION, gone)], {}) == ()
    assert draw_proxies([TaskView(replace(TASK, proxy=""), DEFINITION)], {}) == ()
