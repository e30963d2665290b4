"""Tasks through the operations of ECS, with the real ec2 and elbv2 beside it."""

from typing import Any

import pytest
from tests.api.ecs_cloud import CONTAINER, ROLE, Cloud, refusal

from hiyoko.api import AwsError
from hiyoko.services.ecs.seen import ContainerSeen

FILE = {"type": "s3", "value": "arn:aws:s3:::config/another.env"}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


def test_a_task_gets_an_interface_and_goes_from_provisioning_to_running(cloud: Cloud) -> None:
    (task,) = cloud.run_task()
    assert (task["lastStatus"], task["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    assert task["group"] == "family:app"
    cloud.attach(task)
    task = cloud.task(task["taskArn"])
    assert (task["lastStatus"], task["connectivity"]) == ("PENDING", "CONNECTED")
    cloud.run()
    task = cloud.task(task["taskArn"])
    assert (task["lastStatus"], task["startedAt"]) == ("RUNNING", cloud.clock.now())


def test_describing_a_task_never_improves_it(cloud: Cloud) -> None:
    (task,) = cloud.run_task()
    cloud.clock.time += 600
    assert cloud.task(task["taskArn"])["lastStatus"] == "PROVISIONING"


def test_tasks_are_spread_over_the_zones(cloud: Cloud) -> None:
    tasks = cloud.run_task(count=4)
    zones = [task["availabilityZone"] for task in tasks]
    assert sorted(zones) == ["ap-northeast-1a"] * 2 + ["ap-northeast-1c"] * 2


def test_a_stopped_task_keeps_its_interface_until_it_has_left_the_world(cloud: Cloud) -> None:
    (task,) = cloud.run_task()
    cloud.run()
    stopped = cloud("StopTask", cluster="c", task=task["taskArn"], reason="enough")["task"]
    assert (stopped["desiredStatus"], stopped["lastStatus"]) == ("STOPPED", "STOPPING")
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough")
    cloud.schedule()
    assert len(interfaces(cloud)) == 1
    cloud.leave()
    assert cloud.task(task["taskArn"])["lastStatus"] == "DEPROVISIONING"
    cloud.schedule()
    assert cloud.task(task["taskArn"])["lastStatus"] == "STOPPED"
    assert interfaces(cloud) == []


def interfaces(cloud: Cloud) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud("DescribeNetworkInterfaces", "ec2")["NetworkInterfaces"]
    return found


def test_a_task_goes_through_its_states_and_each_sets_its_time(cloud: Cloud) -> None:
    stamps = (
        *("createdAt", "connectivityAt", "pullStartedAt", "pullStoppedAt", "startedAt"),
        *("stoppingAt", "executionStoppedAt", "stoppedAt"),
    )
    (task,) = cloud.run_task()
    arn, told = task["taskArn"], []

    def look(**more: Any) -> None:
        shown = cloud.task(arn)
        told.append((shown["lastStatus"], [name for name in stamps if name in shown]))
        for name, value in more.items():
            assert shown[name] == value
        cloud.clock.time += 1

    look(desiredStatus="RUNNING")
    cloud.attach(task)
    cloud.see(task, ContainerSeen("web", "PENDING"), pull_started_at=cloud.clock.now())
    look(connectivity="CONNECTED")
    pulled = {"pull_started_at": cloud.clock.now() - 1, "pull_stopped_at": cloud.clock.now()}
    began = cloud.clock.now()
    cloud.see(task, ContainerSeen("web", "RUNNING", started_at=began), **pulled)
    look(startedAt=began)
    cloud("StopTask", cluster="c", task=arn, reason="enough")
    look(desiredStatus="STOPPED", stopCode="UserInitiated", stoppedReason="enough")
    ended = ContainerSeen(
        "web", "STOPPED", exit_code=143, started_at=began, finished_at=cloud.clock.now()
    )
    cloud.see(task, ended, **pulled, gone=True)
    look()
    cloud.schedule()
    look()
    assert told == [
        ("PROVISIONING", [*stamps[:1]]),
        ("PENDING", [*stamps[:3]]),
        ("RUNNING", [*stamps[:5]]),
        ("STOPPING", [*stamps[:6]]),
        ("DEPROVISIONING", [*stamps[:7]]),
        ("STOPPED", [*stamps]),
    ]


def test_a_stopped_task_is_described_for_an_hour(cloud: Cloud) -> None:
    (task,) = cloud.run_task()
    cloud("StopTask", cluster="c", task=task["taskArn"])
    cloud.leave()
    cloud.schedule()
    cloud.clock.time += 3599
    cloud.schedule()
    assert cloud.task(task["taskArn"])["lastStatus"] == "STOPPED"
    cloud.clock.time += 1
    cloud.schedule()
    answer = cloud("DescribeTasks", cluster="c", tasks=[task["taskArn"]])
    assert answer["failures"] == [{"arn": task["taskArn"], "reason": "MISSING"}]


def test_an_essential_container_takes_the_task_with_it(cloud: Cloud) -> None:
    (task,) = cloud.run_task()
    cloud.run()
    cloud.exit(task, code=3)
    shown = cloud.task(task["taskArn"])
    assert shown["desiredStatus"] == "STOPPED"
    assert shown["stopCode"] == "EssentialContainerExited"
    assert shown["stoppedReason"] == "Essential container in task exited"
    assert shown["containers"][0]["exitCode"] == 3


def test_a_failed_pull_is_the_stopped_reason(cloud: Cloud) -> None:
    (task,) = cloud.run_task()
    cloud.attach(task)
    reason = "CannotPullContainerError: no route"
    cloud.see(task, ContainerSeen("web", "STOPPED", reason=reason), failure=reason)
    shown = cloud.task(task["taskArn"])
    assert (shown["stopCode"], shown["stoppedReason"]) == ("TaskFailedToStart", reason)
    assert "startedAt" not in shown
    assert shown["containers"][0]["reason"] == reason


def test_listing_goes_by_the_desired_status(cloud: Cloud) -> None:
    first, second = cloud.run_task(count=2, startedBy="me")
    cloud("StopTask", cluster="c", task=first["taskArn"])
    assert cloud("ListTasks", cluster="c")["taskArns"] == [second["taskArn"]]
    stopped = cloud("ListTasks", cluster="c", desiredStatus="STOPPED")["taskArns"]
    assert stopped == [first["taskArn"]]
    assert cloud("ListTasks", cluster="c", startedBy="me")["taskArns"] == [second["taskArn"]]
    assert cloud("ListTasks", cluster="c", family="other")["taskArns"] == []


def test_overrides_are_shown_for_every_container(cloud: Cloud) -> None:
    (task,) = cloud.run_task(
        overrides={"containerOverrides": [{"name": "web", "command": ["echo", "1"]}]}
    )
    assert task["overrides"]["containerOverrides"] == [{"name": "web", "command": ["echo", "1"]}]
    code, message = refusal(
        cloud,
        "RunTask",
        cluster="c",
        taskDefinition="app",
        launchType="FARGATE",
        networkConfiguration=cloud.network,
        overrides={"containerOverrides": [{"name": "db"}]},
    )
    assert code == "InvalidParameterException"
    assert message == "Override for container named db is not a container in the TaskDefinition."


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            {"cpu": "1024"},
            "No Fargate configuration exists for given values: 1024 CPU, 512 memory. See the"
            " Amazon ECS documentation for the valid values.",
        ),
        (
            {"containerOverrides": [{"name": "web", "memory": 513}]},
            "The 'memory' setting for container 'web' is greater than for the task.",
        ),
        (
            {"containerOverrides": [{"name": "web", "cpu": one} for one in (1, 2)]},
            "Container web is overridden more than once.",
        ),
        (
            {"containerOverrides": [{"name": "web", "command": ["x" * 8192]}]},
            "The overrides have more than 8192 characters.",
        ),
        (
            {"containerOverrides": [{"name": "web", "environmentFiles": [FILE]}]},
            "Fargate requires task definition to have execution role ARN to support environment"
            " files.",
        ),
    ],
)
def test_overrides_that_do_not_fit_the_task_are_refused(
    cloud: Cloud, overrides: dict[str, Any], text: str
) -> None:
    with pytest.raises(AwsError) as refused:
        cloud.run_task(overrides=overrides)
    assert (refused.value.code, refused.value.message) == ("InvalidParameterException", text)
    assert cloud.tasks() == []


