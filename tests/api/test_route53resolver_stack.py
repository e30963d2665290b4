"""Route 53 Resolver's types in a stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.test_cloudformation import Cloud

from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen
from hiyoko.services.route53resolver.seen import ADDRESSES_SEEN, AddressSeen

TEMPLATE = """
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.7.0.0/16}
  One:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Vpc, CidrBlock: 10.7.1.0/24, AvailabilityZone: ap-northeast-1a}
  Two:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Vpc, CidrBlock: 10.7.2.0/24, AvailabilityZone: ap-northeast-1c}
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties: {VpcId: !Ref Vpc, GroupDescription: questions}
  Out:
    Type: AWS::Route53Resolver::ResolverEndpoint
    Properties:
      Direction: OUTBOUND
      Name: out
      SecurityGroupIds: [!Ref Group]
      IpAddresses: [{SubnetId: !Ref One}, {SubnetId: !Ref Two}]
      Tags: [{Key: a, Value: b}]
  Rule:
    Type: AWS::Route53Resolver::ResolverRule
    Properties:
      RuleType: FORWARD
      DomainName: corp.example
      ResolverEndpointId: !Ref Out
      TargetIps: [{Ip: 10.7.1.9, Port: "53"}]
  Here:
    Type: AWS::Route53Resolver::ResolverRuleAssociation
    Properties: {ResolverRuleId: !Ref Rule, VPCId: !Ref Vpc}
  Validating:
    Type: AWS::Route53Resolver::ResolverDNSSECConfig
    Properties: {ResourceId: !Ref Vpc}
  Questions:
    Type: AWS::Logs::LogGroup
  Logging:
    Type: AWS::Route53Resolver::ResolverQueryLoggingConfig
    Properties: {DestinationArn: !GetAtt Questions.Arn}
  Logged:
    Type: AWS::Route53Resolver::ResolverQueryLoggingConfigAssociation
    Properties: {ResolverQueryLogConfigId: !Ref Logging, ResourceId: !Ref Vpc}
  Reverse:
    Type: AWS::Route53Resolver::ResolverConfig
    Properties: {ResourceId: !Ref Vpc, AutodefinedReverseFlag: DISABLE}
Outputs:
  Reverse: {Value: !GetAtt Reverse.AutodefinedReverse}
  Logged: {Value: !GetAtt Logged.Status}
  Validation: {Value: !GetAtt Validating.ValidationStatus}
  Host: {Value: !GetAtt Out.HostVPCId}
  Domain: {Value: !GetAtt Rule.DomainName}
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.store.close()


def stand(cloud: Cloud) -> None:
    """Every interface stands and is served; no other does."""
    found = cloud.call("ec2", "DescribeNetworkInterfaces")["NetworkInterfaces"]
    wanted = {one["NetworkInterfaceId"] for one in found}
    with cloud.store.transaction() as tx:
        for row in INTERFACES_SEEN.list(tx):
            INTERFACES_SEEN.delete(tx, eni_id=row.eni_id)
        for eni_id in wanted:
            INTERFACES_SEEN.put(tx, InterfaceSeen(eni_id, 1.0))
            ADDRESSES_SEEN.put(tx, AddressSeen(eni_id, 1.0))


async def settle(cloud: Cloud) -> None:
    """Let the stack go on, and the planes take up what it does, until both are done."""
    for _ in range(6):
        await cloud.settle()
        stand(cloud)
        await cloud.serve_zones()
    await cloud.settle()


async def test_a_stack_waits_for_its_endpoint_changes_in_place_and_goes(cloud: Cloud) -> None:
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=TEMPLATE)
    await cloud.settle()
    assert cloud.status() == "CREATE_IN_PROGRESS"
    assert "Rule" not in cloud.ids()
    await settle(cloud)
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    ids = cloud.ids()
    stack = cloud.call("cloudformation", "DescribeStacks", StackName="site")["Stacks"][0]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    assert outputs == {
        "Host": ids["Vpc"],
        "Domain": "corp.example.",
        "Validation": "ENABLED",
        "Logged": "ACTIVE",
        "Reverse": "DISABLED",
    }
    changed = (
        TEMPLATE.replace(
            "{SubnetId: !Ref One}, {SubnetId",
            "{SubnetId: !Ref One}, {SubnetId: !Ref One, Ip: 10.7.1.99}, {SubnetId",
        )
        .replace("Name: out", "Name: other")
        .replace("Ip: 10.7.1.9,", "Ip: 10.7.1.8,")
        .replace("Value: b", "Value: c")
        .replace("Flag: DISABLE", "Flag: ENABLE")
    )
    cloud.call("cloudformation", "UpdateStack", StackName="site", TemplateBody=changed)
    await settle(cloud)
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    assert cloud.ids() == ids
    reverse = cloud.call("route53resolver", "GetResolverConfig", ResourceId=ids["Vpc"])
    assert reverse["ResolverConfig"]["AutodefinedReverse"] == "ENABLED"
    endpoint = {"ResolverEndpointId": ids["Out"]}
    told = cloud.call("route53resolver", "GetResolverEndpoint", **endpoint)["ResolverEndpoint"]
    assert (told["Name"], told["IpAddressCount"]) == ("other", 3)
    tags = cloud.call("route53resolver", "ListTagsForResource", ResourceArn=told["Arn"])["Tags"]
    assert {"Key": "a", "Value": "c"} in tags
    rule = cloud.call("route53resolver", "GetResolverRule", ResolverRuleId=ids["Rule"])
    assert [one["Ip"] for one in rule["ResolverRule"]["TargetIps"]] == ["10.7.1.8"]
    cloud.call("cloudformation", "UpdateStack", StackName="site", TemplateBody=TEMPLATE)
    await settle(cloud)
    told = cloud.call("route53resolver", "ListResolverEndpointIpAddresses", **endpoint)
    assert "10.7.1.99" not in {one["Ip"] for one in told["IpAddresses"]}
    assert len(told["IpAddresses"]) == 2
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await settle(cloud)
    assert cloud.call("route53resolver", "ListResolverEndpoints")["ResolverEndpoints"] == []
    assert cloud.call("ec2", "DescribeNetworkInterfaces")["NetworkInterfaces"] == []
    stacks = cloud.call("cloudformation", "ListStacks")["StackSummaries"]
    assert stacks[0]["StackStatus"] == "DELETE_COMPLETE"
