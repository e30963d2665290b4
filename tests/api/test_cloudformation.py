"""Stacks of real types, through the operations that any client calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.api.shapes import check_output

import hiyoko.services.acm
import hiyoko.services.cloudformation
import hiyoko.services.ec2
import hiyoko.services.ecr
import hiyoko.services.ecs
import hiyoko.services.elbv2
import hiyoko.services.iam
import hiyoko.services.logs
import hiyoko.services.route53  # noqa: F401  registers the operations
from hiyoko.api import AwsError, invoke
from hiyoko.reconcile.ecs_services import EcsServicesReconciler
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.services.acm.seen import ISSUED_SEEN, IssuedSeen
from hiyoko.services.ec2.seen import (
    INTERFACES_SEEN,
    NAT_GATEWAYS_SEEN,
    InterfaceSeen,
    NatGatewaySeen,
)
from hiyoko.services.ecs.seen import TASKS_SEEN, ContainerSeen, TaskSeen
from hiyoko.services.elbv2.seen import NODES_SEEN, TARGETS_SEEN, NodeSeen, TargetSeen
from hiyoko.services.route53.seen import SERVED_SEEN, ServedSeen
from hiyoko.site.load import parse_site
from hiyoko.site.render import render_template
from hiyoko.store.database import Store
from hiyoko.template import resource_type
from hiyoko.template.resource_type import Handle, Made

NETWORK = """
AWSTemplateFormatVersion: "2010-09-09"
Description: A network
Parameters:
  Cidr: {Type: String, Default: 10.0.0.0/16}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: !Ref Cidr, EnableDnsHostnames: "true", Tags: [{Key: Name, Value: site}]}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attachment:
    Type: AWS::EC2::VPCGatewayAttachment
    Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}
  PublicA:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [0, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]
      AvailabilityZone: !Select [0, !GetAZs ""]
      MapPublicIpOnLaunch: true
  PublicC:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]
      AvailabilityZone: !Select [1, !GetAZs ""]
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  Default:
    Type: AWS::EC2::Route
    DependsOn: Attachment
    Properties:
      {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}
  OfA:
    Type: AWS::EC2::SubnetRouteTableAssociation
    Properties: {SubnetId: !Ref PublicA, RouteTableId: !Ref Routes}
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 0.0.0.0/0}]
      SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.0.0/16}]
  Task:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: task, VpcId: !Ref Vpc}
  FromWeb:
    Type: AWS::EC2::SecurityGroupIngress
    Properties:
      GroupId: !Ref Task
      IpProtocol: tcp
      FromPort: 80
      ToPort: 80
      SourceSecurityGroupId: !Ref Web
  Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  AclEntry:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref Acl
      RuleNumber: 100
      Protocol: -1
      RuleAction: allow
      CidrBlock: 0.0.0.0/0
  AclOfC:
    Type: AWS::EC2::SubnetNetworkAclAssociation
    Properties: {SubnetId: !Ref PublicC, NetworkAclId: !Ref Acl}
  Address: {Type: AWS::EC2::EIP, DependsOn: Attachment, Properties: {Domain: vpc}}
  Nat:
    Type: AWS::EC2::NatGateway
    Properties: {SubnetId: !Ref PublicA, AllocationId: !GetAtt Address.AllocationId}
Outputs:
  VpcId: {Value: !Ref Vpc, Export: {Name: !Sub "${AWS::StackName}-vpc"}}
  Group: {Value: !GetAtt Web.GroupId}
"""

SERVICES = """
Parameters:
  ZoneName: {Type: String, Default: my-project.jp}
