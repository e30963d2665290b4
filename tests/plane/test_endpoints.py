"""Interface endpoints with real packets: names, TLS and groups as a task in the VPC has them."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web import SockSite
from tests.plane.dns_world import stop

import hiyoko.services.ec2
import hiyoko.services.sts
from hiyoko.api import AwsError, invoke
from hiyoko.gateway.server import Gateway
from hiyoko.plane.ca.authority import root_certificate_path
from hiyoko.plane.ca.endpoints import service_context
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.endpoints import EndpointPlane
from hiyoko.plane.error import PlaneError
from hiyoko.plane.network import prepare_internet
from hiyoko.plane.process import NETNS_DIR, run
from hiyoko.reconcile.endpoints import EndpointReconciler
from hiyoko.reconcile.network import NetworkReconciler
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.settings import Settings
from hiyoko.store.database import Store

assert hiyoko.services.ec2.__doc__  # importing them registers the operations
assert hiyoko.services.sts.__doc__

STS = "sts.ap-northeast-1.amazonaws.com"
VERSION = "2011-06-15"
BRIEFLY = ("--connect-timeout", "1.5")
"""How long is waited for what must not come."""


@dataclass
class World:
    """A store and who makes it real."""

    settings: Settings
    store: Store
    gateway: Gateway
    network: NetworkReconciler
    zones: ZoneReconciler
    endpoints: EndpointReconciler = field(init=False)

    def __post_init__(self) -> None:
        self.endpoints = self.new_endpoints()

    def new_endpoints(self) -> EndpointReconciler:
        """What a process has that has just begun: no socket."""
        return EndpointReconciler(self.store, EndpointPlane(self._serve))

    async def _serve(self, listener: socket.socket, names: Sequence[str]) -> SockSite:
        return await self.gateway.serve(listener, service_context(self.settings, names))

    def ec2(self, operation: str, **request: Any) -> Any:
        return invoke(self.store, "ec2", operation, request)

    async def settle(self) -> Report:
        """Each once, in an order in which once is enough; the endpoints' report."""
        await self.network.activate()
        report = await self.endpoints.activate()
        await self.zones.activate()
        return report

    async def curl(self, eni: str, url: str, *options: str) -> str:
        trust = str(root_certificate_path(self.settings))
        usual = ("curl", "-sS", "--max-time", "30", "--cacert", trust)
        return await run(*usual, *options, url, netns=eni)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    await prepare_internet()
    settings = Settings(tmp_path / "state")
    settings.run_dir.mkdir(parents=True)
    settings.log_dir.mkdir(parents=True)
    store = Store.open(tmp_path / "hiyoko.db")
    gateway = Gateway(store, settings)
    server = DnsServer(settings)
    network, zones = NetworkReconciler(store), ZoneReconciler(store, server)
    made = World(settings, store, gateway, network, zones)
    yield made
    store.empty()
    await made.settle()
    await gateway.close()
    await stop(settings, signal.SIGTERM)
    store.close()
    assert not list(NETNS_DIR.iterdir())


@dataclass
class Site:
    """A VPC without a way out, an interface in it, a group for endpoints."""

    vpc: str
    subnets: tuple[str, str]
    task: str
    group: str


