"""What a deployment pins, and what is told of it while it lasts and afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.ecs_cloud import CONTAINER, Cloud

from hiyoko.api import AwsError
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.seen import ContainerSeen

FIRST, SECOND = f"sha256:{1:064x}", f"sha256:{2:064x}"


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud.ready()
    cloud.define(containerDefinitions=[CONTAINER | {"image": "nginx:1"}])
    return cloud


def run(cloud: Cloud, digest: str) -> None:
    """Every task that shall run runs, and its image's tag led to this digest."""
    for task in cloud.tasks():
        if task["lastStatus"] in ("PROVISIONING", "PENDING"):
            cloud.attach(task)
            now = cloud.clock.now()
            cloud.see(task, ContainerSeen("web", "RUNNING", image_digest=digest, started_at=now))


def pinned(cloud: Cloud, arn: str) -> dict[str, str]:
    """What the task's containers are to be run from."""
    with cloud.store.reading() as tx:
        task = rows.find_task(tx, arn)
        assert task is not None
        return dict(task.digests)


def settle(cloud: Cloud, digest: str) -> None:
    """Until the deployment is complete."""
    for _ in range(6):
        cloud.clock.time += 60
        cloud.schedule()
        run(cloud, digest)
        cloud.leave()
    cloud.schedule()
    assert len(cloud.service()["deployments"]) == 1


def history(cloud: Cloud, **asked: Any) -> list[dict[str, Any]]:
    found = cloud("ListServiceDeployments", cluster="c", service="web", **asked)
    shown: list[dict[str, Any]] = found["serviceDeployments"]
    return shown


def described(cloud: Cloud, arn: str) -> dict[str, Any]:
    answer = cloud("DescribeServiceDeployments", serviceDeploymentArns=[arn])
    shown: dict[str, Any] = answer["serviceDeployments"][0]
    return shown


def revision(cloud: Cloud, arn: str) -> dict[str, Any]:
    answer = cloud("DescribeServiceRevisions", serviceRevisionArns=[arn])
    shown: dict[str, Any] = answer["serviceRevisions"][0]
    return shown


# Images.


def test_the_first_task_resolves_the_tag_for_all_others(cloud: Cloud) -> None:
    cloud.serve(desiredCount=3)
    cloud.schedule()
    (first,) = cloud.tasks()
    assert pinned(cloud, first["taskArn"]) == {}
    run(cloud, FIRST)
    cloud.schedule()
    others = [task for task in cloud.tasks() if task["taskArn"] != first["taskArn"]]
    assert [pinned(cloud, task["taskArn"]) for task in others] == [{"web": FIRST}] * 2
    started = [line for line in cloud.events() if "has started" in line]
    assert ["has started 1 tasks" in line for line in started] == [True, False]


def test_a_replacement_runs_what_the_deployment_runs(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1)
    settle(cloud, FIRST)
    (task,) = cloud.tasks()
    cloud.clock.time += 60
    cloud.exit(task)
    cloud.schedule()
    (fresh,) = cloud.tasks()
    assert pinned(cloud, fresh["taskArn"]) == {"web": FIRST}


def test_a_new_deployment_resolves_the_tag_again(cloud: Cloud) -> None:
    cloud.serve(desiredCount=2)
    settle(cloud, FIRST)
    cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    settle(cloud, SECOND)
    digests = [revision(cloud, one["targetServiceRevisionArn"]) for one in history(cloud)]
    assert [one["containerImages"][0]["imageDigest"] for one in digests] == [SECOND, FIRST]
    assert {task["containers"][0]["imageDigest"] for task in cloud.tasks()} == {SECOND}


def test_without_version_consistency_every_task_resolves_its_own(cloud: Cloud) -> None:
    loose = CONTAINER | {"image": "nginx:1", "versionConsistency": "disabled"}
    cloud.define(containerDefinitions=[loose])
    cloud.serve(desiredCount=2)
    cloud.schedule()
    assert len(cloud.tasks()) == 2
    run(cloud, FIRST)
    cloud.schedule()
    assert all(pinned(cloud, task["taskArn"]) == {} for task in cloud.tasks())
    (image,) = revision(cloud, history(cloud)[0]["targetServiceRevisionArn"])["containerImages"]
    assert image == {"containerName": "web", "image": "nginx:1"}


def test_after_three_tasks_without_a_digest_the_deployment_goes_on_without(cloud: Cloud) -> None:
    cloud.serve(desiredCount=2)
    for _ in range(3):
        cloud.schedule()
        (task,) = cloud.tasks()
        cloud.attach(task)
        cloud.see(task, failure="CannotPullContainerError: no route")
        cloud.schedule()
        cloud.leave()
        cloud.clock.time += 900
    cloud.schedule()
    assert len(cloud.tasks()) == 2