Resources:
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: !Ref ZoneName}}
  Certificate:
    Type: AWS::CertificateManager::Certificate
    Properties:
      DomainName: !Sub "www.${ZoneName}"
      ValidationMethod: DNS
      DomainValidationOptions: [{DomainName: !Sub "www.${ZoneName}", HostedZoneId: !Ref Zone}]
  Record:
    Type: AWS::Route53::RecordSet
    Properties:
      HostedZoneId: !Ref Zone
      Name: !Sub "www.${ZoneName}"
      Type: A
      TTL: "60"
      ResourceRecords: [198.18.1.1]
  Repository:
    Type: AWS::ECR::Repository
    Properties: {ImageScanningConfiguration: {ScanOnPush: false}}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}
  Cluster: {Type: AWS::ECS::Cluster}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: "sts:AssumeRole"}
      ManagedPolicyArns:
        - arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy
  Inline:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: logs
      Roles: [!Ref Role]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: "logs:*", Resource: "*"}]
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: web
      Cpu: "256"
      Memory: 512
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ExecutionRoleArn: !GetAtt Role.Arn
      ContainerDefinitions:
        - Name: web
          Image: !Sub "${Repository.RepositoryUri}:latest"
          PortMappings: [{ContainerPort: 80}]
          LogConfiguration:
            LogDriver: awslogs
            Options:
              awslogs-group: !Ref Logs
              awslogs-region: !Ref AWS::Region
              awslogs-stream-prefix: web
Outputs:
  Repository: {Value: !GetAtt Repository.RepositoryUri}
