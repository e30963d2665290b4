"""Deployments that shift traffic from one revision's tasks to the next one's."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.api.ecs_cloud import CONTAINER
from tests.api.shifting_cloud import BLUE_GREEN, Shifting

import hiyoko.services.cloudformation  # noqa: F401  registers the operations
from hiyoko.api import AwsError
from hiyoko.reconcile.connect import load_shares
from hiyoko.reconcile.stacks import StackReconciler


@pytest.fixture
def it() -> Shifting:
    return Shifting.ready()


def pausing(*stages: str, **timeout: Any) -> dict[str, Any]:
    hook = {"targetType": "PAUSE", "lifecycleStages": list(stages)}
    return BLUE_GREEN | {"lifecycleHooks": [hook | timeout]}


def resume(it: Shifting, arn: str, action: str = "CONTINUE") -> None:
    waiting = [
        one for one in it.record(arn)["lifecycleHookDetails"] if one["status"] == "AWAITING_ACTION"
    ]
    request = {"serviceDeploymentArn": arn, "hookId": waiting[0]["hookId"], "action": action}
    it.cloud("ContinueServiceDeployment", **request)
    it.settle()


def test_the_first_deployment_gets_all_traffic_and_does_not_bake(it: Shifting) -> None:
    it.serve()
    assert it.shares(it.production) == it.shares(it.test) == [100, 0]
    (one,) = it.cloud("ListServiceDeployments", cluster="c", service="web")["serviceDeployments"]
    assert one["status"] == "SUCCESSFUL"


def test_both_revisions_run_until_the_bake_time_is_over(it: Shifting) -> None:
    it.serve()
    arn = it.deploy()
    it.settle()
    assert it.stage(arn) == "BAKE_TIME"
    assert it.families() == ["1", "1", "2", "2"]
    assert it.shares(it.production) == it.shares(it.test) == [0, 100]
    shown = it.record(arn)
    assert shown["status"] == "IN_PROGRESS"
    weight = "requestedProductionTrafficWeight"
    assert shown["targetServiceRevision"][weight] == 100
    assert [one[weight] for one in shown["sourceServiceRevisions"]] == [0]
    it.wait(9)
    assert it.stage(arn) == "BAKE_TIME"
    it.wait(1)
    assert it.stage(arn) == "CLEAN_UP"
    assert it.families() == ["2", "2"]
    it.drain()
    assert it.record(arn)["status"] == "SUCCESSFUL"
    assert len(it.cloud.service()["deployments"]) == 1


def test_the_next_deployment_takes_the_other_group_again(it: Shifting) -> None:
    it.serve()
    for expected in ([0, 100], [100, 0]):
        arn = it.deploy()
        it.wait(0)
        it.wait(10)
        it.drain()
        assert it.record(arn)["status"] == "SUCCESSFUL"
        assert it.shares(it.production) == expected
        target = it.record(arn)["targetServiceRevision"]["arn"]
        (revision,) = it.cloud("DescribeServiceRevisions", serviceRevisionArns=[target])[
            "serviceRevisions"
        ]
        (resolved,) = revision["resolvedConfiguration"]["loadBalancers"]
        assert resolved["targetGroupArn"] == it.groups[expected.index(100)]


def test_test_traffic_comes_first_and_production_only_after_a_word(it: Shifting) -> None:
    it.serve(pausing("POST_TEST_TRAFFIC_SHIFT"))
    arn = it.deploy()
    it.settle()
    assert it.stage(arn) == "POST_TEST_TRAFFIC_SHIFT"
    assert (it.shares(it.test), it.shares(it.production)) == ([0, 100], [100, 0])
    it.wait(60)
    assert it.stage(arn) == "POST_TEST_TRAFFIC_SHIFT"
    resume(it, arn)
    assert it.shares(it.production) == [0, 100]
    (pause,) = it.record(arn)["lifecycleHookDetails"]
    again = {"serviceDeploymentArn": arn, "hookId": pause["hookId"]}
    with pytest.raises(AwsError, match="not in the AWAITING_ACTION status"):
        it.cloud("ContinueServiceDeployment", **again)


def test_by_service_connect_alone_test_traffic_comes_first_too(it: Shifting) -> None:
    it.cloud("CreateHttpNamespace", "servicediscovery", Name="shop")
    port = {"containerPort": 80, "name": "http", "appProtocol": "http"}
    containers = [CONTAINER | {"portMappings": [port]}]
    it.cloud.define(containerDefinitions=containers)
    rules = {"header": {"name": "x-try", "value": {"exact": "green"}}}
    alias = {"port": 80, "dnsName": "web", "testTrafficRules": rules}
    offered = {"portName": "http", "discoveryName": "web", "clientAliases": [alias]}
    connect = {"enabled": True, "namespace": "shop", "services": [offered]}
    shown = it.cloud.serve(
        deploymentConfiguration=pausing("POST_TEST_TRAFFIC_SHIFT"),
        serviceConnectConfiguration=connect,
    )
    assert shown["deployments"][0]["serviceConnectConfiguration"] == connect
    it.settle()
    it.wait(1)  # without any check a task is healthy after a while

    def shares() -> set[tuple[str, float, float]]:
        """By definition: percents of production and test traffic of its tasks."""
        families = {
            one["taskArn"].rpartition("/")[2]: one["taskDefinitionArn"].rpartition(":")[2]
            for one in it.cloud.tasks()
        }
        with it.cloud.store.reading() as tx:
            found = load_shares(tx)
        return {(families[task], one.production, one.test) for task, one in found.items()}

    assert shares() == set()
    it.cloud.define(containerDefinitions=containers)
    request = {"cluster": "c", "service": "web", "taskDefinition": "app"}
    answer = it.cloud("UpdateService", **request)
    arn = answer["service"]["currentServiceDeployment"]
    it.settle()
    assert it.stage(arn) == "SCALE_UP"
    assert shares() == {("2", 100, 100), ("3", 0, 0)}
    it.wait(1)
    assert it.stage(arn) == "POST_TEST_TRAFFIC_SHIFT"
    assert shares() == {("2", 100, 0), ("3", 0, 100)}
    resume(it, arn)
    assert shares() == {("2", 0, 0), ("3", 100, 100)}
    it.wait(10)
    it.drain()
    assert it.record(arn)["status"] == "SUCCESSFUL"
    assert shares() == set()


def test_every_stage_that_may_be_held_is_held(it: Shifting) -> None:
    stages = (
        "PRE_SCALE_UP",
        "POST_SCALE_UP",
        "POST_TEST_TRAFFIC_SHIFT",
        "PRE_PRODUCTION_TRAFFIC_SHIFT",
        "POST_PRODUCTION_TRAFFIC_SHIFT",
    )
    it.serve(pausing(*stages))
    arn = it.deploy()
    it.settle()
    shown = []
    for _ in stages:
        assert it.record(arn)["status"] == "IN_PROGRESS"
        shown.append(it.stage(arn))
        resume(it, arn)
    # The API's model has no stage between those two: what is shown is the one before.
    assert shown == [*stages[:3], stages[2], stages[4]]
    assert it.stage(arn) == "BAKE_TIME"
    statuses = [one["status"] for one in it.record(arn)["lifecycleHookDetails"]]
    assert statuses == ["SUCCEEDED"] * 5


@pytest.mark.parametrize("answered", [True, False])
def test_a_hook_may_end_in_a_rollback(it: Shifting, answered: bool) -> None:
    timeout = {"timeoutConfiguration": {"timeoutInMinutes": 5}}
    it.serve(pausing("POST_TEST_TRAFFIC_SHIFT", **timeout))
    arn = it.deploy()
    it.settle()
    if answered:
        resume(it, arn, "ROLLBACK")
    else:
        it.wait(4)
        assert it.stage(arn) == "POST_TEST_TRAFFIC_SHIFT"
        it.wait(1)
    assert it.shares(it.test) == it.shares(it.production) == [100, 0]
    it.drain()
    assert it.record(arn)["status"] == "ROLLBACK_SUCCESSFUL"
    assert it.families() == ["1", "1"]


def test_a_hook_that_times_out_may_go_on(it: Shifting) -> None:
    timeout = {"timeoutConfiguration": {"timeoutInMinutes": 5, "action": "CONTINUE"}}
    it.serve(pausing("PRE_SCALE_UP", **timeout))
    arn = it.deploy()
    it.settle()
    assert (it.stage(arn), it.families()) == ("PRE_SCALE_UP", ["1", "1"])
    it.wait(5)
    assert it.stage(arn) == "BAKE_TIME"
    assert it.record(arn)["lifecycleHookDetails"][0]["status"] == "TIMED_OUT"


def test_no_stage_is_left_before_the_balancer_has_followed(it: Shifting) -> None:
    it.serve()
    it.follows = False
    it.cloud.clock.time += 1
    arn = it.deploy()
    it.settle()
    assert it.stage(arn) == "TEST_TRAFFIC_SHIFT"
    it.follows = True
    it.cloud.clock.time += 1
    it.follow(digest="older")
    it.cloud.schedule()
    assert it.stage(arn) == "TEST_TRAFFIC_SHIFT"
    it.follow()
    it.follows = False
    it.cloud.clock.time += 1
    it.settle()
    assert it.stage(arn) == "PRODUCTION_TRAFFIC_SHIFT"
    assert it.families() == ["1", "1", "2", "2"]


def test_a_stop_in_the_bake_time_gives_the_traffic_back_to_tasks_that_never_stopped(
    it: Shifting,
) -> None:
    it.serve()
    blue = {one["taskArn"] for one in it.cloud.tasks()}
    first = it.primary["id"]
    arn = it.deploy()
    it.settle()
    it.cloud("StopServiceDeployment", serviceDeploymentArn=arn)
    assert it.record(arn)["status"] == "ROLLBACK_REQUESTED"
    it.settle()
    assert it.shares(it.production) == it.shares(it.test) == [100, 0]
    assert it.record(arn)["status"] == "ROLLBACK_IN_PROGRESS"
    assert {one["taskArn"] for one in it.cloud.tasks()} == blue
    assert it.primary["id"] == first
    it.drain()
    shown = it.record(arn)
    assert shown["status"] == "ROLLBACK_SUCCESSFUL"
    assert shown["targetServiceRevision"]["requestedProductionTrafficWeight"] == 0
    assert it.cloud.service()["taskDefinition"].endswith("app:1")
    assert len(it.cloud.service()["deployments"]) == 1


def test_a_stop_in_the_clean_up_waits_for_new_tasks_of_the_earlier_revision(it: Shifting) -> None:
    it.serve(BLUE_GREEN | {"bakeTimeInMinutes": 0})
    arn = it.deploy()
    it.settle()
    assert (it.stage(arn), it.families()) == ("CLEAN_UP", ["2", "2"])
    it.cloud("StopServiceDeployment", serviceDeploymentArn=arn)
    it.cloud.schedule()
    assert it.families() == ["1", "1", "2", "2"]
    assert it.shares(it.production) == [0, 100]
    it.settle()
    assert it.shares(it.production) == [100, 0]
    it.drain()
    assert it.record(arn)["status"] == "ROLLBACK_SUCCESSFUL"
    assert it.families() == ["1", "1"]


def test_a_breaker_that_opens_leaves_the_earlier_revision_alone(it: Shifting) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    it.serve(BLUE_GREEN | breaker)
    blue = {one["taskArn"] for one in it.cloud.tasks()}
    arn = it.deploy()
    for _ in range(3):
        it.cloud.schedule()
        for task in it.cloud.tasks():
            if task["lastStatus"] == "PROVISIONING":
                it.cloud.see(task, failure="CannotPullContainerError: not found")
        it.cloud.schedule()
        it.cloud.leave()
        it.cloud.clock.time += 60
    it.drain()
    assert it.record(arn)["status"] == "ROLLBACK_SUCCESSFUL"
    assert {one["taskArn"] for one in it.cloud.tasks()} == blue
    assert it.shares(it.production) == [100, 0]


def test_a_task_of_the_earlier_revision_that_dies_meanwhile_is_replaced(it: Shifting) -> None:
    it.serve()
    it.deploy()
    it.settle()
    it.cloud.clock.time += 60
    dead = next(one for one in it.cloud.tasks() if one["taskDefinitionArn"].endswith(":1"))
    it.cloud.exit(dead)
    it.settle()
    assert it.families() == ["1", "1", "2", "2"]
    assert dead["taskArn"] not in {one["taskArn"] for one in it.cloud.tasks()}


def test_a_newer_deployment_gives_the_traffic_back_before_it_begins(it: Shifting) -> None:
    it.serve()
    older = it.deploy()
    it.settle()
    assert it.shares(it.production) == [0, 100]
    newer = it.deploy()
    it.cloud.schedule_once()
    assert it.stage(newer) == "RECONCILE_SERVICE"
    assert it.shares(it.production) == it.shares(it.test) == [100, 0]
    it.settle()
    assert it.stage(newer) == "BAKE_TIME"
    assert it.families() == ["1", "1", "3", "3"]
    assert it.shares(it.production) == [0, 100]
    assert it.record(older)["status"] == "STOPPED"
    it.wait(10)
    it.drain()
    assert it.families() == ["3", "3"]


def test_a_service_that_is_scaled_out_meanwhile_has_both_revisions(it: Shifting) -> None:
    it.serve(pausing("POST_SCALE_UP"), desiredCount=0)
    arn = it.deploy()
    it.settle()
    assert it.stage(arn) == "POST_SCALE_UP"
    it.cloud("UpdateService", cluster="c", service="web", desiredCount=2)
    it.settle()
    assert it.families() == ["1", "1", "2", "2"]


@pytest.mark.parametrize("turned_back", [False, True])
def test_a_service_that_is_deleted_meanwhile_leaves_no_task(
    it: Shifting, turned_back: bool
) -> None:
    it.serve()
    arn = it.deploy()
    it.settle()
    if turned_back:
        it.cloud("StopServiceDeployment", serviceDeploymentArn=arn)
        for _ in range(2):
            it.cloud.schedule_once()
        assert it.stage(arn) == "SCALE_UP"
    it.cloud("DeleteService", cluster="c", service="web", force=True)
    it.settle()
    assert it.families() == []
    it.drain()
    assert it.cloud.service()["status"] == "INACTIVE"


def test_a_service_of_no_tasks_hands_over_as_well(it: Shifting) -> None:
    it.serve(BLUE_GREEN | {"bakeTimeInMinutes": 0}, desiredCount=0)
    arn = it.deploy()
    it.settle()
    assert it.record(arn)["status"] == "SUCCESSFUL"
    assert it.shares(it.production) == [0, 100]


def test_a_service_that_cannot_shift_traffic_cannot_change_over(it: Shifting) -> None:
    plain = [{k: v for k, v in it.balancers[0].items() if k != "advancedConfiguration"}]
    it.cloud.serve(loadBalancers=plain)
    with pytest.raises(AwsError, match="advancedConfiguration field is required"):
        it.deploy(deploymentConfiguration=BLUE_GREEN)
    with pytest.raises(AwsError, match="advancedConfiguration field is required"):
        it.cloud("UpdateService", cluster="c", service="web", deploymentConfiguration=BLUE_GREEN)
    answer = it.deploy(deploymentConfiguration=BLUE_GREEN, loadBalancers=it.balancers)
    assert answer


def test_forcing_a_new_deployment_shifts_traffic_as_well(it: Shifting) -> None:
    it.serve()
    answer = it.cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    it.settle()
    assert it.stage(answer["service"]["currentServiceDeployment"]) == "BAKE_TIME"
    assert it.families() == ["1"] * 4


def test_a_rolling_service_can_change_over_and_back(it: Shifting) -> None:
    it.serve({"strategy": "ROLLING"})
    arn = it.deploy(deploymentConfiguration=BLUE_GREEN)
    it.settle()
    assert (it.stage(arn), it.shares(it.production)) == ("BAKE_TIME", [0, 100])
    it.wait(10)
    it.drain()
    arn = it.deploy(deploymentConfiguration={"strategy": "ROLLING", "bakeTimeInMinutes": 0})
    it.settle()
    it.drain()
    assert it.record(arn)["status"] == "SUCCESSFUL"
    assert "lifecycleStage" not in it.record(arn)
    assert (it.families(), it.shares(it.production)) == (["3", "3"], [0, 100])


@dataclass
class Stack:
    """A stack that holds the service alone."""

    it: Shifting

    def put(self, operation: str, **properties: Any) -> dict[str, Any]:
        """Create or update it, and let all happen that can; the stack."""
        properties |= {
            "ServiceName": "web",
            "Cluster": "c",
            "TaskDefinition": "app",
            "LaunchType": "FARGATE",
            "NetworkConfiguration": upper(self.it.cloud.network),
            "LoadBalancers": upper(self.it.balancers),
        }
        resource = {"Type": "AWS::ECS::Service", "Properties": properties}
        body = json.dumps({"Resources": {"Service": resource}})
        self.it.cloud(operation, "cloudformation", StackName="s", TemplateBody=body)
        shown: dict[str, Any] = {}
        for _ in range(12):
            asyncio.run(StackReconciler(self.it.cloud.store, self.it.cloud.clock).activate())
            answer = self.it.cloud("DescribeStacks", "cloudformation", StackName="s")
            shown = answer["Stacks"][0]
            if not shown["StackStatus"].endswith("IN_PROGRESS"):
                return shown
            self.it.wait(3)
        raise AssertionError(shown["StackStatus"])


def upper(value: Any) -> Any:
    """Names as CloudFormation writes them."""
    if isinstance(value, list):
        return [upper(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key[:1].upper() + key[1:]: upper(inner) for key, inner in value.items()}


def test_a_stack_sets_strategy_alarms_and_hooks_and_forces_deployments(it: Shifting) -> None:
    stack = Stack(it)
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
    hook = {
        "targetType": "PAUSE",
        "lifecycleStages": ["PRE_SCALE_UP"],
        "timeoutConfiguration": {"timeoutInMinutes": 1, "action": "CONTINUE"},
    }
    canary = {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1}
    how = {
        "strategy": "CANARY",
        "bakeTimeInMinutes": 1,
        "canaryConfiguration": canary,
        "alarms": alarms,
        "lifecycleHooks": [hook],
    }
    properties = {"DeploymentConfiguration": upper(how)}
    assert stack.put("CreateStack", **properties)["StackStatus"] == "CREATE_COMPLETE"
    shown = it.cloud.service()
    assert {name: shown["deploymentConfiguration"][name] for name in how} == how
    assert shown["loadBalancers"] == it.balancers
    first = it.primary["id"]
    force = {"EnableForceNewDeployment": True, "ForceNewDeploymentNonce": "1"}
    updated = stack.put("UpdateStack", **properties, ForceNewDeployment=force)
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert it.primary["id"] != first
    assert it.shares(it.production) == [0, 100]


def test_a_change_to_rolling_in_the_bake_time_gives_the_traffic_back_first(it: Shifting) -> None:
    it.serve()
    it.deploy()
    it.settle()
    blue = {one["taskArn"] for one in it.cloud.tasks() if one["taskDefinitionArn"].endswith(":1")}
    arn = it.deploy(deploymentConfiguration={"strategy": "ROLLING", "bakeTimeInMinutes": 0})
    it.cloud.schedule_once()
    assert it.shares(it.production) == [100, 0]
    assert blue < {one["taskArn"] for one in it.cloud.tasks()}
    it.settle()
    it.drain()
    assert (it.families(), it.shares(it.production)) == (["3", "3"], [0, 100])
    assert it.record(arn)["status"] == "SUCCESSFUL"


def test_a_deployment_during_a_rollback_takes_over_from_what_is_restored(it: Shifting) -> None:
    it.serve()
    arn = it.deploy()
    it.settle()
    it.cloud("StopServiceDeployment", serviceDeploymentArn=arn)
    it.cloud.schedule_once()
    newer = it.deploy()
    it.settle()
    assert (it.stage(newer), it.families()) == ("BAKE_TIME", ["1", "1", "3", "3"])
    (source,) = it.record(newer)["sourceServiceRevisions"]
    first = it.record(arn)["sourceServiceRevisions"][0]["arn"]
    assert source["arn"] == first
    it.cloud("StopServiceDeployment", serviceDeploymentArn=newer)
    it.settle()
    it.drain()
    assert (it.families(), it.shares(it.production)) == (["1", "1"], [100, 0])


def test_linear_steps_are_watched_one_by_one(it: Shifting) -> None:
    how = {"stepPercent": 33.3, "stepBakeTimeInMinutes": 2}
    it.serve({"strategy": "LINEAR", "bakeTimeInMinutes": 1, "linearConfiguration": how})
    arn = it.deploy()
    it.settle()
    seen = [it.shares(it.production)]
    for _ in range(3):
        it.wait(1.9)
        assert it.shares(it.production) == seen[-1]
        it.wait(0.1)
        seen.append(it.shares(it.production))
    assert seen == [[66.7, 33.3], [33.4, 66.6], [0.1, 99.9], [0, 100]]
    assert it.stage(arn) == "BAKE_TIME"


def test_a_canary_is_watched_once(it: Shifting) -> None:
    it.serve({"strategy": "CANARY", "bakeTimeInMinutes": 0})
    arn = it.deploy()
    it.settle()
    assert it.shares(it.production) == [95, 5]
    assert it.stage(arn) == "PRODUCTION_TRAFFIC_SHIFT"
    it.wait(10)
    assert it.shares(it.production) == [0, 100]


def test_a_service_without_a_balancer_has_stages_too(it: Shifting) -> None:
    it.cloud.serve(deploymentConfiguration=BLUE_GREEN)
    it.settle()
    it.wait(1)
    arn = it.deploy()
    it.settle()
    assert it.stage(arn) == "SCALE_UP"
    it.wait(1)
    assert (it.stage(arn), it.families()) == ("BAKE_TIME", ["1", "1", "2", "2"])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"strategy": "BLUE_GREEN"}, "bakeTimeInMinutes is required"),
        (BLUE_GREEN | {"bakeTimeInMinutes": 1441}, "must be between 0 and 1440"),
        (BLUE_GREEN | {"linearConfiguration": {}}, "only valid with the LINEAR"),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.9}}, "multiple of 0.1"),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.15}}, "multiple of 0.1"),
        (pausing("PRODUCTION_TRAFFIC_SHIFT"), "cannot be configured at PRODUCTION_TRAFFIC_SHIFT"),
        (pausing("PRE_SCALE_UP") | {"strategy": "ROLLING"}, "cannot be used with the ROLLING"),
        (
            BLUE_GREEN | {"lifecycleHooks": [{"lifecycleStages": ["PRE_SCALE_UP"]}]},
            "lifecycleHooks.targetType='AWS_LAMBDA'",
        ),
    ],
)
def test_what_cannot_be_is_refused(it: Shifting, how: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        it.cloud.serve(loadBalancers=it.balancers, deploymentConfiguration=how)


def test_rules_and_groups_must_fit(it: Shifting) -> None:
    (balancer,) = it.balancers
    advanced = balancer["advancedConfiguration"]
    other = it.cloud.target_group()
    for changes, message in (
        ({"advancedConfiguration": None}, "advancedConfiguration field is required"),
        (
            {"advancedConfiguration": advanced | {"alternateTargetGroupArn": it.groups[0]}},
            "another target group",
        ),
        (
            {"advancedConfiguration": advanced | {"alternateTargetGroupArn": other}},
            "must forward to the target group",
        ),
        (
            {"advancedConfiguration": advanced | {"productionListenerRule": it.test[:-1] + "0"}},
            "Unable to retrieve the listener rule",
        ),
        (
            {"advancedConfiguration": advanced | {"roleArn": ""}},
            "advancedConfiguration.roleArn is required",
        ),
        (
            {"advancedConfiguration": advanced | {"roleArn": it.cloud.trust("other")}},
            "must exist and trust ecs.amazonaws.com",
        ),
    ):
        wanted = {k: v for k, v in (balancer | changes).items() if v is not None}
        with pytest.raises(AwsError, match=message):
            it.cloud.serve(loadBalancers=[wanted], deploymentConfiguration=BLUE_GREEN)


def test_a_rule_that_is_gone_is_told_and_the_deployment_can_be_stopped(it: Shifting) -> None:
    it.serve(pausing("POST_SCALE_UP"))
    arn = it.deploy()
    it.settle()
    it.cloud("DeleteRule", "elbv2", RuleArn=it.production)
    waiting = it.record(arn)["lifecycleHookDetails"][0]["hookId"]
    it.cloud("ContinueServiceDeployment", serviceDeploymentArn=arn, hookId=waiting)
    for _ in range(6):
        it.cloud.schedule_once()
        it.follow()
    assert it.stage(arn) == "POST_TEST_TRAFFIC_SHIFT"
    assert "was unable to act on its load balancer. Reason:" in it.cloud.events()[-1]
