"""Cloud Map's types in a stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.test_cloudformation import Cloud

TEMPLATE = """
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.7.0.0/16}
  Namespace:
    Type: AWS::ServiceDiscovery::PrivateDnsNamespace
    Properties:
      Name: shop.internal
      Vpc: !Ref Vpc
      Properties: {DnsProperties: {SOA: {TTL: 60}}}
  Http:
    Type: AWS::ServiceDiscovery::HttpNamespace
    Properties: {Name: shop}
  Api:
    Type: AWS::ServiceDiscovery::Service
    Properties:
      Name: api
      NamespaceId: !GetAtt Namespace.Id
      DnsConfig: {DnsRecords: [{Type: A, TTL: "10"}]}
      HealthCheckCustomConfig: {FailureThreshold: 1}
  Old:
    Type: AWS::ServiceDiscovery::Instance
    Properties:
      ServiceId: !Ref Api
      InstanceId: old
      InstanceAttributes: {AWS_INSTANCE_IPV4: 10.7.0.9}
Outputs:
  Zone: {Value: !GetAtt Namespace.HostedZoneId}
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.store.close()


async def settle(cloud: Cloud) -> None:
    """Let the stack go on, and DNS take up what it does, until both are done."""
    for _ in range(5):
        await cloud.settle()
        await cloud.serve_zones()
    await cloud.settle()


async def test_a_stack_waits_for_dns_changes_in_place_and_goes(cloud: Cloud) -> None:
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=TEMPLATE)
    await cloud.settle()
    assert cloud.status() == "CREATE_IN_PROGRESS"
    await settle(cloud)
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    ids = cloud.ids()
    assert ids["Namespace"].startswith("ns-")
    assert ids["Api"].startswith("srv-")
    stack = cloud.call("cloudformation", "DescribeStacks", StackName="site")["Stacks"][0]
    (output,) = stack["Outputs"]
    records = cloud.call("route53", "ListResourceRecordSets", HostedZoneId=output["OutputValue"])
    found = {(one["Name"], one["Type"]): one for one in records["ResourceRecordSets"]}
    assert found["shop.internal.", "SOA"]["TTL"] == 60
    assert found["api.shop.internal.", "A"]["TTL"] == 10
    changed = TEMPLATE.replace("10.7.0.9", "10.7.0.10").replace('"10"', "20").replace("60}", "30}")
    cloud.call("cloudformation", "UpdateStack", StackName="site", TemplateBody=changed)
    await settle(cloud)
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    assert cloud.ids() == ids
    records = cloud.call("route53", "ListResourceRecordSets", HostedZoneId=output["OutputValue"])
    found = {(one["Name"], one["Type"]): one for one in records["ResourceRecordSets"]}
    assert found["shop.internal.", "SOA"]["TTL"] == 30
    address = found["api.shop.internal.", "A"]
    assert (address["TTL"], address["ResourceRecords"]) == (20, [{"Value": "10.7.0.10"}])
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await settle(cloud)
    assert cloud.call("servicediscovery", "ListNamespaces")["Namespaces"] == []
    assert cloud.call("route53", "ListHostedZones")["HostedZones"] == []