"""


# The stack's own events carry these states, though the model of an event lacks them.
STACK_EVENTS = frozenset(
    {
        "REVIEW_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    }
)


class Cloud:
    """A store and the stack reconciler; sightings are written as the lower reconcilers do."""

    def __init__(self) -> None:
        self.store = Store.open(":memory:")

    def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        answer = invoke(self.store, service, operation, request)
        if service == "cloudformation" and not operation.startswith("_"):
            check_output(service, operation, answer, new_values=STACK_EVENTS)
        return answer

    async def settle(self) -> None:
        """Until nothing moves; and then nothing is written, or it would wake itself for ever."""
        reconciler = StackReconciler(self.store)
        await reconciler.activate()
        with self.store.reading() as tx:
            revision = tx.revision
        report = await reconciler.activate()
        assert report.quiet, report
        with self.store.reading() as tx:
            assert tx.revision == revision

    def status(self, name: str = "site") -> str:
        found = self.call("cloudformation", "DescribeStacks", StackName=name)["Stacks"][0]
        return str(found["StackStatus"])

    def reasons(self, name: str = "site") -> list[str]:
        events = self.call("cloudformation", "DescribeStackEvents", StackName=name)["StackEvents"]
        return [
            f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}"
            for e in events
            if "FAILED" in e["ResourceStatus"]
        ]

    def pending(self) -> list[str]:
        found = self.call("cloudformation", "DescribeStackResources", StackName="site")
        return [
            f"{r['LogicalResourceId']} {r['ResourceStatus']} {r.get('ResourceStatusReason', '')}"
            for r in found["StackResources"]
            if r["ResourceStatus"].endswith("IN_PROGRESS")
        ]

    def ids(self) -> dict[str, str]:
        found = self.call("cloudformation", "DescribeStackResources", StackName="site")
        return {
            r["LogicalResourceId"]: r.get("PhysicalResourceId", "") for r in found["StackResources"]
        }

    async def serve_zones(self) -> None:
        """The name servers have caught up with every change so far."""
        with self.store.transaction() as tx:
            SERVED_SEEN.put(tx, ServedSeen("dns", tx.revision, float(tx.revision)))
        await self.settle()

    def see_nat_gateways(self) -> None:
        found = self.call("ec2", "DescribeNatGateways")["NatGateways"]
        with self.store.transaction() as tx:
            for gateway in found:
                identifier = gateway["NatGatewayId"]
                if gateway["State"] in ("deleting", "deleted"):
                    NAT_GATEWAYS_SEEN.delete(tx, nat_gateway_id=identifier)
                else:
                    NAT_GATEWAYS_SEEN.put(tx, NatGatewaySeen(identifier, 1.0))


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.store.close()


async def test_a_network_is_made_updated_rolled_back_and_removed(cloud: Cloud) -> None:
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=NETWORK)
    await cloud.settle()
    assert cloud.status() == "CREATE_IN_PROGRESS", cloud.reasons()
    cloud.see_nat_gateways()
    await cloud.settle()
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    ids = cloud.ids()
    assert ids["Attachment"] == f"IGW|{ids['Vpc']}"
    subnets = cloud.call("ec2", "DescribeSubnets", SubnetIds=[ids["PublicA"], ids["PublicC"]])
    assert {s["CidrBlock"] for s in subnets["Subnets"]} == {"10.0.0.0/24", "10.0.1.0/24"}
    tags = cloud.call("ec2", "DescribeVpcs", VpcIds=[ids["Vpc"]])["Vpcs"][0]["Tags"]
    assert {"Key": "aws:cloudformation:logical-id", "Value": "Vpc"} in tags
    group = cloud.call("ec2", "DescribeSecurityGroups", GroupIds=[ids["Web"]])["SecurityGroups"][0]
    assert [p["FromPort"] for p in group["IpPermissionsEgress"]] == [80]

    # in place: a rule more
    wish = NETWORK.replace("FromPort: 443, ToPort: 443", "FromPort: 443, ToPort: 444")
    cloud.call("cloudformation", "UpdateStack", StackName="site", TemplateBody=wish)
    await cloud.settle()
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    group = cloud.call("ec2", "DescribeSecurityGroups", GroupIds=[ids["Web"]])["SecurityGroups"][0]
    assert [p["ToPort"] for p in group["IpPermissions"]] == [444]

    # a failing update goes back
    bad = wish.replace("ToPort: 444", "ToPort: 445") + "  Zz: {Value: !Ref Bad}\n"
    bad = bad.replace(
        "Outputs:",
        "  Bad:\n    Type: AWS::EC2::Subnet\n    DependsOn: Web\n"
        "    Properties: {VpcId: !Ref Vpc, CidrBlock: 192.168.0.0/24}\nOutputs:",
    )
    cloud.call("cloudformation", "UpdateStack", StackName="site", TemplateBody=bad)
    await cloud.settle()
    assert cloud.status() == "UPDATE_ROLLBACK_COMPLETE", cloud.reasons()
    assert any(reason.startswith("Bad: Resource handler returned") for reason in cloud.reasons())
    group = cloud.call("ec2", "DescribeSecurityGroups", GroupIds=[ids["Web"]])["SecurityGroups"][0]
    assert [p["ToPort"] for p in group["IpPermissions"]] == [444]

    arn = cloud.call("cloudformation", "DescribeStacks", StackName="site")["Stacks"][0]["StackId"]
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await cloud.settle()
    assert cloud.status(arn) == "DELETE_IN_PROGRESS"
    cloud.see_nat_gateways()
    await cloud.settle()
    assert cloud.status(arn) == "DELETE_COMPLETE", cloud.reasons(arn)
    with pytest.raises(AwsError, match="NotFound"):
        cloud.call("ec2", "DescribeVpcs", VpcIds=[ids["Vpc"]])


async def test_the_other_services_types_are_made_and_removed(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match=r"Requires capabilities : \[CAPABILITY_IAM\]"):
        cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=SERVICES)
    cloud.call(
        "cloudformation",
        "CreateStack",
        StackName="site",
        TemplateBody=SERVICES,
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "team", "Value": "web"}],
    )
    await cloud.settle()
    assert cloud.status() == "CREATE_IN_PROGRESS", cloud.reasons()
    await cloud.serve_zones()
    ids = cloud.ids()
    records = cloud.call("route53", "ListResourceRecordSets", HostedZoneId=ids["Zone"])
    assert "CNAME" in {r["Type"] for r in records["ResourceRecordSets"]}
    await cloud.serve_zones()
    with cloud.store.transaction() as tx:
        ISSUED_SEEN.put(tx, IssuedSeen(ids["Certificate"], "pem", "pem", "01", 1.0, 4e9, 2.0))
    await cloud.settle()
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    assert ids["Definition"].endswith(":1")

    arn = cloud.call("cloudformation", "DescribeStacks", StackName="site")["Stacks"][0]["StackId"]
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await cloud.settle()
    assert cloud.status(arn) == "DELETE_COMPLETE", cloud.reasons(arn)


FAILOVER = """
Resources:
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: example.com}}
  Check:
    Type: AWS::Route53::HealthCheck
    Properties:
      HealthCheckConfig:
        {Type: HTTP, IPAddress: 198.19.0.1, Port: "80", FailureThreshold: 3, Inverted: "false"}
      HealthCheckTags: [{Key: Name, Value: site}]
  Records:
    Type: AWS::Route53::RecordSetGroup
    Properties:
      HostedZoneId: !Ref Zone
      RecordSets:
        - Name: www.example.com
          Type: A
          TTL: "60"
          ResourceRecords: [198.19.0.1]
          SetIdentifier: one
          Failover: PRIMARY
          HealthCheckId: !GetAtt Check.HealthCheckId
        - Name: www.example.com
          Type: A
          TTL: "60"
          ResourceRecords: [198.19.0.2]
          SetIdentifier: two
          Failover: SECONDARY