# History.


def test_a_deployment_is_pending_then_in_progress_then_successful(cloud: Cloud) -> None:
    service = cloud.serve(desiredCount=2)
    (one,) = history(cloud)
    assert service["currentServiceDeployment"] == one["serviceDeploymentArn"]
    assert one["status"] == "PENDING"
    cloud.schedule()
    assert history(cloud)[0]["status"] == "IN_PROGRESS"
    shown = described(cloud, one["serviceDeploymentArn"])
    assert shown["sourceServiceRevisions"] == []
    target = shown["targetServiceRevision"]
    assert (target["requestedTaskCount"], target["pendingTaskCount"]) == (2, 1)
    settle(cloud, FIRST)
    shown = described(cloud, one["serviceDeploymentArn"])
    assert shown["status"] == "SUCCESSFUL"
    assert shown["startedAt"] <= shown["finishedAt"]
    service = cloud.service()
    assert "currentServiceDeployment" not in service
    assert service["currentServiceRevisions"] == [
        {
            "arn": target["arn"],
            "requestedTaskCount": 2,
            "runningTaskCount": 2,
            "pendingTaskCount": 0,
        }
    ]
    digits = target["arn"].rpartition("/")[2]
    assert service["deployments"][0]["id"] == f"ecs-svc/{digits}"


def test_a_newer_deployment_stops_the_one_under_way(cloud: Cloud) -> None:
    cloud.serve()
    cloud.schedule()
    cloud.clock.time += 1
    cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    newest, first = history(cloud)
    assert (newest["status"], first["status"]) == ("PENDING", "STOPPED")
    shown = described(cloud, newest["serviceDeploymentArn"])
    sources = [one["arn"] for one in shown["sourceServiceRevisions"]]
    assert sources == [first["targetServiceRevisionArn"]]
    assert [one["status"] for one in history(cloud, status=["STOPPED"])] == ["STOPPED"]


def breaking(cloud: Cloud, *, rollback: bool, complete: bool = True) -> str:
    """A service whose newest deployment failed three times to start; the deployment's ARN."""
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": rollback}}
    cloud.serve(desiredCount=1, deploymentConfiguration=breaker)
    if complete:
        settle(cloud, FIRST)
        cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    arn = str(history(cloud)[0]["serviceDeploymentArn"])
    for _ in range(3):
        cloud.schedule()
        for task in cloud.tasks():
            if task["lastStatus"] == "PROVISIONING":
                cloud.attach(task)
                cloud.see(task, failure="CannotPullContainerError: no route")
        if _ == 2:
            assert described(cloud, arn)["deploymentCircuitBreaker"] == {
                "status": "MONITORING",
                "failureCount": 2,
                "threshold": 3,
            }
        cloud.schedule()
        cloud.leave()
        cloud.clock.time += 60
    return arn


BROKEN = "because the circuit breaker threshold was exceeded."


