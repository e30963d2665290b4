"""The service scheduler over real rows: what it does as the world changes under it."""

from dataclasses import replace

import pytest
from tests.api.ecs_cloud import Cloud

from hiyoko.api import AwsError
from hiyoko.services.ecs import rows
from hiyoko.services.elbv2.seen import TARGETS_SEEN

GROUP_DELAY_S = 300


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


@pytest.fixture
def group(cloud: Cloud) -> str:
    return cloud.target_group()


def balanced(cloud: Cloud, group: str, **changes: object) -> None:
    """The service ``web`` behind the group, with every task running and healthy."""
    balancers = [{"targetGroupArn": group, "containerName": "web", "containerPort": 80}]
    cloud.serve(loadBalancers=balancers, **changes)
    heal(cloud, group)


def heal(cloud: Cloud, group: str) -> None:
    """Everything that shall run runs, is registered and found healthy."""
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    cloud.clock.time += 1
    cloud.balance(group, "healthy")
    cloud.schedule()


def targets(cloud: Cloud, group: str) -> dict[str, str]:
    answer = cloud("DescribeTargetHealth", "elbv2", TargetGroupArn=group)
    return {
        one["Target"]["Id"]: one["TargetHealth"]["State"]
        for one in answer["TargetHealthDescriptions"]
    }


def address(task: dict[str, object]) -> str:
    containers = task["containers"]
    assert isinstance(containers, list)
    return str(containers[0]["networkInterfaces"][0]["privateIpv4Address"])