def test_environment_files_are_overridden_as_a_whole(cloud: Cloud) -> None:
    one = {"type": "s3", "value": "arn:aws:s3:::config/one.env"}
    cloud.define(
        executionRoleArn=ROLE, containerDefinitions=[{**CONTAINER, "environmentFiles": [one]}]
    )
    changed = [{"name": "web", "environmentFiles": [FILE]}]
    (task,) = cloud.run_task(overrides={"containerOverrides": changed})
    assert task["overrides"]["containerOverrides"] == changed


def test_a_client_token_starts_tasks_once(cloud: Cloud) -> None:
    (first,) = cloud.run_task(clientToken="t")
    (second,) = cloud.run_task(clientToken="t")
    assert first["taskArn"] == second["taskArn"]
    for others in (
        {"count": 2},
        {"group": "g"},
        {"startedBy": "me"},
        {"overrides": {"cpu": "256"}},
    ):
        with pytest.raises(AwsError) as refused:
            cloud.run_task(clientToken="t", **others)
        assert refused.value.code == "ConflictException"
        assert refused.value.fields == {"resourceIds": [first["taskArn"]]}
    assert len(cloud.tasks()) == 1


def test_a_managed_tag_names_the_cluster(cloud: Cloud) -> None:
    (task,) = cloud.run_task(enableECSManagedTags=True, tags=[{"key": "a", "value": "b"}])
    tags = [{"key": "a", "value": "b"}, {"key": "aws:ecs:clusterName", "value": "c"}]
    assert task["tags"] == tags
    assert cloud("ListTagsForResource", resourceArn=task["taskArn"])["tags"] == tags