def test_a_rollback_is_part_of_the_deployment_that_it_ends(cloud: Cloud) -> None:
    arn = breaking(cloud, rollback=True)
    shown = described(cloud, arn)
    first = history(cloud)[1]["targetServiceRevisionArn"]
    assert shown["status"] == "ROLLBACK_IN_PROGRESS"
    assert shown["rollback"]["serviceRevisionArn"] == first
    assert shown["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    settle(cloud, FIRST)
    shown = described(cloud, arn)
    assert shown["status"] == "ROLLBACK_SUCCESSFUL"
    assert shown["statusReason"] == f"Service deployment rolled back {BROKEN}"
    assert len(history(cloud)) == 2
    # What ran before runs again, by the same digest.
    (task,) = cloud.tasks()
    assert [one["arn"] for one in cloud.service()["currentServiceRevisions"]] == [first]
    cloud.exit(task)
    cloud.clock.time += 60
    cloud.schedule()
    assert pinned(cloud, cloud.tasks()[0]["taskArn"]) == {"web": FIRST}


def test_a_failed_deployment_without_rollback_is_stopped(cloud: Cloud) -> None:
    shown = described(cloud, breaking(cloud, rollback=False))
    assert shown["status"] == "STOPPED"
    assert shown["statusReason"] == f"Service deployment stopped {BROKEN}"
    assert shown["stoppedAt"] >= shown["startedAt"]


def test_a_first_deployment_has_nothing_to_roll_back_to(cloud: Cloud) -> None:
    shown = described(cloud, breaking(cloud, rollback=True, complete=False))
    assert shown["status"] == "ROLLBACK_FAILED"
    assert shown["statusReason"] == "No rollback candidate was found to run the rollback."


def test_a_deployment_is_rolled_back_when_a_user_stops_it(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1)
    settle(cloud, FIRST)
    cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    cloud.schedule()
    arn = history(cloud)[0]["serviceDeploymentArn"]
    for _ in range(2):
        answer = cloud("StopServiceDeployment", serviceDeploymentArn=arn)
        assert answer == {"serviceDeploymentArn": arn}
        assert described(cloud, arn)["status"] == "ROLLBACK_REQUESTED"
    cloud.schedule()
    assert described(cloud, arn)["status"] == "ROLLBACK_IN_PROGRESS"
    settle(cloud, FIRST)
    assert described(cloud, arn)["status"] == "ROLLBACK_SUCCESSFUL"
    with pytest.raises(AwsError, match="ConflictException"):
        cloud("StopServiceDeployment", serviceDeploymentArn=arn)


def test_what_is_unknown_is_named(cloud: Cloud) -> None:
    arn = "arn:aws:ecs:ap-northeast-1:123456789012:service-deployment/c/web/none"
    answer = cloud("DescribeServiceDeployments", serviceDeploymentArns=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]
    answer = cloud("DescribeServiceRevisions", serviceRevisionArns=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]
    with pytest.raises(AwsError, match="ServiceDeploymentNotFoundException"):
        cloud("StopServiceDeployment", serviceDeploymentArn=arn)
    with pytest.raises(AwsError, match="stopType='ABORT'"):
        cloud("StopServiceDeployment", serviceDeploymentArn=arn, stopType="ABORT")


def test_a_deleted_service_takes_its_deployments_with_it(cloud: Cloud) -> None:
    cloud.serve()
    arn = history(cloud)[0]["serviceDeploymentArn"]
    cloud("DeleteService", cluster="c", service="web", force=True)
    answer = cloud("DescribeServiceDeployments", serviceDeploymentArns=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]


@pytest.mark.parametrize(
    ("kind", "value", "threshold"),
    [("COUNT", 1, 1), ("BOUNDED_PERCENT", 1, 3), ("UNBOUNDED_PERCENT", 50, 1)],
)
def test_the_breakers_threshold_is_configured(
    cloud: Cloud, kind: str, value: int, threshold: int
) -> None:
    breaker = {
        "enable": True,
        "rollback": False,
        "thresholdConfiguration": {"type": kind, "value": value},
        "resetOnHealthyTask": False,
    }
    config = {"deploymentCircuitBreaker": breaker}
    shown = cloud.serve(desiredCount=2, deploymentConfiguration=config)
    assert shown["deploymentConfiguration"]["deploymentCircuitBreaker"] == breaker
    arn = history(cloud)[0]["serviceDeploymentArn"]
    assert described(cloud, arn)["deploymentCircuitBreaker"]["threshold"] == threshold


def test_a_breaker_that_does_not_reset_counts_failures_beyond_a_healthy_task(cloud: Cloud) -> None:
    """One healthy task, then two that fail: three would be needed if the count began anew."""
    for reset, state in ((False, "FAILED"), (True, "IN_PROGRESS")):
        breaker = {
            "enable": True,
            "rollback": False,
            "thresholdConfiguration": {"type": "COUNT", "value": 2},
            "resetOnHealthyTask": reset,
        }
        config = {"deploymentCircuitBreaker": breaker}
        name = f"web-{reset}"
        cloud.serve(serviceName=name, desiredCount=3, deploymentConfiguration=config)

        def mine(name: str = name) -> list[dict[str, Any]]:
            arns = cloud("ListTasks", cluster="c", serviceName=name)["taskArns"]
            return [cloud.task(arn) for arn in arns]

        def fail(tasks: list[dict[str, Any]]) -> None:
            cloud.attach(tasks[0])
            cloud.see(tasks[0], failure="CannotPullContainerError: no route")
            cloud.schedule()
            cloud.leave()
            cloud.clock.time += 900

        cloud.schedule()
        fail(mine())
        cloud.schedule()
        (first,) = mine()
        cloud.attach(first)
        now = cloud.clock.now()
        cloud.see(first, ContainerSeen("web", "RUNNING", image_digest=FIRST, started_at=now))
        cloud.clock.time += 60
        cloud.schedule()
        fail([task for task in mine() if task["lastStatus"] == "PROVISIONING"])
        cloud.schedule()
        found = cloud("DescribeServices", cluster="c", services=[name])["services"][0]
        assert found["deployments"][0]["rolloutState"] == state
        cloud("DeleteService", cluster="c", service=name, force=True)