def test_a_service_starts_its_tasks_and_comes_to_a_steady_state(cloud: Cloud) -> None:
    cloud.serve()
    cloud.schedule()
    service = cloud.service()
    assert (service["pendingCount"], service["runningCount"]) == (2, 0)
    assert service["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    cloud.run()
    cloud.schedule()
    service = cloud.service()
    assert (service["pendingCount"], service["runningCount"]) == (0, 2)
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    deployment = service["deployments"][0]["id"]
    started, completed, steady = cloud.events()
    assert started.startswith("(service web) has started 2 tasks: (task ")
    assert all(task["taskArn"].rsplit("/", 1)[-1] in started for task in cloud.tasks())
    assert completed == f"(service web) (deployment {deployment}) deployment completed."
    assert steady == "(service web) has reached a steady state."
    assert {task["startedBy"] for task in cloud.tasks()} == {deployment}


def test_at_rest_the_scheduler_does_nothing(cloud: Cloud, group: str) -> None:
    balanced(cloud, group)
    assert cloud.schedule().quiet


def test_running_tasks_are_registered_in_the_target_group(cloud: Cloud, group: str) -> None:
    balanced(cloud, group)
    assert set(targets(cloud, group)) == {address(task) for task in cloud.tasks()}
    assert f"(service web) registered 2 targets in (target-group {group})" in cloud.events()
    assert cloud.events()[-1] == "(service web) has reached a steady state."


def test_a_dead_task_is_replaced(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1)
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    (task,) = cloud.tasks()
    cloud.clock.time += 60
    cloud.exit(task, code=0)
    cloud.schedule()
    (fresh,) = cloud.tasks()
    assert fresh["taskArn"] != task["taskArn"]
    assert cloud.service()["deployments"][0]["failedTasks"] == 0


def test_a_task_that_dies_at_once_is_not_restarted_faster_than_aws_does(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1)
    cloud.schedule()
    cloud.run()
    cloud.exit(cloud.tasks()[0])
    report = cloud.schedule()
    assert cloud.tasks() == []
    assert report.again_s == 10
    cloud.clock.time += 10
    cloud.schedule()
    assert len(cloud.tasks()) == 1


def test_tasks_that_never_run_are_started_ever_more_slowly(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1)
    waits = []
    for _ in range(5):
        cloud.schedule()
        (task,) = cloud.tasks()
        cloud.attach(task)
        cloud.see(task, failure="CannotPullContainerError: no route")
        cloud.schedule()
        assert cloud.tasks() == []
        cloud.leave()
        waits.append(cloud.schedule().again_s)
        cloud.clock.time += waits[-1] or 0
    assert waits == [2, 4, 8, 16, 32]
    assert cloud.service()["deployments"][0]["failedTasks"] == 5
    assert any("is unable to consistently start tasks" in line for line in cloud.events())
    cloud.schedule()
    cloud.run()
    cloud.clock.time += 40
    cloud.schedule()
    assert cloud.service()["deployments"][0]["failedTasks"] == 0


def test_an_unhealthy_task_is_replaced_before_it_is_stopped(cloud: Cloud, group: str) -> None:
    balanced(cloud, group, desiredCount=1)
    (sick,) = cloud.tasks()
    why = "Health checks failed with these codes: [503]"
    cloud.balance(group, "unhealthy", "Target.ResponseCodeMismatch", why)
    cloud.schedule()
    assert len(cloud.tasks()) == 2
    assert cloud.task(sick["taskArn"])["lastStatus"] == "RUNNING"
    fresh = next(task for task in cloud.tasks() if task["taskArn"] != sick["taskArn"])
    cloud.run(fresh)
    cloud.schedule()
    cloud.clock.time += 1
    cloud.balance(group, "healthy")
    with_sick(cloud, group, address(sick), why)
    cloud.schedule()
    stopped = cloud.task(sick["taskArn"])
    assert stopped["desiredStatus"] == "STOPPED"
    assert stopped["stoppedReason"] == f"Task failed ELB health checks in (target-group {group})"
    task_id = sick["taskArn"].rsplit("/", 1)[-1]
    assert (
        f"(service web) (task {task_id}) (port 80) is unhealthy in (target-group {group}) due to"
        f" (reason {why})."
    ) in cloud.events()


def with_sick(cloud: Cloud, group: str, target: str, why: str) -> None:
    with cloud.store.transaction() as tx:
        for row in TARGETS_SEEN.list(tx, group_arn=group):
            if row.target_id == target:
                TARGETS_SEEN.put(
                    tx,
                    replace(
                        row,
                        state="unhealthy",
                        reason="Target.ResponseCodeMismatch",
                        description=why,
                    ),
                )


def test_the_grace_period_hides_an_unhealthy_target(cloud: Cloud, group: str) -> None:
    balanced(cloud, group, desiredCount=1, healthCheckGracePeriodSeconds=60)
    cloud.balance(group, "unhealthy", "Target.Timeout", "Request timed out")
    report = cloud.schedule()
    assert len(cloud.tasks()) == 1
    assert report.again_s is not None
    cloud.clock.time += report.again_s
    cloud.schedule()
    assert len(cloud.tasks()) == 2


def test_a_new_definition_rolls_out_without_losing_a_healthy_task(cloud: Cloud, group: str) -> None:
    balanced(cloud, group, desiredCount=1)
    (old,) = cloud.tasks()
    cloud.define()
    cloud("UpdateService", cluster="c", service="web", taskDefinition="app")
    cloud.schedule()
    assert [one["status"] for one in cloud.service()["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert len(cloud.tasks()) == 2
    heal(cloud, group)
    assert [
        line.split("(service web) ", 1)[1].split(" ", 2)[:2] for line in cloud.events()[-5:]
    ] == [
        ["has", "stopped"],
        ["deregistered", "1"],
        ["has", "begun"],
        ["(deployment", cloud.service()["deployments"][0]["id"] + ")"],
        ["has", "reached"],
    ]
    shown = cloud.task(old["taskArn"])
    assert (shown["desiredStatus"], shown["lastStatus"]) == ("STOPPED", "DEACTIVATING")
    assert targets(cloud, group)[address(old)] == "draining"
    assert cloud.service()["deployments"][0]["rolloutState"] == "COMPLETED"
    assert cloud.schedule().again_s == 1
    cloud.balance(group, "healthy")
    cloud.clock.time += GROUP_DELAY_S
    cloud.schedule()
    assert cloud.task(old["taskArn"])["lastStatus"] == "STOPPING"
    cloud.leave()
    cloud.schedule()
    assert len(cloud.service()["deployments"]) == 1
    assert address(old) not in targets(cloud, group)
    assert cloud.schedule().quiet


def test_a_stopped_task_is_deregistered_but_not_waited_for(cloud: Cloud, group: str) -> None:
    balanced(cloud, group)
    first = cloud.tasks()[0]
    cloud("StopTask", cluster="c", task=first["taskArn"])
    cloud.schedule()
    assert cloud.task(first["taskArn"])["lastStatus"] == "STOPPING"
    assert targets(cloud, group)[address(first)] == "draining"
    assert len(cloud.tasks()) == 2


def test_scaling_in_and_out_is_no_deployment(cloud: Cloud) -> None:
    cloud.serve()
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    deployment = cloud.service()["deployments"][0]["id"]
    cloud("UpdateService", cluster="c", service="web", desiredCount=4)
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    assert cloud.service()["runningCount"] == 4
    cloud("UpdateService", cluster="c", service="web", desiredCount=1)
    cloud.schedule()
    cloud.leave()
    cloud.schedule()
    service = cloud.service()
    assert (service["runningCount"], service["desiredCount"]) == (1, 1)
    assert [one["id"] for one in service["deployments"]] == [deployment]
    reasons = {task["stoppedReason"] for task in cloud.tasks("STOPPED")}
    assert reasons == {f"Scaling activity initiated by (deployment {deployment})"}


def test_scaling_in_leaves_the_zones_even(cloud: Cloud) -> None:
    cloud.serve(desiredCount=4)
    cloud.schedule()
    cloud.run()
    cloud("UpdateService", cluster="c", service="web", desiredCount=2)
    cloud.schedule()
    assert len({task["availabilityZone"] for task in cloud.tasks()}) == 2


def test_force_new_deployment_replaces_every_task(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1)
    cloud.schedule()
    cloud.run()
    cloud.clock.time += 60
    cloud.schedule()
    (old,) = cloud.tasks()
    cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    cloud.schedule()
    cloud.run()
    cloud.clock.time += 40
    cloud.schedule()
    (fresh,) = cloud.tasks()
    assert fresh["taskArn"] != old["taskArn"]


def test_the_breaker_opens_and_rolls_back(cloud: Cloud) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    cloud.serve(desiredCount=1, deploymentConfiguration=breaker)
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    good = cloud.service()["deployments"][0]["id"]
    cloud.define()
    cloud("UpdateService", cluster="c", service="web", taskDefinition="app")
    bad = cloud.service()["deployments"][0]["id"]
    for _ in range(3):
        cloud.schedule()
        for task in cloud.tasks():
            if task["lastStatus"] == "PROVISIONING":
                cloud.see(task, failure="CannotPullContainerError: not found")
        cloud.schedule()
        cloud.leave()
        cloud.clock.time += 60
    cloud.schedule()
    service = cloud.service()
    assert service["taskDefinition"].endswith("app:1")
    primary = service["deployments"][0]
    assert primary["id"] not in (good, bad)
    assert (
        f"(service web) (deployment {bad}) deployment failed: tasks failed to start."
        in cloud.events()
    )
    assert f"(service web) rolling back to deployment {good}." in cloud.events()
    cloud.run()
    cloud.clock.time += 40
    cloud.schedule()
    cloud.leave()
    cloud.schedule()
    service = cloud.service()
    assert [one["rolloutState"] for one in service["deployments"]] == ["COMPLETED"]
    assert service["runningCount"] == 1


def test_a_breaker_without_rollback_leaves_what_runs(cloud: Cloud) -> None:
    cloud.serve(
        desiredCount=1,
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}},
    )
    for _ in range(3):
        cloud.schedule()
        cloud.see(cloud.tasks()[0], failure="CannotPullContainerError: not found")
        cloud.schedule()
        cloud.clock.time += 60
    cloud.schedule()
    (deployment,) = cloud.service()["deployments"]
    assert deployment["rolloutState"] == "FAILED"
    assert deployment["rolloutStateReason"] == (
        "ECS deployment circuit breaker: tasks failed to start."
    )
    assert cloud.tasks() == []


def test_a_deleted_service_drains_and_becomes_inactive(cloud: Cloud, group: str) -> None:
    balanced(cloud, group)
    cloud("DeleteService", cluster="c", service="web", force=True)
    cloud.schedule()
    assert cloud.service()["status"] == "DRAINING"
    cloud.clock.time += GROUP_DELAY_S
    cloud.schedule()
    assert set(targets(cloud, group).values()) == {"draining"}  # the nodes do not know yet
    cloud.balance(group, "healthy")
    cloud.clock.time += GROUP_DELAY_S
    cloud.schedule()
    cloud.leave()
    cloud.schedule()
    service = cloud.service()
    assert (service["status"], service["runningCount"]) == ("INACTIVE", 0)
    assert targets(cloud, group) == {}
    assert cloud.serve(desiredCount=0)["status"] == "ACTIVE"


def test_a_place_that_is_not_there_is_told_in_the_history(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1)
    for subnet in cloud.subnets:
        cloud("DeleteSubnet", "ec2", SubnetId=subnet)
    report = cloud.schedule_once()
    assert report.again_s == 10
    assert cloud.events()[-1].startswith("(service web) was unable to place a task. Reason: ")
    cloud.schedule_once()
    assert len(cloud.events()) == 1


def test_a_full_subnet_is_passed_over_and_what_has_no_place_is_told(cloud: Cloud) -> None:
    small = []
    for number, zone in ((3, "a"), (4, "c")):
        answer = cloud(
            "CreateSubnet",
            "ec2",
            VpcId=cloud.vpc,
            CidrBlock=f"10.0.{number}.0/28",
            AvailabilityZone=f"ap-northeast-1{zone}",
        )
        small.append(answer["Subnet"]["SubnetId"])
    network = {"awsvpcConfiguration": {"subnets": small}}
    for _ in range(10):  # eleven addresses in each
        cloud.run_task(networkConfiguration={"awsvpcConfiguration": {"subnets": small[:1]}})
    cloud.serve(desiredCount=14, networkConfiguration=network)
    report = cloud.schedule_once()
    started = [one for one in cloud.tasks() if one["group"] == "service:web"]
    assert len(started) == 12
    assert {one["availabilityZone"] for one in started} == {"ap-northeast-1a", "ap-northeast-1c"}
    line = cloud.events()[-1]
    assert line.startswith("(service web) was unable to place a task. Reason: ")
    assert "InsufficientFreeAddressesInSubnet" in line
    cloud.schedule_once()
    assert cloud.events()[-1] == line
    assert sum("was unable to place" in one for one in cloud.events()) == 1
    cloud("UpdateService", cluster="c", service="web", desiredCount=12)
    report = cloud.schedule_once()
    assert report.quiet


@pytest.mark.parametrize("member", ["executionRoleArn", "taskRoleArn"])
def test_a_role_that_ecs_cannot_assume_is_told_in_the_history(cloud: Cloud, member: str) -> None:
    other = cloud.trust("other", "lambda.amazonaws.com")
    cloud.define(**{member: other})
    text = f"ECS was unable to assume the role '{other}' that was provided for this task. Please"
    with pytest.raises(AwsError, match=text) as caught:
        cloud.run_task()
    assert caught.value.code == "ClientException"
    cloud.serve(desiredCount=1)
    cloud.schedule_once()
    assert cloud.events()[-1].startswith(
        f"(service web) failed to launch a task with (error {text}"
    )
    cloud("DeleteRole", "iam", RoleName="other")
    cloud.schedule_once()
    assert len(cloud.events()) == 1
    cloud.trust("other")
    cloud.clock.time += 10
    cloud.schedule()
    assert len(cloud.tasks()) == 1


def test_a_new_definition_ends_the_wait_after_tasks_that_never_ran(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1)
    for _ in range(4):
        cloud.schedule()
        cloud.see(cloud.tasks()[0], failure="CannotPullContainerError: no route")
        cloud.schedule()
        cloud.clock.time += 900
    cloud.schedule()
    cloud.see(cloud.tasks()[0], failure="CannotPullContainerError: no route")
    assert cloud.schedule().again_s == 32
    cloud.define()
    cloud("UpdateService", cluster="c", service="web", taskDefinition="app")
    cloud.schedule()
    assert [one["taskDefinitionArn"].rpartition(":")[2] for one in cloud.tasks()] == ["2"]


def test_daemons_are_refused_as_fargate_does(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="do not support the DAEMON scheduling strategy") as caught:
        cloud.serve(schedulingStrategy="DAEMON")
    assert caught.value.code == "InvalidParameterException"


def test_inactive_services_are_forgotten_after_an_hour(cloud: Cloud) -> None:
    cloud.serve(desiredCount=0)
    cloud("DeleteService", cluster="c", service="web")
    cloud.schedule()
    assert cloud.service()["status"] == "INACTIVE"
    cloud.clock.time += 3600
    cloud.schedule()
    assert cloud("DescribeServices", cluster="c", services=["web"])["services"] == []


def zones(cloud: Cloud) -> list[str]:
    return sorted(task["availabilityZone"] for task in cloud.tasks())


def uneven(cloud: Cloud, **changes: object) -> list[str]:
    """Three healthy tasks in one zone: the other one has just been added; the two zones."""
    both, cloud.subnets = cloud.subnets, cloud.subnets[:1]
    cloud.serve(desiredCount=3, **changes)
    cloud.schedule()
    cloud.run()
    cloud.clock.time += 60
    cloud.schedule()
    (rich,) = set(zones(cloud))
    cloud.subnets = both
    # As it is when a zone comes back: the same deployment, more places than tasks know of.
    with cloud.store.transaction() as tx:
        (service,) = rows.list_services(tx)
        primary = replace(
            service.primary, network=replace(service.primary.network, subnets=tuple(both))
        )
        rows.put_service(tx, replace(service, deployments=(primary,)))
    return [rich, rich.removesuffix("a") + "c"]


def test_zones_are_evened_out_by_one_task_more_then_one_less(cloud: Cloud) -> None:
    rich, poor = uneven(cloud)
    cloud.schedule()
    assert zones(cloud) == [rich, rich, rich, poor]
    assert cloud.events()[-2] == (
        f"(service web) is not AZ balanced with 3 tasks in {rich}, 0 tasks in {poor}."
        " AZ Rebalancing in progress."
    )
    assert f"has started 1 tasks in {poor} to AZ Rebalance: (task " in cloud.events()[-1]
    assert len(cloud.service()["deployments"]) == 1
    assert cloud.schedule().quiet  # nothing ends before the new one is healthy
    cloud.run()
    cloud.clock.time += 60
    cloud.schedule()
    assert zones(cloud) == [rich, rich, poor]
    stopped = f"(service web) has stopped 1 running tasks in {rich} due to AZ rebalancing: (task "
    assert any(one.startswith(stopped) for one in cloud.events())
    assert (
        f"(service web) is AZ balanced with 2 tasks in {rich}, 1 tasks in {poor}." in cloud.events()
    )
    assert cloud.schedule().quiet


def test_rebalancing_leaves_protected_tasks_where_they_are(cloud: Cloud) -> None:
    rich, _ = uneven(cloud)
    tasks = [task["taskArn"] for task in cloud.tasks()]
    cloud("UpdateTaskProtection", cluster="c", tasks=tasks, protectionEnabled=True)
    cloud.schedule()
    assert zones(cloud) == [rich, rich, rich]


def test_without_rebalancing_the_zones_stay_as_they_are(cloud: Cloud) -> None:
    rich, _ = uneven(cloud, availabilityZoneRebalancing="DISABLED")
    assert cloud.service()["availabilityZoneRebalancing"] == "DISABLED"
    cloud.schedule()
    assert zones(cloud) == [rich, rich, rich]


def test_rebalancing_is_on_unless_there_is_no_room_for_it(cloud: Cloud) -> None:
    narrow = {"maximumPercent": 100, "minimumHealthyPercent": 50}
    with pytest.raises(AwsError, match="maximumPercent is less than or equal to 100"):
        cloud.serve(availabilityZoneRebalancing="ENABLED", deploymentConfiguration=narrow)
    assert cloud.serve()["availabilityZoneRebalancing"] == "ENABLED"
    changes = {"cluster": "c", "service": "web", "deploymentConfiguration": narrow}
    with pytest.raises(AwsError, match="maximumPercent is less than or equal to 100"):
        cloud("UpdateService", **changes)
    changed = cloud("UpdateService", **changes, availabilityZoneRebalancing="DISABLED")
    assert changed["service"]["availabilityZoneRebalancing"] == "DISABLED"
    cloud.define(family="other")
    narrowed = cloud.serve(serviceName="narrow", deploymentConfiguration=narrow)
    assert narrowed["availabilityZoneRebalancing"] == "DISABLED"
