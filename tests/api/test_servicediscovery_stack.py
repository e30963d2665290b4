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


SERVICE = """
Resources:
  Namespace:
    Type: AWS::ServiceDiscovery::HttpNamespace
    Properties: {Name: shop}
  Cluster:
    Type: AWS::ECS::Cluster
    Properties: {ServiceConnectDefaults: {Namespace: !GetAtt Namespace.Arn}}
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      ContainerDefinitions:
        - Name: web
          Image: nginx
          PortMappings: [{ContainerPort: 80, Name: http, AppProtocol: http}]
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.7.0.0/16}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Vpc, CidrBlock: 10.7.1.0/24}
  Web:
    Type: AWS::ECS::Service
    Properties:
      Cluster: !Ref Cluster
      ServiceName: web
      LaunchType: FARGATE
      DesiredCount: 0
      TaskDefinition: !Ref Definition
      NetworkConfiguration: {AwsvpcConfiguration: {Subnets: [!Ref Subnet]}}
      ServiceConnectConfiguration:
        Enabled: true
        Services:
          - PortName: http
            DiscoveryName: web
            ClientAliases: [{Port: 80, DnsName: web}]
            Timeout: {PerRequestTimeoutSeconds: 60}
"""


async def test_a_stack_gives_a_service_its_alias(cloud: Cloud) -> None:
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=SERVICE)
    await cloud.settle()
    ids = cloud.ids()
    found = cloud.call("ecs", "DescribeServices", cluster=ids["Cluster"], services=["web"])
    assert found["services"], cloud.reasons()
    shown = found["services"][0]["deployments"][0]["serviceConnectConfiguration"]
    assert shown["services"] == [
        {
            "portName": "http",
            "discoveryName": "web",
            "clientAliases": [{"port": 80, "dnsName": "web"}],
            "timeout": {"perRequestTimeoutSeconds": 60},
        }
    ]