@pytest.fixture
def site(world: World) -> Site:
    vpc = world.ec2("CreateVpc", CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    world.ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    first, second = (
        world.ec2("CreateSubnet", VpcId=vpc, CidrBlock=f"10.1.{n}.0/24", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for n, zone in enumerate(("ap-northeast-1a", "ap-northeast-1c"))
    )
    made = world.ec2("CreateSecurityGroup", VpcId=vpc, GroupName="e", Description="e")
    task = world.ec2(
        "_CreateManagedInterface",
        SubnetId=first,
        Groups=[],
        Description="task",
        RequesterId="amazon-ecs",
        InterfaceType="interface",
        AssociatePublicIp=False,
    )
    return Site(vpc, (first, second), task["NetworkInterfaceId"], made["GroupId"])


def make_endpoint(world: World, site: Site, **more: Any) -> Any:
    return world.ec2(
        "CreateVpcEndpoint",
        VpcId=site.vpc,
        VpcEndpointType="Interface",
        ServiceName="com.amazonaws.ap-northeast-1.sts",
        SubnetIds=list(site.subnets),
        SecurityGroupIds=[site.group],
        **more,
    )["VpcEndpoint"]


def let_in(world: World, site: Site) -> None:
    rule = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "IpRanges": [{"CidrIp": "10.1.0.0/16"}],
    }
    world.ec2("AuthorizeSecurityGroupIngress", GroupId=site.group, IpPermissions=[rule])


def state(world: World, endpoint: str) -> str:
    found = world.ec2("DescribeVpcEndpoints", VpcEndpointIds=[endpoint])["VpcEndpoints"]
    return str(found[0]["State"])


def caller(name: str) -> str:
    return f"https://{name}/?Action=GetCallerIdentity&Version={VERSION}"


async def test_a_service_answers_by_its_usual_name_at_private_addresses(
    world: World, site: Site
) -> None:
    let_in(world, site)
    endpoint = make_endpoint(world, site)
    assert endpoint["State"] == "pending"
    report = await world.settle()
    assert len(report.steps) == 2
    assert report.saw_change
    assert state(world, endpoint["VpcEndpointId"]) == "available"
    assert (await world.endpoints.activate()).quiet
    resolver = "@10.1.0.2"
    found = await run("dig", "+short", resolver, STS, netns=site.task)
    assert sorted(found.split()) == ["10.1.0.5", "10.1.1.4"]
    regional, zonal, *_ = (entry["DnsName"] for entry in endpoint["DnsEntries"])
    assert len((await run("dig", "+short", resolver, regional, netns=site.task)).split()) == 2
    assert (await run("dig", "+short", "@198.18.0.53", zonal)).split() == ["10.1.0.5"]
    for name in (STS, regional):
        place = ("--resolve", f"{name}:443:10.1.1.4")
        answer = await world.curl(site.task, caller(name), *place)
        assert "MissingAuthenticationToken" in answer or "GetCallerIdentityResult" in answer


async def test_an_endpoint_is_of_one_service_only(world: World, site: Site) -> None:
    let_in(world, site)
    make_endpoint(world, site)
    await world.settle()
    name = "logs.ap-northeast-1.amazonaws.com"
    with pytest.raises(PlaneError, match="certificate"):
        await world.curl(site.task, f"https://{name}/", "--resolve", f"{name}:443:10.1.1.4")


async def test_a_group_without_443_in_is_silence(world: World, site: Site) -> None:
    make_endpoint(world, site)
    await world.settle()
    place = ("--resolve", f"{STS}:443:10.1.1.4")
    with pytest.raises(PlaneError, match=r"(?i)time"):
        await world.curl(site.task, caller(STS), *place, *BRIEFLY)
    let_in(world, site)
    await world.settle()
    assert "<" in await world.curl(site.task, caller(STS), *place)


async def test_another_process_opens_the_sockets_anew_and_a_deleted_endpoint_is_gone(
    world: World, site: Site
) -> None:
    endpoint = make_endpoint(world, site)["VpcEndpointId"]
    await world.settle()
    # What a new daemon finds: sightings, and no socket of its own.
    await world.gateway.close()
    world.endpoints = world.new_endpoints()
    assert len((await world.endpoints.activate()).steps) == 2
    assert state(world, endpoint) == "available"
    world.ec2("DeleteVpcEndpoints", VpcEndpointIds=[endpoint])
    assert state(world, endpoint) == "deleting"
    await world.settle()
    with pytest.raises(AwsError, match="does not exist"):
        state(world, endpoint)
    found = await run("dig", "+short", "@10.1.0.2", STS, netns=site.task)
    assert found.split() == ["198.18.0.80"]
    with pytest.raises(PlaneError):
        await world.curl(site.task, caller(STS), *BRIEFLY)


SEEN = "seen.s3.ap-northeast-1.amazonaws.com"


def enclosed(world: World) -> tuple[str, str, str]:
    """A VPC without a way out: its route table, an interface and its group, which lets nobody out.

    Every one has the same addresses.
    """
    vpc = world.ec2("CreateVpc", CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = world.ec2("CreateSubnet", VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    table = world.ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    world.ec2("AssociateRouteTable", RouteTableId=table, SubnetId=subnet)
    group = world.ec2("CreateSecurityGroup", VpcId=vpc, GroupName="t", Description="t")["GroupId"]
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    world.ec2("RevokeSecurityGroupEgress", GroupId=group, IpPermissions=[everything])
    eni = world.ec2(
        "_CreateManagedInterface",
        SubnetId=subnet,
        Groups=[group],
        Description="task",
        RequesterId="amazon-ecs",
        InterfaceType="interface",
        AssociatePublicIp=False,
    )["NetworkInterfaceId"]
    name = "com.amazonaws.ap-northeast-1.s3"
    world.ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=name, RouteTableIds=[table])
    return table, eni, group


async def test_a_gateway_endpoint_leads_to_s3_by_its_route_and_the_group_lets_out_by_the_list(
    world: World,
) -> None:
    async def tell(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=str(request.remote))

    world.gateway.register_host(SEEN, tell)
    ways = [enclosed(world), enclosed(world)]
    await world.settle()
    (_, eni, group), (_, other, other_group) = ways
    found = (await run("dig", "+short", "@10.1.0.2", SEEN, netns=eni)).strip()
    asked = (f"https://{SEEN}/", "--resolve", f"{SEEN}:443:{found}")
    with pytest.raises(PlaneError, match="time"):
        await world.curl(eni, *asked, *BRIEFLY)
    name = [{"Name": "prefix-list-name", "Values": ["com.amazonaws.ap-northeast-1.s3"]}]
    (s3,) = world.ec2("DescribePrefixLists", Filters=name)["PrefixLists"]
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    rule = https | {"PrefixListIds": [{"PrefixListId": s3["PrefixListId"]}]}
    for each in (group, other_group):
        world.ec2("AuthorizeSecurityGroupEgress", GroupId=each, IpPermissions=[rule])
    await world.settle()
    # Two VPCs of the same addresses, each seen by its private address.
    for each in (eni, other):
        assert await world.curl(each, *asked) == "10.1.0.4"
    # Another process reads everything anew, and finds it as it should be.
    assert not (await NetworkReconciler(world.store).activate()).steps

    table = ways[0][0]
    (endpoint,) = (
        found["VpcEndpointId"]
        for found in world.ec2("DescribeVpcEndpoints")["VpcEndpoints"]
        if table in found["RouteTableIds"]
    )
    world.ec2("ModifyVpcEndpoint", VpcEndpointId=endpoint, RemoveRouteTableIds=[table])
    await world.settle()
    with pytest.raises(PlaneError, match="curl"):
        await world.curl(eni, *asked, *BRIEFLY)
    world.ec2("DeleteVpcEndpoints", VpcEndpointIds=[endpoint])
    await world.settle()
    assert not (NETNS_DIR / endpoint).exists()
    assert await world.curl(other, *asked) == "10.1.0.4"
