"""elbv2's operations against AWS's words and shapes.

Texts: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/ and recorded answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.api.shapes import check_output
from tests.golden.golden import CountingIds, FixedClock

import hiyoko.services.acm
import hiyoko.services.ec2
import hiyoko.services.elbv2  # noqa: F401
from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.seen import NODES_SEEN, TARGETS_SEEN, NodeSeen, TargetSeen
from hiyoko.store.database import Store

ARN = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012"


@dataclass
class Cloud:
    store: Store = field(default_factory=lambda: Store.open(":memory:"))
    ids: CountingIds = field(default_factory=CountingIds)
    clock: FixedClock = field(default_factory=FixedClock)
    vpc: str = ""
    subnets: list[str] = field(default_factory=list)

    def __call__(self, operation: str, service: str = "elbv2", **request: Any) -> dict[str, Any]:
        response = api.invoke(
            self.store, service, operation, request, clock=self.clock, ids=self.ids
        )
        if service == "elbv2" and not operation.startswith("_"):
            check_output("elbv2", operation, response)
        return response

    def balancer(self, **changes: Any) -> str:
        request = {"Name": "web", "Subnets": self.subnets, **changes}
        return str(self("CreateLoadBalancer", **request)["LoadBalancers"][0]["LoadBalancerArn"])

    def group(self, **changes: Any) -> str:
        request = {
            "Name": "tg", "Protocol": "HTTP", "Port": 80, "VpcId": self.vpc, "TargetType": "ip",
            **changes,
        }  # fmt: skip
        return str(self("CreateTargetGroup", **request)["TargetGroups"][0]["TargetGroupArn"])

    def listener(self, balancer: str, group: str, port: int = 80, **changes: Any) -> str:
        request = {
            "LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": port,
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}], **changes,
        }  # fmt: skip
        return str(self("CreateListener", **request)["Listeners"][0]["ListenerArn"])

    def health(self, group: str) -> list[tuple[str, str]]:
        answer = self("DescribeTargetHealth", TargetGroupArn=group)
        return [
            (shown["TargetHealth"]["State"], shown["TargetHealth"].get("Reason", ""))
            for shown in answer["TargetHealthDescriptions"]
        ]

    def see(self, group: str, balancer: str, *states: str) -> None:
        with self.store.transaction() as tx:
            nodes = rows.get_load_balancer(tx, balancer).nodes
            for node, state in zip(nodes, states, strict=False):
                key = (group, "10.0.1.9", 80, node.eni_id)
                row = TargetSeen(*key, state, "Target.Timeout", "D", self.clock.now())
                TARGETS_SEEN.put(tx, row)


@pytest.fixture
def cloud() -> Cloud:
    made = Cloud()
    made.vpc = made("CreateVpc", "ec2", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for number, zone in enumerate("ac", 1):
        subnet = made(
            "CreateSubnet",
            "ec2",
            VpcId=made.vpc,
            CidrBlock=f"10.0.{number}.0/24",
            AvailabilityZone=f"ap-northeast-1{zone}",
        )
        made.subnets.append(subnet["Subnet"]["SubnetId"])
    gateway = made("CreateInternetGateway", "ec2")["InternetGateway"]["InternetGatewayId"]
    made("AttachInternetGateway", "ec2", VpcId=made.vpc, InternetGatewayId=gateway)
    return made


def refused(code: str, text: str = "") -> Any:
    return pytest.raises(AwsError, match=f"^{code}: .*{text}")


def test_a_balancer_is_provisioning_until_every_node_runs(cloud: Cloud) -> None:
    arn = cloud.balancer()
    shown = cloud("DescribeLoadBalancers", Names=["web"])["LoadBalancers"][0]
    assert shown["State"] == {"Code": "provisioning"}
    assert shown["DNSName"].startswith("web-")
    assert shown["DNSName"].endswith(".ap-northeast-1.elb.amazonaws.com")
    with cloud.store.transaction() as tx:
        nodes = rows.get_load_balancer(tx, arn).nodes
        NODES_SEEN.put(tx, NodeSeen(nodes[0].eni_id, arn, (80,), "d", "d", 0.0))
    assert _state(cloud) == "provisioning"
    with cloud.store.transaction() as tx:
        NODES_SEEN.put(tx, NodeSeen(nodes[1].eni_id, arn, (80,), "d", "d", 0.0))
    assert _state(cloud) == "active"


def _state(cloud: Cloud) -> str:
    return str(cloud("DescribeLoadBalancers")["LoadBalancers"][0]["State"]["Code"])


def test_nodes_are_managed_interfaces_that_go_with_the_balancer(cloud: Cloud) -> None:
    arn = cloud.balancer()
    shown = cloud("DescribeNetworkInterfaces", "ec2")["NetworkInterfaces"]
    name = arn.split("loadbalancer/")[1]
    assert [i["Description"] for i in shown] == [f"ELB {name}"] * 2
    assert all(i["Association"]["PublicIp"].startswith("198.19.") for i in shown)
    cloud("DeleteLoadBalancer", LoadBalancerArn=arn)
    assert cloud("DescribeNetworkInterfaces", "ec2")["NetworkInterfaces"] == []
    cloud("DeleteLoadBalancer", LoadBalancerArn=arn)
    with refused("LoadBalancerNotFound", "One or more load balancers not found"):
        cloud("DescribeLoadBalancers", LoadBalancerArns=[arn])


def test_creates_with_the_same_settings_return_the_first_one(cloud: Cloud) -> None:
    arn, group = cloud.balancer(), cloud.group()
    assert cloud.balancer() == arn
    assert cloud.group() == group
    assert cloud.listener(arn, group) == cloud.listener(arn, group)
    with refused("DuplicateLoadBalancerName", "but with different settings"):
        cloud.balancer(Scheme="internal")
    with refused("DuplicateTargetGroupName", "but with different settings"):
        cloud.group(Port=81)
    with refused("DuplicateListener", "A listener already exists on this port"):
        cloud.listener(arn, cloud.group(Name="other"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Name": "-a"}, "ValidationError"),
        ({"Name": "internal-a"}, "ValidationError"),
        ({"Type": "network"}, "NotImplemented"),
        ({"IpAddressType": "dualstack"}, "NotImplemented"),
        ({"Subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]}, "SubnetNotFound"),
        ({"SecurityGroups": ["sg-0123456789abcdef0"]}, "InvalidConfigurationRequest"),
    ],
)
def test_a_balancer_that_cannot_be_is_refused(
    cloud: Cloud, changes: dict[str, Any], code: str
) -> None:
    with refused(code):
        cloud.balancer(**changes)


def test_one_subnet_is_too_few_and_an_internal_one_needs_no_gateway(cloud: Cloud) -> None:
    with refused("ValidationError", "At least two subnets in two different Availability Zones"):
        cloud.balancer(Subnets=cloud.subnets[:1])
    mine = [{"Name": "attachment.vpc-id", "Values": [cloud.vpc]}]
    gateway = cloud("DescribeInternetGateways", "ec2", Filters=mine)["InternetGateways"][0]
    cloud(
        "DetachInternetGateway",
        "ec2",
        VpcId=cloud.vpc,
        InternetGatewayId=gateway["InternetGatewayId"],
    )
    with refused("InvalidSubnet", "has no internet gateway"):
        cloud.balancer()
    cloud.balancer(Scheme="internal")
    assert cloud("DescribeLoadBalancers")["LoadBalancers"][0]["DNSName"].startswith("internal-web-")


def test_target_health_follows_use_sightings_and_draining(cloud: Cloud) -> None:
    group = cloud.group()
    cloud("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.0.1.9"}])
    assert cloud.health(group) == [("unused", "Target.NotInUse")]
    balancer = cloud.balancer()
    listener = cloud.listener(balancer, group)
    assert cloud.health(group) == [("initial", "Elb.RegistrationInProgress")]
    cloud.see(group, balancer, "healthy")
    assert cloud.health(group) == [("initial", "Elb.RegistrationInProgress")]
    cloud.see(group, balancer, "healthy", "unhealthy")
    assert cloud.health(group) == [("unhealthy", "Target.Timeout")]
    cloud.see(group, balancer, "healthy", "healthy")
    assert cloud.health(group)[0][0] == "healthy"
    with refused("ResourceInUse"):
        cloud("DeleteTargetGroup", TargetGroupArn=group)
    cloud("DeregisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.0.1.9"}])
    assert cloud.health(group) == [("draining", "Target.DeregistrationInProgress")]
    cloud.clock.time += 300
    # Its nodes send it requests: the delay begins when they do so no longer.
    assert cloud.health(group) == [("draining", "Target.DeregistrationInProgress")]
    cloud.see(group, balancer, "draining", "draining")
    cloud("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.0.1.9"}])
    assert cloud.health(group) == [("initial", "Elb.RegistrationInProgress")]  # taken back
    cloud("DeregisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.0.1.9"}])
    cloud.clock.time += 299
    assert cloud.health(group) == [("draining", "Target.DeregistrationInProgress")]
    cloud.clock.time += 1
    assert cloud.health(group) == []
    named = cloud("DescribeTargetHealth", TargetGroupArn=group, Targets=[{"Id": "10.0.1.9"}])
    shown = named["TargetHealthDescriptions"][0]["TargetHealth"]
    assert (shown["State"], shown["Reason"]) == ("unused", "Target.NotRegistered")
    cloud("_ExpireTargets")
    with cloud.store.reading() as tx:
        assert rows.list_registrations(tx, group) == []
    cloud("DeleteListener", ListenerArn=listener)
    cloud("DeleteTargetGroup", TargetGroupArn=group)


def test_targets_outside_the_vpc_need_a_zone_and_public_ones_are_refused(cloud: Cloud) -> None:
    group = cloud.group()
    for target, text in (
        ({"Id": "192.168.0.1"}, "You must specify a valid Availability Zone"),
        ({"Id": "8.8.8.8"}, "not within a valid range"),
        ({"Id": "10.0.1.9", "AvailabilityZone": "all"}, "cannot have its Availability Zone"),
    ):
        with refused("ValidationError", text):
            cloud("RegisterTargets", TargetGroupArn=group, Targets=[target])


def test_rules_have_priorities_and_move_all_at_once(cloud: Cloud) -> None:
    balancer, group = cloud.balancer(), cloud.group()
    listener = cloud.listener(balancer, group)

    def rule(priority: int) -> str:
        answer = cloud(
            "CreateRule",
            ListenerArn=listener,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": ["/a/*"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        return str(answer["Rules"][0]["RuleArn"])

    first, second = rule(1), rule(2)
    with refused("PriorityInUse", "Priority '2' is currently in use"):
        rule(2)
    swap = [{"RuleArn": first, "Priority": 2}, {"RuleArn": second, "Priority": 1}]
    cloud("SetRulePriorities", RulePriorities=swap)
    shown = cloud("DescribeRules", ListenerArn=listener)["Rules"]
    assert [r["RuleArn"] for r in shown[:2]] == [second, first]
    assert [r["Priority"] for r in shown] == ["1", "2", "default"]
    with refused("OperationNotPermitted", "Default rule"):
        cloud("DeleteRule", RuleArn=shown[2]["RuleArn"])
    cloud("DeleteRule", RuleArn=first)
    with refused("RuleNotFound"):
        cloud("DeleteRule", RuleArn=first)


def test_a_target_group_serves_one_balancer(cloud: Cloud) -> None:
    group = cloud.group()
    cloud.listener(cloud.balancer(), group)
    with refused("TargetGroupAssociationLimit"):
        cloud.listener(cloud.balancer(Name="second"), group)


def test_an_https_listener_needs_an_issued_certificate(cloud: Cloud) -> None:
    balancer, group = cloud.balancer(), cloud.group()
    with refused("ValidationError", "A certificate must be specified for HTTPS listeners"):
        cloud.listener(balancer, group, 443, Protocol="HTTPS")
    missing = (
        "arn:aws:acm:ap-northeast-1:123456789012:certificate/00000000-0000-0000-0000-0000000000aa"
    )
    with refused("CertificateNotFound"):
        given = [{"CertificateArn": missing}]
        cloud.listener(balancer, group, 443, Protocol="HTTPS", Certificates=given)
    pending = cloud("RequestCertificate", "acm", DomainName="example.com", ValidationMethod="DNS")[
        "CertificateArn"
    ]
    with refused("UnsupportedCertificate"):
        given = [{"CertificateArn": pending}]
        cloud.listener(balancer, group, 443, Protocol="HTTPS", Certificates=given)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301"}}, "InvalidLoad"),
        (
            {
                "Type": "redirect",
                "RedirectConfig": {"StatusCode": "HTTP_301", "Host": "#{port}"},
            },
            "InvalidLoad",
        ),
        ({"Type": "authenticate-cognito"}, "NotImplemented"),
        (
            {
                "Type": "fixed-response",
                "FixedResponseConfig": {"StatusCode": "200", "ContentType": "image/png"},
            },
            "InvalidLoad",
        ),
    ],
)
def test_an_action_that_cannot_be_is_refused(
    cloud: Cloud, action: dict[str, Any], code: str
) -> None:
    balancer = cloud.balancer()
    with pytest.raises(AwsError, match=code):
        cloud.listener(balancer, "", DefaultActions=[action])


@pytest.mark.parametrize(
    "condition",
    [
        {"Field": "path-pattern", "Values": ["/a b"]},
        {"Field": "host-header", "Values": ["localhost"]},
        {"Field": "cookie", "Values": ["x"]},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["x"]}},
    ],
)
def test_a_condition_that_cannot_be_is_refused(cloud: Cloud, condition: dict[str, Any]) -> None:
    group = cloud.group()
    listener = cloud.listener(cloud.balancer(), group)
    with pytest.raises(AwsError, match=r"ValidationError|NotImplemented"):
        cloud(
            "CreateRule",
            ListenerArn=listener,
            Priority=1,
            Conditions=[condition],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )


def test_attributes_that_do_nothing_here_are_refused_by_name(cloud: Cloud) -> None:
    arn, group = cloud.balancer(), cloud.group()

    def modify(key: str, value: str) -> dict[str, str]:
        given = [{"Key": key, "Value": value}]
        answer = cloud("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=given)
        return {item["Key"]: item["Value"] for item in answer["Attributes"]}

    assert modify("waf.fail_open.enabled", "false")["waf.fail_open.enabled"] == "false"
    with refused("NotImplemented", "waf.fail_open.enabled"):
        modify("waf.fail_open.enabled", "true")
    with refused("InvalidConfigurationRequest", "Load balancer attribute key 'x' is not recogn"):
        modify("x", "true")
    with refused("ValidationError"):
        modify("idle_timeout.timeout_seconds", "4001")
    assert modify("deletion_protection.enabled", "true")["deletion_protection.enabled"] == "true"
    with refused("OperationNotPermitted", "deletion protection is enabled"):
        cloud("DeleteLoadBalancer", LoadBalancerArn=arn)
    given = [{"Key": "slow_start.duration_seconds", "Value": "20"}]
    with refused("ValidationError", "0 or at least 30"):
        cloud("ModifyTargetGroupAttributes", TargetGroupArn=group, Attributes=given)


def test_tags_are_added_replaced_and_removed(cloud: Cloud) -> None:
    group = cloud.group(Tags=[{"Key": "a", "Value": "1"}])
    cloud(
        "AddTags",
        ResourceArns=[group],
        Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}],
    )
    cloud("RemoveTags", ResourceArns=[group], TagKeys=["b"])
    shown = cloud("DescribeTags", ResourceArns=[group])["TagDescriptions"]
    assert shown == [{"ResourceArn": group, "Tags": [{"Key": "a", "Value": "2"}]}]


def test_policies_and_limits_come_in_pages(cloud: Cloud) -> None:
    first = cloud("DescribeSSLPolicies", PageSize=2)
    second = cloud("DescribeSSLPolicies", PageSize=400, Marker=first["NextMarker"])
    assert len(first["SslPolicies"]) == 2
    assert len(second["SslPolicies"]) == 43
    assert "NextMarker" not in second
    limits = {limit["Name"]: limit["Max"] for limit in cloud("DescribeAccountLimits")["Limits"]}
    assert limits["application-load-balancers"] == "50"


def test_groups_and_subnets_of_a_balancer_can_be_replaced(cloud: Cloud) -> None:
    arn = cloud.balancer()
    group = cloud("CreateSecurityGroup", "ec2", VpcId=cloud.vpc, GroupName="g", Description="g")
    answer = cloud("SetSecurityGroups", LoadBalancerArn=arn, SecurityGroups=[group["GroupId"]])
    assert answer["SecurityGroupIds"] == [group["GroupId"]]
    third = cloud(
        "CreateSubnet",
        "ec2",
        VpcId=cloud.vpc,
        CidrBlock="10.0.3.0/24",
        AvailabilityZone="ap-northeast-1d",
    )["Subnet"]["SubnetId"]
    zones = cloud("SetSubnets", LoadBalancerArn=arn, Subnets=[cloud.subnets[0], third])
    assert [z["ZoneName"] for z in zones["AvailabilityZones"]] == [
        "ap-northeast-1a",
        "ap-northeast-1d",
    ]
    shown = cloud("DescribeNetworkInterfaces", "ec2")["NetworkInterfaces"]
    assert {i["SubnetId"] for i in shown} == {cloud.subnets[0], third}
    assert {g["GroupId"] for i in shown for g in i["Groups"]} == {group["GroupId"]}
