"""A client of ec2 for tests: every answer is checked against AWS's shape on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.api.shapes import check_output
from tests.golden.golden import CountingIds, FixedClock

import hiyoko.services.ec2  # noqa: F401
from hiyoko import api
from hiyoko.services.ec2.seen import NAT_GATEWAYS_SEEN, NatGatewaySeen
from hiyoko.store.database import Store

# botocore's model lacks them, the service answers them: an attached internet gateway, a NAT
# gateway's interface, an interface just made, an endpoint's states.
REAL_VALUES = frozenset({"available", "deleting", "nat_gateway", "pending"})


@dataclass
class Ec2:
    """Calls operations of ec2 on a store in memory."""

    store: Store = field(default_factory=lambda: Store.open(":memory:"))
    ids: CountingIds = field(default_factory=CountingIds)
    clock: FixedClock = field(default_factory=FixedClock)
    region: str = api.DEFAULT_REGION
    account: str = api.DEFAULT_ACCOUNT

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        response = api.invoke(
            self.store,
            "ec2",
            operation,
            request,
            region=self.region,
            account=self.account,
            clock=self.clock,
            ids=self.ids,
        )
        if not operation.startswith("_"):
            check_output("ec2", operation, response, new_values=REAL_VALUES)
        return response

    def vpc(self, cidr: str = "10.0.0.0/16") -> str:
        return str(self("CreateVpc", CidrBlock=cidr)["Vpc"]["VpcId"])

    def subnet(self, vpc: str, cidr: str, zone: str = "ap-northeast-1a") -> str:
        answer = self("CreateSubnet", VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)
        return str(answer["Subnet"]["SubnetId"])

    def gateway(self, vpc: str) -> str:
        created = self("CreateInternetGateway")["InternetGateway"]
        gateway = str(created["InternetGatewayId"])
        self("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
        return gateway

    def table(self, vpc: str, *subnets: str, **target: str) -> str:
        table = str(self("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"])
        if target:
            self("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
        for subnet in subnets:
            self("AssociateRouteTable", RouteTableId=table, SubnetId=subnet)
        return table

    def nat(self, subnet: str) -> str:
        address = self("AllocateAddress", Domain="vpc")["AllocationId"]
        answer = self("CreateNatGateway", SubnetId=subnet, AllocationId=address)
        return str(answer["NatGateway"]["NatGatewayId"])

    def group(self, vpc: str, name: str, *permissions: dict[str, Any]) -> str:
        answer = self("CreateSecurityGroup", VpcId=vpc, GroupName=name, Description=name)
        group = str(answer["GroupId"])
        if permissions:
            self("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=list(permissions))
        return group

    def interface(self, subnet: str, *groups: str, public: bool = False) -> dict[str, Any]:
        return self(
            "_CreateManagedInterface",
            SubnetId=subnet,
            Groups=list(groups),
            Description="test",
            RequesterId="amazon-ecs",
            InterfaceType="interface",
            AssociatePublicIp=public,
        )

    def see_nat(self, nat: str) -> None:
        with self.store.transaction() as tx:
            NAT_GATEWAYS_SEEN.put(tx, NatGatewaySeen(nat, self.clock.now()))

    def miss_nat(self, nat: str) -> None:
        with self.store.transaction() as tx:
            NAT_GATEWAYS_SEEN.delete(tx, nat_gateway_id=nat)


def tcp(port: int, *, cidr: str = "", group: str = "") -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    if cidr:
        permission["IpRanges"] = [{"CidrIp": cidr}]
    if group:
        permission["UserIdGroupPairs"] = [{"GroupId": group}]
    return permission


@pytest.fixture
def ec2() -> Ec2:
    return Ec2()


@contextmanager
def refused(code: str, text: str = "") -> Iterator[None]:
    """What is in the block fails with this code, and a message that has this text."""
    with pytest.raises(api.AwsError) as caught:
        yield
    assert caught.value.code == code
    assert text in caught.value.message


def by(name: str, *values: str) -> list[dict[str, Any]]:
    """One filter, as the Describe operations take it."""
    return [{"Name": name, "Values": list(values)}]
