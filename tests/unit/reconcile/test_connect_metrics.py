"""Service Connect's metrics: what each proxy has counted since, for the name that it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from tests.api.ecs_cloud import CONTAINER, Cloud

import hiyoko.services.cloudwatch
import hiyoko.services.servicediscovery  # noqa: F401
from hiyoko.blueprint.proxies import Proxy, ProxyListener
from hiyoko.plane.connect.counters import Counted
from hiyoko.plane.connect.plane import ChangeProxy, ProxyObserved, ProxyStep, StopProxy
from hiyoko.reconcile.connect_metrics import ConnectMetrics

START = 1_790_000_040.0
ASKED, FIRST, SECOND = ("sc.api.80", "FRONTEND"), ("sc.api.80", "a:80"), ("sc.api.80", "b:80")
SPARE, TEST = ("sc.api.80", "spare:a:80"), ("sc.api.80.test", "c:80")


@dataclass
class World:
    """A service that offers ``api``, and one client's proxy, whose counters the test sets."""

    protocol: str = "http"
    cloud: Cloud = field(default_factory=Cloud.ready)
    observed: ProxyObserved = field(default_factory=lambda: ProxyObserved(7, "d"))

    def __post_init__(self) -> None:
        cloud = self.cloud
        cloud.clock.time = START
        cloud("CreateHttpNamespace", "servicediscovery", Name="shop")
        port = {"containerPort": 80, "name": "http", "appProtocol": self.protocol}
        if self.protocol == "tcp":
            del port["appProtocol"]
        cloud.define(containerDefinitions=[CONTAINER | {"portMappings": [port]}])
        service = {"portName": "http", "discoveryName": "api", "clientAliases": [{"port": 80}]}
        offer = {"enabled": True, "namespace": "shop", "services": [service]}
        cloud.serve(serviceConnectConfiguration=offer)
        (found,) = cloud("ListServices", "servicediscovery")["Services"]
        address = IPv4Address("127.255.0.1")
        listener = ProxyListener("api", address, 80, 15001, found["Id"], self.protocol, 300, 15)
        self.proxy = Proxy("eni-1", "arn", "proxy", (listener,))

    def count(self, **counters: tuple[tuple[str, str], Counted]) -> None:
        self.observed = replace(self.observed, counters=dict(counters.values()))

    def take(self, *steps: ProxyStep, wished: bool = True) -> bool:
        proxies = {"eni-1": self.proxy} if wished else {}
        metrics = ConnectMetrics(self.cloud.store, self.cloud.clock)
        return metrics.take(proxies, {"eni-1": self.observed}, list(steps))

    def minute(self) -> None:
        self.cloud.clock.time += 60
        assert self.take()

    def sums(self, name: str, dimension: str = "DiscoveryName", **more: str) -> list[float]:
        return [one["Sum"] for one in self.points(name, dimension, **more)]

    def points(
        self, name: str, dimension: str = "DiscoveryName", **more: str
    ) -> list[dict[str, Any]]:
        dimensions = [{"Name": key, "Value": value} for key, value in more.items()]
        dimensions.append({"Name": dimension, "Value": "api"})
        found: list[dict[str, Any]] = self.cloud(
            "GetMetricStatistics",
            "cloudwatch",
            Namespace="AWS/ECS",
            MetricName=name,
            Dimensions=dimensions,
            StartTime=START - 60,
            EndTime=START + 600,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sorted(found, key=lambda one: one["Timestamp"])


def test_what_was_counted_since_the_last_minute_is_told_once() -> None:
    world = World()
    world.count(f=(ASKED, Counted(2, 5, 100, 900, active=1)))
    assert world.take()
    assert not world.take()
    world.count(f=(ASKED, Counted(3, 9, 180, 1700, active=2)))
    world.minute()
    # What was there at the first look, and what came in the minute after it.
    assert world.sums("RequestCount") == [9]
    assert world.sums("RequestCount", ClusterName="c", ServiceName="web") == [9]
    assert world.sums("NewConnectionCount") == [3]
    assert world.sums("ActiveConnectionCount") == [3]
    assert world.sums("ProcessedBytes") == [180]
    # Another process counts from 0.
    world.observed = replace(world.observed, pid=8)
    world.count(f=(ASKED, Counted(1, 1, 20, 30)))
    world.minute()
    assert world.sums("RequestCount") == [9, 1]


def test_answers_are_those_of_targets_also_of_one_that_has_gone() -> None:
    world = World()
    one = Counted(0, 0, 10, 90, 6, 3, 1, 1, 1)
    world.count(f=(ASKED, Counted(1, 13)), a=(FIRST, one), b=(SECOND, one), s=(SPARE, Counted()))
    assert world.take()
    gone = ChangeProxy(world.proxy, ("shutdown sessions server sc.api.80/b:80", "del server x"))
    world.count(f=(ASKED, Counted(1, 15)), a=(FIRST, one), b=(SECOND, replace(one, answers_2xx=5)))
    assert world.take(gone)
    more = (TEST, Counted(0, 0, 0, 0, 1, 1))
    world.count(f=(ASKED, Counted(1, 16)), a=(FIRST, one), t=more)
    world.minute()
    target = "TargetDiscoveryName"
    assert world.sums("HTTPCode_Target_2XX_Count", target) == [3 + 3 + 2 + 1]
    assert world.sums("HTTPCode_Target_5XX_Count", target, ClusterName="c", ServiceName="web") == [
        2
    ]
    assert world.sums("TargetProcessedBytes", target) == [200]
    assert world.sums("RequestCountPerTarget", target) == [6.5]
    assert world.sums("HTTPCode_Target_2XX_Count") == []


def test_a_proxy_that_goes_is_counted_to_its_end() -> None:
    world = World()
    world.count(f=(ASKED, Counted(1, 1)))
    assert world.take()
    world.count(f=(ASKED, Counted(1, 4)))
    assert world.take(StopProxy("eni-1"), wished=False)
    assert world.sums("RequestCount") == [4]


@pytest.mark.parametrize("protocol", ["tcp", "grpc"])
def test_connections_have_no_requests_and_calls_are_counted_as_such(protocol: str) -> None:
    world = World(protocol)
    world.count(f=(ASKED, Counted(2, 5, 100)), a=(FIRST, Counted(0, 0, 1, 2, 2)))
    assert world.take()
    assert world.sums("NewConnectionCount") == [2]
    assert world.sums("TargetProcessedBytes", "TargetDiscoveryName") == [3]
    calls = [5] if protocol == "grpc" else []
    assert world.sums("RequestCount") == world.sums("GrpcRequestCount") == calls
