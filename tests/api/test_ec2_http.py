"""ec2 over HTTP, as boto3 and its waiters and paginators speak to it."""

from __future__ import annotations

import asyncio

import pytest
from botocore.exceptions import ClientError, WaiterError
from tests.api.conftest import Endpoint

from hiyoko.services.ec2.seen import NAT_GATEWAYS_SEEN, NatGatewaySeen

ONCE = {"Delay": 0, "MaxAttempts": 1}


def test_a_vpc_with_a_nat_gateway_is_built_waited_for_and_taken_down(endpoint: Endpoint) -> None:
    ec2 = endpoint.client("ec2")
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "site"}]}]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc], WaiterConfig=ONCE)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    ec2.get_waiter("subnet_available").wait(SubnetIds=[subnet], WaiterConfig=ONCE)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]
    key = nat["NatGatewayId"]
    available = ec2.get_waiter("nat_gateway_available")
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        available.wait(NatGatewayIds=[key], WaiterConfig=ONCE)

    async def see() -> None:
        with endpoint.store.transaction() as tx:
            NAT_GATEWAYS_SEEN.put(tx, NatGatewaySeen(key, 0.0))

    async def miss() -> None:
        with endpoint.store.transaction() as tx:
            NAT_GATEWAYS_SEEN.delete(tx, nat_gateway_id=key)

    asyncio.run_coroutine_threadsafe(see(), endpoint.loop).result(5)
    available.wait(NatGatewayIds=[key], WaiterConfig=ONCE)
    ec2.delete_nat_gateway(NatGatewayId=key)
    asyncio.run_coroutine_threadsafe(miss(), endpoint.loop).result(5)
    ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[key], WaiterConfig=ONCE)
    ec2.release_address(AllocationId=address)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)


def test_paginators_see_every_subnet_once(endpoint: Endpoint) -> None:
    ec2 = endpoint.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = {
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"]
        for n in range(7)
    }
    pages = ec2.get_paginator("describe_subnets").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}], PaginationConfig={"PageSize": 5}
    )
    seen = [subnet["SubnetId"] for page in pages for subnet in page["Subnets"]]
    assert len(seen) == 7
    assert set(seen) == made


def test_errors_carry_awss_code_and_status(endpoint: Endpoint) -> None:
    ec2 = endpoint.client("ec2")
    with pytest.raises(ClientError) as caught:
        ec2.create_vpc(CidrBlock="10.0.0.0/16", DryRun=True)
    assert caught.value.response["Error"]["Code"] == "DryRunOperation"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    with pytest.raises(ClientError) as caught:
        ec2.delete_security_group(GroupId="sg-00000fff")
    assert caught.value.response["Error"] == {
        "Code": "InvalidGroup.NotFound",
        "Message": "The security group 'sg-00000fff' does not exist",
    }
