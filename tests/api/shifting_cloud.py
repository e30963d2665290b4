"""A service whose deployments shift traffic, behind a balancer whose nodes the test plays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.api.ecs_cloud import Cloud

import hiyoko.services.cloudwatch  # noqa: F401
from hiyoko.services.elbv2.seen import NODES_SEEN, NodeSeen

ROLE = "arn:aws:iam::123456789012:role/infrastructure"
BLUE_GREEN: dict[str, Any] = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 10}


@dataclass
class Shifting:
    """Two target groups, a production rule on port 80, a test listener on port 8080."""

    cloud: Cloud = field(default_factory=Cloud.ready)
    groups: tuple[str, str] = ("", "")
    production: str = ""
    test: str = ""
    follows: bool = True
    """Whether the balancer's nodes do what its rules say."""

    @classmethod
    def ready(cls) -> Shifting:
        it = cls()
        cloud = it.cloud
        cloud.trust("infrastructure", "ecs.amazonaws.com")
        it.groups = (cloud.target_group(attached=False), cloud.target_group(attached=False))
        balancer = cloud("CreateLoadBalancer", "elbv2", Name="b", Subnets=cloud.subnets)
        arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        both = [
            {"TargetGroupArn": group, "Weight": weight}
            for group, weight in zip(it.groups, (1, 0), strict=True)
        ]
        forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": both}}
        listeners = [
            cloud(
                "CreateListener",
                "elbv2",
                LoadBalancerArn=arn,
                Protocol="HTTP",
                Port=port,
                DefaultActions=[forward],
            )["Listeners"][0]["ListenerArn"]
            for port in (80, 8080)
        ]
        made = cloud(
            "CreateRule",
            "elbv2",
            ListenerArn=listeners[0],
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[forward],
        )
        it.production = made["Rules"][0]["RuleArn"]
        found = cloud("DescribeRules", "elbv2", ListenerArn=listeners[1])["Rules"]
        it.test = found[-1]["RuleArn"]
        return it

    @property
    def balancers(self) -> list[dict[str, Any]]:
        return [
            {
                "targetGroupArn": self.groups[0],
                "containerName": "web",
                "containerPort": 80,
                "advancedConfiguration": {
                    "alternateTargetGroupArn": self.groups[1],
                    "productionListenerRule": self.production,
                    "testListenerRule": self.test,
                    "roleArn": ROLE,
                },
            }
        ]

    def serve(self, how: dict[str, Any] = BLUE_GREEN, **changes: Any) -> None:
        """The service ``web`` with its first deployment complete."""
        self.cloud.serve(loadBalancers=self.balancers, deploymentConfiguration=how, **changes)
        self.settle()
        assert self.primary["rolloutState"] == "COMPLETED"

    def deploy(self, **changes: Any) -> str:
        """Begin with a new definition; the service deployment's ARN."""
        self.cloud.define()
        request = {"cluster": "c", "service": "web", "taskDefinition": "app"}
        answer = self.cloud("UpdateService", **request | changes)
        return str(answer["service"]["currentServiceDeployment"])

    def settle(self) -> None:
        """All that can happen at this moment happens."""
        acted = 1
        for _ in range(20):
            self.cloud.run()
            for group in self.groups:
                self.cloud.balance(group, "healthy")
            self.follow()
            if not acted:
                return
            acted = 0
            while self.cloud.schedule_once().steps:
                acted += 1
        raise AssertionError("it does not come to rest")

    def follow(self, *, digest: str = "d") -> None:
        """Every node runs what its rules say now; with another digest it is not there yet."""
        if not self.follows:
            return
        found = self.cloud("DescribeNetworkInterfaces", "ec2")["NetworkInterfaces"]
        now = self.cloud.clock.now()
        with self.cloud.store.transaction() as tx:
            for one in found:
                if one["Description"].startswith("ELB "):
                    NODES_SEEN.put(
                        tx, NodeSeen(one["NetworkInterfaceId"], "b", (80, 8080), digest, "d", now)
                    )

    def wait(self, minutes: float) -> None:
        """Time passes; what ended has left."""
        self.cloud.clock.time += 60 * minutes
        self.cloud.leave()
        self.settle()

    def drain(self) -> None:
        """Targets that leave have left, and so have their tasks."""
        self.wait(6)
        self.wait(1)

    @property
    def primary(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.cloud.service()["deployments"][0]
        return shown

    def record(self, arn: str) -> dict[str, Any]:
        found = self.cloud("DescribeServiceDeployments", serviceDeploymentArns=[arn])
        shown: dict[str, Any] = found["serviceDeployments"][0]
        return shown

    def stage(self, arn: str) -> str:
        return str(self.record(arn).get("lifecycleStage"))

    def shares(self, rule: str) -> list[float]:
        """How many percent of a rule's requests each group gets."""
        (shown,) = self.cloud("DescribeRules", "elbv2", RuleArns=[rule])["Rules"]
        groups = shown["Actions"][0]["ForwardConfig"]["TargetGroups"]
        weights = {one["TargetGroupArn"]: one["Weight"] for one in groups}
        total = sum(weights.values())
        return [round(100 * weights.get(group, 0) / total, 1) for group in self.groups]

    def families(self) -> list[str]:
        """The definitions of the tasks that shall run, by their numbers."""
        return sorted(one["taskDefinitionArn"].rpartition(":")[2] for one in self.cloud.tasks())
