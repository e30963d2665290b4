"""Gateway endpoints and prefix lists in a stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.test_cloudformation import Cloud

TEMPLATE = """
Resources:
  Vpc: {Type: "AWS::EC2::VPC", Properties: {CidrBlock: 10.0.0.0/16}}
  One: {Type: "AWS::EC2::RouteTable", Properties: {VpcId: !Ref Vpc}}
  Two: {Type: "AWS::EC2::RouteTable", Properties: {VpcId: !Ref Vpc}}
  Endpoint:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Vpc
      ServiceName: !Sub com.amazonaws.${AWS::Region}.s3
      RouteTableIds: [!Ref One]
      PolicyDocument: {Statement: [{Effect: Allow, Principal: "*", Action: "s3:GetObject"}]}
  Offices:
    Type: AWS::EC2::PrefixList
    Properties:
      PrefixListName: offices
      AddressFamily: IPv4
      MaxEntries: 2
      Entries: [{Cidr: 192.0.2.0/24, Description: first}, {Cidr: 198.51.100.0/24}]
  Gateway: {Type: "AWS::EC2::InternetGateway"}
  Attached:
    Type: AWS::EC2::VPCGatewayAttachment
    Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}
  Route:
    Type: AWS::EC2::Route
    DependsOn: Attached
    Properties:
      RouteTableId: !Ref Two
      DestinationPrefixListId: !GetAtt Offices.PrefixListId
      GatewayId: !Ref Gateway
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      VpcId: !Ref Vpc
      GroupDescription: from the offices
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 443, ToPort: 443, SourcePrefixListId: !Ref Offices}
  Out:
    Type: AWS::EC2::SecurityGroupEgress
    Properties:
      GroupId: !GetAtt Group.GroupId
      IpProtocol: tcp
      FromPort: 22
      ToPort: 22
      DestinationPrefixListId: !Ref Offices
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.store.close()


def listed(cloud: Cloud, key: str) -> dict[str, str]:
    found = cloud.call("ec2", "GetManagedPrefixListEntries", PrefixListId=key)["Entries"]
    return {entry["Cidr"]: entry.get("Description", "") for entry in found}


def by_list(cloud: Cloud, key: str) -> set[tuple[bool, int]]:
    rules: list[dict[str, Any]] = cloud.call("ec2", "DescribeSecurityGroupRules")[
        "SecurityGroupRules"
    ]
    return {(r["IsEgress"], r["FromPort"]) for r in rules if r.get("PrefixListId") == key}


async def test_a_stack_makes_changes_and_deletes_them(cloud: Cloud) -> None:
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=TEMPLATE)
    await cloud.settle()
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    ids = cloud.ids()
    (endpoint,) = cloud.call("ec2", "DescribeVpcEndpoints")["VpcEndpoints"]
    assert endpoint["RouteTableIds"] == [ids["One"]]
    assert '"s3:GetObject"' in endpoint["PolicyDocument"]
    assert listed(cloud, ids["Offices"]) == {"192.0.2.0/24": "first", "198.51.100.0/24": ""}
    assert by_list(cloud, ids["Offices"]) == {(False, 443), (True, 22)}

    changed = TEMPLATE.replace("RouteTableIds: [!Ref One]", "RouteTableIds: [!Ref Two]")
    changed = changed.replace("198.51.100.0/24", "203.0.113.0/24").replace("first", "main")
    changed = changed.replace("s3:GetObject", "s3:*")
    cloud.call("cloudformation", "UpdateStack", StackName="site", TemplateBody=changed)
    await cloud.settle()
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    assert cloud.ids() == ids
    (endpoint,) = cloud.call("ec2", "DescribeVpcEndpoints")["VpcEndpoints"]
    assert endpoint["RouteTableIds"] == [ids["Two"]]
    assert '"s3:*"' in endpoint["PolicyDocument"]
    assert listed(cloud, ids["Offices"]) == {"192.0.2.0/24": "main", "203.0.113.0/24": ""}

    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await cloud.settle()
    assert cloud.call("ec2", "DescribeVpcEndpoints")["VpcEndpoints"] == []
    lists = cloud.call("ec2", "DescribeManagedPrefixLists")["PrefixLists"]
    assert {each["OwnerId"] for each in lists} == {"AWS"}
