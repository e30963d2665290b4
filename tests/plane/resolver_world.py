"""A store, the network and the DNS of a world, and a company's own name server in an interface."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from tests.plane.dns_world import dig, stop

from hiyoko import services
from hiyoko.api import invoke
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.dns.service import Service
from hiyoko.plane.dns.sockets import open_pairs_in
from hiyoko.plane.network import prepare_internet
from hiyoko.plane.process import NETNS_DIR
from hiyoko.reconcile.network import NetworkReconciler
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.settings import Settings
from hiyoko.store.database import Store

services.load()

ANYWHERE = [{"CidrIp": "0.0.0.0/0"}]
DNS = [
    {"IpProtocol": protocol, "FromPort": 53, "ToPort": 53, "IpRanges": ANYWHERE}
    for protocol in ("udp", "tcp")
]


@dataclass
class World:
    """A store and who makes it real."""

    settings: Settings
    store: Store
    network: NetworkReconciler
    zones: ZoneReconciler
    requests: int = 0

    def __call__(self, service: str, operation: str, **request: Any) -> Any:
        return invoke(self.store, service, operation, request)

    def ec2(self, operation: str, **request: Any) -> Any:
        return self("ec2", operation, **request)

    def resolver(self, operation: str, **request: Any) -> Any:
        if operation.startswith("Create"):
            self.requests += 1
            request = {"CreatorRequestId": f"request-{self.requests}", **request}
        return self("route53resolver", operation, **request)

    async def settle(self) -> Report:
        """Each once, in an order in which once is enough; the DNS's report."""
        await self.network.activate()
        report = await self.zones.activate()
        assert report.refusals == {}
        return report

    def vpc(self, number: int) -> Site:
        """A VPC of two subnets without a way out."""
        vpc = self.ec2("CreateVpc", CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
        self.ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
        subnets = [
            self.ec2(
                "CreateSubnet",
                VpcId=vpc,
                CidrBlock=f"10.{number}.{place}.0/24",
                AvailabilityZone=f"ap-northeast-1{zone}",
            )["Subnet"]["SubnetId"]
            for place, zone in enumerate("ac")
        ]
        return Site(self, vpc, f"10.{number}.0.2", subnets)

    def rule(self, domain: str, endpoint: str = "", *targets: str) -> str:
        """A rule, FORWARD if it has targets."""
        more: dict[str, Any] = {}
        if targets:
            ips = [{"Ip": target} for target in targets]
            more = {"TargetIps": ips, "ResolverEndpointId": endpoint}
        kind = "FORWARD" if targets else "SYSTEM"
        made = self.resolver("CreateResolverRule", RuleType=kind, DomainName=domain, **more)
        return str(made["ResolverRule"]["Id"])

    def associate(self, rule: str, vpc: str) -> str:
        made = self.resolver("AssociateResolverRule", ResolverRuleId=rule, VPCId=vpc)
        return str(made["ResolverRuleAssociation"]["Id"])

    def status(self, endpoint: str) -> str:
        told = self.resolver("GetResolverEndpoint", ResolverEndpointId=endpoint)
        return str(told["ResolverEndpoint"]["Status"])


@dataclass
class Site:
    """A VPC and its resolver's address."""

    world: World
    vpc: str
    address: str
    subnets: list[str]

    def interface(self, group: str = "") -> tuple[str, str]:
        """An interface as a task's, with its address."""
        made = self.world.ec2(
            "_CreateManagedInterface",
            SubnetId=self.subnets[0],
            Groups=[group] if group else [],
            RequesterId="amazon-ecs",
        )
        return made["NetworkInterfaceId"], made["PrivateIpAddress"]

    def group(self, name: str) -> str:
        """A group that lets questions in, and out whatever is sent."""
        made = self.world.ec2(
            "CreateSecurityGroup", VpcId=self.vpc, GroupName=name, Description=name
        )
        self.world.ec2("AuthorizeSecurityGroupIngress", GroupId=made["GroupId"], IpPermissions=DNS)
        return str(made["GroupId"])

    def endpoint(self, direction: str, group: str) -> str:
        made = self.world.resolver(
            "CreateResolverEndpoint",
            Direction=direction,
            SecurityGroupIds=[group],
            IpAddresses=[{"SubnetId": subnet} for subnet in self.subnets],
        )
        return str(made["ResolverEndpoint"]["Id"])

    def addresses(self, endpoint: str) -> list[str]:
        told = self.world.resolver("ListResolverEndpointIpAddresses", ResolverEndpointId=endpoint)
        return [one["Ip"] for one in told["IpAddresses"]]


async def ask(site: Site, task: str, *question: str, server: str = "") -> str:
    """What a task of the VPC is told; dig waits longer than a resolver tries."""
    return await dig("+time=8", f"@{server or site.address}", *question, netns=task)


def values(said: str) -> list[str]:
    """The answer section's data, in dig's words."""
    return [
        line.split(None, 4)[4]
        for line in said.splitlines()
        if line and not line.startswith(";") and len(line.split(None, 4)) == 5
    ]


@dataclass
class Company:
    """A name server of somebody's own: records by name and type, and who has asked for what."""

    records: dict[tuple[str, str], dns.rrset.RRset] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    tcp: int = 0
    services: list[Service] = field(default_factory=list)

    def say(self, name: str, kind: str, *data: str) -> None:
        self.records[name, kind] = dns.rrset.from_text(f"{name}.", 60, "IN", kind, *data)

    def answer(self, wire: bytes, address: str, client: tuple[str, int], *, tcp: bool) -> bytes:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append((client[0], name))
        self.tcp += tcp
        response = dns.message.make_response(query)
        found = self.records.get((name, dns.rdatatype.to_text(question.rdtype)))
        found = found or self.records.get((name, "CNAME"))
        if found is not None:
            response.answer.append(found)
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        said = response.to_wire(max_size=65535)
        if len(said) > 512 and not tcp:
            response.answer.clear()
            response.flags |= dns.flags.TC
            said = response.to_wire(max_size=65535)
        return said

    def serve(self, eni: str, address: str) -> None:
        for pair in open_pairs_in(NETNS_DIR / eni, [address]):
            service = Service(pair, self.answer)
            service.start()
            self.services.append(service)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    await prepare_internet()
    settings = Settings(tmp_path / "state")
    settings.run_dir.mkdir(parents=True)
    settings.log_dir.mkdir(parents=True)
    store = Store.open(tmp_path / "hiyoko.db")
    zones = ZoneReconciler(store, DnsServer(settings))
    made = World(settings, store, NetworkReconciler(store), zones)
    yield made
    store.empty()
    await made.settle()
    await stop(settings, signal.SIGTERM)
    store.close()
    assert not list(NETNS_DIR.iterdir())


@pytest.fixture
async def company() -> AsyncIterator[Company]:
    made = Company()
    yield made
    for service in made.services:
        service.stop()