def test_what_run_task_cannot_take_is_refused(cloud: Cloud) -> None:
    for asked, text in (
        ({"count": 0}, "Count must be between 1 and 10."),
        ({"startedBy": "x" * 129}, "startedBy can have up to 128 letters"),
        ({"startedBy": "a b"}, "startedBy can have up to 128 letters"),
        ({"clientToken": "x" * 65}, "clientToken can have up to 64 characters."),
        (
            {"placementConstraints": [{"type": "distinctInstance"}]},
            "Placement constraints are not supported with FARGATE launch type.",
        ),
    ):
        with pytest.raises(AwsError, match=text):
            cloud.run_task(**asked)


def test_an_unknown_subnet_is_named(cloud: Cloud) -> None:
    with pytest.raises(AwsError) as refused:
        cloud.run_task(
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0123456789abcdef0"]}}
        )
    assert refused.value.code == "InvalidParameterException"
    assert "(ErrorCode: InvalidSubnetID.NotFound)" in refused.value.message
    assert cloud.tasks() == []


def test_a_session_is_given_out_where_the_agent_runs(cloud: Cloud) -> None:
    def refused(**changes: Any) -> tuple[str, str]:
        asked = {"cluster": "c", "command": "sh", "interactive": True, "task": arn}
        return refusal(cloud, "ExecuteCommand", **asked | changes)

    cloud.define(taskRoleArn=ROLE)
    (task,) = cloud.run_task(enableExecuteCommand=True)
    arn = task["taskArn"]
    assert task["containers"][0]["managedAgents"][0]["lastStatus"] == "PENDING"
    cloud.attach(task)
    cloud.see(task, ContainerSeen("web", "RUNNING", "r-1", started_at=1.0, agent_at=2.0))
    (container,) = cloud.task(arn)["containers"]
    agent = {"name": "ExecuteCommandAgent", "lastStatus": "RUNNING", "lastStartedAt": 2.0}
    assert container["managedAgents"] == [agent]
    answer = cloud("ExecuteCommand", cluster="c", command="sh", interactive=True, task=arn)
    assert answer["containerArn"] == container["containerArn"]
    session = answer["session"]
    assert session["streamUrl"] == (
        "wss://ssmmessages.ap-northeast-1.amazonaws.com/v1/data-channel/"
        f"{session['sessionId']}?role=publish_subscribe"
    )
    assert refused(interactive=False)[1] == "Interactive is the only mode supported currently."
    assert refused(task="0" * 32)[1] == "The referenced task was not found."
    assert refused(container="other")[0] == "InvalidParameterException"
    (plain,) = cloud.run_task()
    cloud.run(plain)
    code, message = refused(task=plain["taskArn"])
    assert code == "InvalidParameterException"
    assert message.startswith("The execute command failed because execute command was not enabled")
    assert "managedAgents" not in cloud.task(plain["taskArn"])["containers"][0]


def test_a_service_gives_its_tasks_the_agent(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="valid taskRoleArn"):
        cloud.serve(enableExecuteCommand=True)
    cloud.define(taskRoleArn=ROLE)
    assert cloud.serve(enableExecuteCommand=True)["enableExecuteCommand"]
    cloud.schedule()
    assert all(task["enableExecuteCommand"] for task in cloud.tasks())
    cloud("UpdateService", cluster="c", service="web", enableExecuteCommand=False)
    assert not cloud.service()["enableExecuteCommand"]
    assert len(cloud.service()["deployments"]) == 1


def test_ec2_is_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(AwsError) as refused:
        cloud.run_task(launchType="EC2")
    assert "launchType" in refused.value.message


def test_a_public_address_is_asked_of_ec2(cloud: Cloud) -> None:
    network = {"awsvpcConfiguration": {"subnets": cloud.subnets, "assignPublicIp": "ENABLED"}}
    cloud.run_task(networkConfiguration=network)
    (interface,) = interfaces(cloud)
    assert interface["Association"]["PublicIp"].startswith("198.19.")
    assert interface["Description"].startswith(
        "arn:aws:ecs:ap-northeast-1:123456789012:attachment/"
    )