"""


async def test_a_checked_failover_pair_is_made_changed_and_removed(cloud: Cloud) -> None:
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=FAILOVER)
    await cloud.settle()
    await cloud.serve_zones()
    await cloud.serve_zones()
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    check = cloud.ids()["Check"]
    changed = FAILOVER.replace("FailureThreshold: 3", "FailureThreshold: 5")
    cloud.call("cloudformation", "UpdateStack", StackName="site", TemplateBody=changed)
    await cloud.settle()
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    shown = cloud.call("route53", "GetHealthCheck", HealthCheckId=check)["HealthCheck"]
    assert shown["HealthCheckConfig"]["FailureThreshold"] == 5
    arn = cloud.call("cloudformation", "DescribeStacks", StackName="site")["Stacks"][0]["StackId"]
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await cloud.settle()
    assert cloud.status(arn) == "DELETE_COMPLETE", cloud.reasons(arn)
    assert cloud.call("route53", "ListHealthChecks")["HealthChecks"] == []


FOLLOWING = """
Resources:
  Busy:
    Type: AWS::CloudWatch::Alarm
    Properties:
      {Namespace: Shop, MetricName: Orders, Statistic: Sum, Period: 60, EvaluationPeriods: 1,
       Threshold: 3, ComparisonOperator: GreaterThanThreshold}
  Check:
    Type: AWS::Route53::HealthCheck
    Properties:
      HealthCheckConfig:
        Type: CLOUDWATCH_METRIC
        AlarmIdentifier: {Name: !Ref Busy, Region: !Ref AWS::Region}
        InsufficientDataHealthStatus: Healthy
"""


async def test_a_health_check_follows_the_alarm_of_its_stack(cloud: Cloud) -> None:
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=FOLLOWING)
    await cloud.settle()
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    changed = FOLLOWING.replace("Status: Healthy", "Status: Unhealthy")
    cloud.call("cloudformation", "UpdateStack", StackName="site", TemplateBody=changed)
    await cloud.settle()
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    [check] = cloud.call("route53", "ListHealthChecks")["HealthChecks"]
    assert check["HealthCheckConfig"]["InsufficientDataHealthStatus"] == "Unhealthy"
    assert check["CloudWatchAlarmConfiguration"]["MetricName"] == "Orders"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Resources: {A: {Type: 'AWS::X::Y'}}", r"Unrecognized resource types: \[AWS::X::Y\]"),
        ("Resources: {A: {Type: AWS::EC2::VPC}}\nTransform: AWS::LanguageExtensions",
         "AWS::LanguageExtensions"),
        ("Resources: {A: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !GetAtt B.X}}, "
         "B: {Type: AWS::EC2::VPC}}", r"does not support attribute \{X\}"),
    ],
)  # fmt: skip
def test_a_wrong_template_is_refused_before_anything_is_made(
    cloud: Cloud, body: str, text: str
) -> None:
    with pytest.raises(AwsError, match=text):
        cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=body)
    with pytest.raises(AwsError, match="Stack with id site does not exist"):
        cloud.status()


def test_a_template_url_is_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="TemplateURL"):
        cloud.call("cloudformation", "ValidateTemplate", TemplateURL="https://s3.amazonaws.com/b/k")


def test_validation_tells_parameters_and_capabilities(cloud: Cloud) -> None:
    answer = cloud.call("cloudformation", "ValidateTemplate", TemplateBody=SERVICES)
    assert answer["Capabilities"] == ["CAPABILITY_IAM"]
    assert answer["Parameters"] == [
        {"ParameterKey": "ZoneName", "DefaultValue": "my-project.jp", "NoEcho": False}
    ]


SITE = """
name: hello
domain: hello-aws.my-project.jp
services:
  web:
    image: nginx
    expose: 80
    deploy: {replicas: 2}
