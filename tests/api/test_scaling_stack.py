"""A site whose service scales, deployed by CloudFormation: the number is nobody's but its own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.ecs_cloud import Cloud as Ecs
from tests.api.test_cloudformation import Cloud, World

import hiyoko.services.application_autoscaling
import hiyoko.services.cloudwatch  # noqa: F401  registers the operations
from hiyoko.api import invoke
from hiyoko.site.load import parse_site
from hiyoko.site.render import render_template

SITE = """
name: hello
domain: hello-aws.my-project.jp
services:
  web:
    image: nginx
    deploy:
      scale: {min: 2, max: 8, cpu: 60, requests: 500}
"""
FIXED = SITE.replace("scale: {min: 2, max: 8, cpu: 60, requests: 500}", "replicas: 3")


class Stack:
    """The site's stack, created or updated until it rests."""

    def __init__(self) -> None:
        self.cloud = Cloud()
        self.world = World(self.cloud)
        self.made = False

    async def put(self, text: str) -> None:
        self.cloud.call(
            "cloudformation",
            "UpdateStack" if self.made else "CreateStack",
            StackName="site",
            TemplateBody=render_template(parse_site(text, "site.yaml")),
            Capabilities=["CAPABILITY_IAM"],
        )
        await self.world.settle()
        wanted = "UPDATE_COMPLETE" if self.made else "CREATE_COMPLETE"
        assert self.cloud.status() == wanted, self.cloud.reasons()
        self.made = True

    @property
    def service(self) -> dict[str, Any]:
        [[service]] = self.world.services()
        return dict(service)

    def ask(self, operation: str, member: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cloud.call(
            "application-autoscaling", operation, ServiceNamespace="ecs"
        )[member]
        return found


@pytest.fixture
def stack() -> Stack:
    return Stack()


async def test_a_site_that_scales_is_deployed_changed_and_removed(stack: Stack) -> None:
    await stack.put(SITE)
    (target,) = stack.ask("DescribeScalableTargets", "ScalableTargets")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 8)
    assert stack.service["desiredCount"] == 2
    policies = stack.ask("DescribeScalingPolicies", "ScalingPolicies")
    assert [one["PolicyName"] for one in policies] == ["web-cpu", "web-requests"]
    metric = policies[1]["TargetTrackingScalingPolicyConfiguration"][
        "PredefinedMetricSpecification"
    ]
    [balancer] = stack.cloud.call("elbv2", "DescribeLoadBalancers")["LoadBalancers"]
    [group] = stack.cloud.call("elbv2", "DescribeTargetGroups")["TargetGroups"]
    assert metric["ResourceLabel"] == "/".join(
        (
            balancer["LoadBalancerArn"].partition("loadbalancer/")[2],
            group["TargetGroupArn"].rpartition(":")[2],
        )
    )
    # Scaled out meanwhile: a new version of the site does not set the number back.
    cluster = stack.service["clusterArn"]
    request = {"cluster": cluster, "service": "web", "desiredCount": 5}
    invoke(stack.cloud.store, "ecs", "UpdateService", request)
    await stack.put(SITE.replace("cpu: 60", "cpu: 70").replace("nginx", "httpd"))
    assert stack.service["desiredCount"] == 5
    policies = stack.ask("DescribeScalingPolicies", "ScalingPolicies")
    assert policies[0]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 70
    stack.cloud.call("cloudformation", "DeleteStack", StackName="site")
    await stack.world.settle()
    assert stack.ask("DescribeScalableTargets", "ScalableTargets") == []
    assert stack.cloud.call("cloudwatch", "DescribeAlarms")["MetricAlarms"] == []


async def test_a_site_may_begin_to_scale_and_cease(stack: Stack) -> None:
    await stack.put(FIXED)
    assert stack.service["desiredCount"] == 3
    await stack.put(SITE)
    assert stack.service["desiredCount"] == 3  # within the bounds: it stays
    await stack.put(FIXED.replace("3", "1"))
    assert stack.service["desiredCount"] == 1
    assert stack.ask("DescribeScalableTargets", "ScalableTargets") == []


TEMPLATE = """
Resources:
  Target:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties:
      ServiceNamespace: ecs
      ScalableDimension: ecs:service:DesiredCount
      ResourceId: service/c/web
      MinCapacity: 1
      MaxCapacity: 4
      SuspendedState: {ScheduledScalingSuspended: true}
      ScheduledActions:
        - ScheduledActionName: morning
          Schedule: cron(0 8 * * ? *)
          Timezone: Asia/Tokyo
          ScalableTargetAction: {MinCapacity: 2}
        - ScheduledActionName: evening
          Schedule: cron(0 20 * * ? *)
          ScalableTargetAction: {MinCapacity: 1}
  Steps:
    Type: AWS::ApplicationAutoScaling::ScalingPolicy
    Properties:
      PolicyName: steps
      PolicyType: StepScaling
      ResourceId: service/c/web
      ServiceNamespace: ecs
      ScalableDimension: ecs:service:DesiredCount
      StepScalingPolicyConfiguration:
        AdjustmentType: ChangeInCapacity
        StepAdjustments: [{MetricIntervalLowerBound: 0, ScalingAdjustment: 1}]
    DependsOn: Target
Outputs:
  Target: {Value: !Ref Target}
  Policy: {Value: !Ref Steps}
"""


async def test_schedules_and_steps_come_and_go_with_a_stack() -> None:
    cloud, ecs = Cloud(), Ecs.ready()
    ecs.serve()
    cloud.store = ecs.store

    async def put(operation: str, body: str) -> None:
        cloud.call("cloudformation", operation, StackName="site", TemplateBody=body)
        await cloud.settle()

    def ask(operation: str, member: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = cloud.call(
            "application-autoscaling", operation, ServiceNamespace="ecs"
        )[member]
        return found

    await put("CreateStack", TEMPLATE)
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    [made] = cloud.call("cloudformation", "DescribeStacks", StackName="site")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in made["Outputs"]}
    assert outputs["Target"] == "service/c/web|ecs:service:DesiredCount|ecs"
    assert outputs["Policy"].endswith(":resource/ecs/service/c/web:policyName/steps")
    [target] = ask("DescribeScalableTargets", "ScalableTargets")
    assert target["SuspendedState"]["ScheduledScalingSuspended"]
    actions = ask("DescribeScheduledActions", "ScheduledActions")
    assert [one["ScheduledActionName"] for one in actions] == ["evening", "morning"]
    start = TEMPLATE.index("        - ScheduledActionName: evening")
    without = TEMPLATE[:start] + TEMPLATE[TEMPLATE.index("  Steps:") :]
    without = without.replace("      SuspendedState: {ScheduledScalingSuspended: true}\n", "")
    await put("UpdateStack", without)
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    [action] = ask("DescribeScheduledActions", "ScheduledActions")
    assert action["ScheduledActionName"] == "morning"
    [target] = ask("DescribeScalableTargets", "ScalableTargets")
    assert not target["SuspendedState"]["ScheduledScalingSuspended"]
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await cloud.settle()
    assert ask("DescribeScalableTargets", "ScalableTargets") == []