"""


class World:
    """Sees at once whatever is wished, as the lower reconcilers do when nothing is in the way."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def settle(self, rounds: int = 40) -> None:
        """Let stacks, services and sightings go on until the stack rests."""
        services = EcsServicesReconciler(self.cloud.store)
        for _ in range(rounds):
            await self.cloud.settle()
            if not self.cloud.call("cloudformation", "_StacksInProgress")["Stacks"]:
                return
            await services.activate()
            self.see()
        raise AssertionError([self.cloud.reasons(), self.cloud.pending(), self.services()])

    def services(self) -> list[Any]:
        return [
            self.cloud.call("ecs", "DescribeServices", cluster=c, services=arns)["services"]
            for c in self.clusters()
            if (arns := self.cloud.call("ecs", "ListServices", cluster=c)["serviceArns"])
        ]

    def see(self) -> None:
        call = self.cloud.call
        self.cloud.see_nat_gateways()
        interfaces = call("ec2", "DescribeNetworkInterfaces")["NetworkInterfaces"]
        balancers = call("elbv2", "DescribeLoadBalancers")["LoadBalancers"]
        certificates = call("acm", "ListCertificates")["CertificateSummaryList"]
        groups = call("elbv2", "DescribeTargetGroups")["TargetGroups"]
        targets = [
            (group["TargetGroupArn"], health["Target"])
            for group in groups
            for health in call(
                "elbv2", "DescribeTargetHealth", TargetGroupArn=group["TargetGroupArn"]
            )["TargetHealthDescriptions"]
        ]
        running = [arn for c in self.clusters() for arn in self.tasks(c, "RUNNING")]
        stopped = [arn for c in self.clusters() for arn in self.tasks(c, "STOPPED")]
        with self.cloud.store.transaction() as tx:
            for interface in interfaces:
                eni_id = interface["NetworkInterfaceId"]
                INTERFACES_SEEN.put(tx, InterfaceSeen(eni_id, 1.0))
                for balancer in balancers:
                    arn = balancer["LoadBalancerArn"]
                    if f"ELB {arn.partition('loadbalancer/')[2]}" == interface["Description"]:
                        NODES_SEEN.put(tx, NodeSeen(eni_id, arn, (80, 443), "d", "d", 1.0))
                        for group, target in targets:
                            key = (group, target["Id"], target["Port"], eni_id)
                            TARGETS_SEEN.put(tx, TargetSeen(*key, "healthy", "", "", 1.0))
            SERVED_SEEN.put(tx, ServedSeen("dns", tx.revision, float(tx.revision)))
            for certificate in certificates:
                arn = certificate["CertificateArn"]
                ISSUED_SEEN.put(tx, IssuedSeen(arn, "pem", "pem", "01", 1.0, 4e9, 2.0))
            for arn in running:
                web = ContainerSeen("web", "RUNNING", started_at=2.0)
                TASKS_SEEN.put(tx, TaskSeen(arn, (web,), 1.0, 1.5))
            for arn in stopped:
                web = ContainerSeen("web", "STOPPED", exit_code=0, started_at=2.0, finished_at=3.0)
                TASKS_SEEN.put(tx, TaskSeen(arn, (web,), 1.0, 1.5, gone=True))

    def clusters(self) -> list[str]:
        return list(self.cloud.call("ecs", "ListClusters")["clusterArns"])

    def tasks(self, cluster: str, status: str) -> list[str]:
        found = self.cloud.call("ecs", "ListTasks", cluster=cluster, desiredStatus=status)
        return list(found["taskArns"])


async def test_the_template_of_a_site_is_deployed_changed_and_removed(cloud: Cloud) -> None:
    body = render_template(parse_site(SITE, "site.yaml"))
    capabilities = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
    world = World(cloud)
    cloud.call(
        "cloudformation",
        "CreateStack",
        StackName="site",
        TemplateBody=body,
        Capabilities=capabilities,
    )
    await world.settle()
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    other = SITE.replace("replicas: 2", "replicas: 3").replace("nginx", "httpd")
    more = render_template(parse_site(other, "site.yaml"))
    cloud.call(
        "cloudformation",
        "UpdateStack",
        StackName="site",
        TemplateBody=more,
        Capabilities=capabilities,
    )
    await world.settle()
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    (services,) = world.services()
    assert services[0]["taskDefinition"].endswith(":2")
    assert services[0]["runningCount"] == 3
    active = cloud.call("ecs", "ListTaskDefinitions", status="ACTIVE")["taskDefinitionArns"]
    assert [arn.rpartition(":")[2] for arn in active] == ["2"]
    arn = cloud.call("cloudformation", "DescribeStacks", StackName="site")["Stacks"][0]["StackId"]
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await world.settle()
    assert cloud.status(arn) == "DELETE_COMPLETE", cloud.reasons(arn)


async def test_a_crash_in_the_middle_of_a_creation_leaves_no_orphan(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resource and the record of its id are one transaction: both are there, or neither."""
    kind = resource_type.find_type("AWS::EC2::VPC")
    assert kind is not None
    body = "Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.9.0.0/16}}}"

    def killed(handle: Handle) -> Made:
        kind.create(handle)
        raise KeyboardInterrupt

    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=body)
    with monkeypatch.context() as patch:
        patch.setitem(resource_type._types, kind.name, replace(kind, create=killed))
        with pytest.raises(KeyboardInterrupt):
            await cloud.settle()
    await cloud.settle()
    assert cloud.status() == "CREATE_COMPLETE"
    found = cloud.call("ec2", "DescribeVpcs")["Vpcs"]
    assert [v["VpcId"] for v in found if v["CidrBlock"] == "10.9.0.0/16"] == [cloud.ids()["Vpc"]]


async def test_a_vpc_in_use_by_others_holds_its_deletion_back_without_a_busy_loop(
    cloud: Cloud,
) -> None:
    body = "Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.9.0.0/16}}}"
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=body)
    await cloud.settle()
    vpc = cloud.ids()["Vpc"]
    subnet = cloud.call("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await cloud.settle()
    assert cloud.status() == "DELETE_IN_PROGRESS"
    cloud.call("ec2", "DeleteSubnet", SubnetId=subnet["SubnetId"])
    await cloud.settle()
    with pytest.raises(AwsError, match="does not exist"):
        cloud.status()


async def test_change_sets_answer_in_the_shapes_of_aws(cloud: Cloud) -> None:
    def create(name: str, body: str, kind: str = "UPDATE") -> None:
        cloud.call(
            "cloudformation",
            "CreateChangeSet",
            StackName="site",
            ChangeSetName=name,
            ChangeSetType=kind,
            TemplateBody=body,
        )

    body = (
        "Resources:\n"
        "  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.9.0.0/16}}\n"
        "  Table: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}\n"
    )
    create("first", body, "CREATE")
    cloud.call("cloudformation", "ExecuteChangeSet", StackName="site", ChangeSetName="first")
    await cloud.settle()
    create("second", body.replace("10.9", "10.8"))
    shown = cloud.call(
        "cloudformation",
        "DescribeChangeSet",
        StackName="site",
        ChangeSetName="second",
        IncludePropertyValues=True,
    )
    changes = [change["ResourceChange"] for change in shown["Changes"]]
    assert [(c["LogicalResourceId"], c["Replacement"]) for c in changes] == [
        ("Vpc", "True"),
        ("Table", "True"),
    ]
    target = changes[0]["Details"][0]["Target"]
    assert (target["BeforeValue"], target["AfterValue"]) == ("10.9.0.0/16", "10.8.0.0/16")
    assert changes[1]["Details"][0]["CausingEntity"] == "Vpc"
    cloud.call("cloudformation", "ListChangeSets", StackName="site")
    cloud.call("cloudformation", "GetTemplate", StackName="site")
    cloud.call("cloudformation", "GetTemplateSummary", StackName="site")
    cloud.call("cloudformation", "ListStackResources", StackName="site")
    cloud.call("cloudformation", "ListStacks")
    cloud.call("cloudformation", "DescribeStackResource", StackName="site", LogicalResourceId="Vpc")
    cloud.call("cloudformation", "ExecuteChangeSet", StackName="site", ChangeSetName="second")
    await cloud.settle()
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
