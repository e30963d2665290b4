"""ECS through its operations, with the real ec2 and elbv2 beside it."""

from typing import Any

import pytest
from tests.api.ecs_cloud import CONTAINER, ROLE, Cloud

from hiyoko.api import AwsError
from hiyoko.services.ecs.seen import ContainerSeen


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


def refusal(cloud: Cloud, name: str, /, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as refused:
        cloud(name, **request)
    return refused.value.code, refused.value.message


def define_refusal(cloud: Cloud, **changes: Any) -> str:
    with pytest.raises(AwsError) as refused:
        cloud.define(**changes)
    return refused.value.message


# Clusters.


def test_the_same_cluster_name_returns_the_first_cluster(cloud: Cloud) -> None:
    first = cloud("CreateCluster", clusterName="c")["cluster"]
    assert first["status"] == "ACTIVE"
    assert cloud("ListClusters")["clusterArns"] == [first["clusterArn"]]


def test_a_deleted_cluster_is_inactive_and_not_listed(cloud: Cloud) -> None:
    assert cloud("DeleteCluster", cluster="c")["cluster"]["status"] == "INACTIVE"
    assert cloud("ListClusters")["clusterArns"] == []
    assert cloud("DescribeClusters", clusters=["c", "x"])["failures"] == [
        {"arn": "arn:aws:ecs:ap-northeast-1:123456789012:cluster/x", "reason": "MISSING"}
    ]
    assert refusal(cloud, "ListTasks", cluster="c") == (
        "ClusterNotFoundException",
        "Cluster not found.",
    )


def test_a_cluster_with_a_task_or_a_service_is_not_deleted(cloud: Cloud) -> None:
    (task,) = cloud.run_task()
    cloud("StopTask", cluster="c", task=task["taskArn"])
    code, _ = refusal(cloud, "DeleteCluster", cluster="c")
    assert code == "ClusterContainsTasksException"
    cloud.serve()
    code, _ = refusal(cloud, "DeleteCluster", cluster="c")
    assert code == "ClusterContainsServicesException"


def test_a_cluster_says_where_sessions_are_logged(cloud: Cloud) -> None:
    def described() -> dict[str, Any]:
        (shown,) = cloud("DescribeClusters", clusters=["c"], include=["CONFIGURATIONS"])["clusters"]
        return dict(shown.get("configuration") or {})

    def wanted(**configuration: Any) -> dict[str, Any]:
        given = {"executeCommandConfiguration": configuration}
        return {"cluster": "c", "configuration": given}

    assert described() == {}
    cloud("UpdateCluster", **wanted(logging="NONE"))
    assert described() == {"executeCommandConfiguration": {"logging": "NONE"}}
    log = {"cloudWatchLogGroupName": "/sessions"}
    shown = cloud("UpdateCluster", **wanted(logging="OVERRIDE", logConfiguration=log))["cluster"]
    (group,) = shown["configuration"].values()
    assert group["logConfiguration"]["cloudWatchLogGroupName"] == "/sessions"
    assert described() == shown["configuration"]
    cloud("UpdateCluster", cluster="c", serviceConnectDefaults={"namespace": "shop"})
    assert described() == shown["configuration"]
    for refused, told in (
        ({"kmsKeyId": "k"}, "executeCommandConfiguration.kmsKeyId"),
        ({"logging": "OVERRIDE"}, "OVERRIDE"),
        ({"logging": "NONE", "logConfiguration": log}, "OVERRIDE"),
        ({"logging": "OVERRIDE", "logConfiguration": {"s3BucketName": "b"}}, "s3BucketName"),
    ):
        assert told in refusal(cloud, "UpdateCluster", **wanted(**refused))[1]
    storage = {"managedStorageConfiguration": {"kmsKeyId": "k"}}
    _, message = refusal(cloud, "CreateCluster", clusterName="d", configuration=storage)
    assert "managedStorageConfiguration" in message


# Task definitions.


def test_revisions_count_up_and_are_never_used_twice(cloud: Cloud) -> None:
    assert cloud.define().endswith(":2")
    cloud("DeregisterTaskDefinition", taskDefinition="app:2")
    cloud("DeleteTaskDefinitions", taskDefinitions=["app:2"])
    assert cloud.define().endswith(":3")
    assert refusal(cloud, "DescribeTaskDefinition", taskDefinition="app:2") == (
        "ClientException",
        "Unable to describe task definition.",
    )


def test_a_family_means_its_newest_active_revision(cloud: Cloud) -> None:
    cloud.define()
    cloud("DeregisterTaskDefinition", taskDefinition="app:2")
    shown = cloud("DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    assert shown["revision"] == 1
    assert shown["containerDefinitions"][0]["portMappings"] == [
        {"containerPort": 80, "hostPort": 80, "protocol": "tcp"}
    ]


def test_what_was_described_can_be_registered_again(cloud: Cloud) -> None:
    shown = cloud("DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    assert cloud.define(containerDefinitions=shown["containerDefinitions"]).endswith(":2")


def test_a_definition_in_use_outlives_its_deletion(cloud: Cloud) -> None:
    cloud.run_task()
    cloud("DeregisterTaskDefinition", taskDefinition="app:1")
    (deleted,) = cloud("DeleteTaskDefinitions", taskDefinitions=["app:1"])["taskDefinitions"]
    assert deleted["status"] == "DELETE_IN_PROGRESS"
    shown = cloud("DescribeTaskDefinition", taskDefinition="app:1")["taskDefinition"]
    assert shown["status"] == "DELETE_IN_PROGRESS"


def test_an_active_definition_is_not_deleted(cloud: Cloud) -> None:
    answer = cloud("DeleteTaskDefinitions", taskDefinitions=["app:1"])
    assert answer["taskDefinitions"] == []
    assert answer["failures"][0]["reason"] == "InvalidParameterException"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"memory": "4096"},
            "No Fargate configuration exists for given values: 256 CPU, 4096 memory. See the"
            " Amazon ECS documentation for the valid values.",
        ),
        ({"cpu": None}, "Fargate requires that 'cpu' be defined at the task level."),
        ({"memory": None}, "Fargate requires that 'memory' be defined at the task level."),
        (
            {"networkMode": "bridge"},
            "Fargate only supports network mode \u2018awsvpc\u2019.",
        ),
        ({"containerDefinitions": []}, "Container list cannot be empty."),
        (
            {"containerDefinitions": [{**CONTAINER, "essential": False}]},
            "Task definition doesn't have any essential container.",
        ),
        (
            {
                "containerDefinitions": [
                    {**CONTAINER, "portMappings": [{"containerPort": 80, "hostPort": 81}]}
                ]
            },
            "When networkMode=awsvpc, the host ports and container ports in port mappings must"
            " match.",
        ),
        (
            {
                "containerDefinitions": [
                    {**CONTAINER, "image": "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/a"}
                ]
            },
            "Fargate requires task definition to have execution role ARN to support ECR images.",
        ),
        (
            {
                "containerDefinitions": [
                    {
                        **CONTAINER,
                        "dependsOn": [{"containerName": "db", "condition": "START"}],
                    }
                ]
            },
            "Cannot depend on container + 'db' because it does not exist",
        ),
    ],
)
def test_fargate_refuses_a_definition_in_aws_words(
    cloud: Cloud, changes: dict[str, Any], text: str
) -> None:
    assert define_refusal(cloud, **changes) == text


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("disableNetworking", True),
        ("repositoryCredentials", {"credentialsParameter": "arn"}),
    ],
)
def test_a_container_feature_that_does_nothing_is_refused_by_name(
    cloud: Cloud, member: str, value: object
) -> None:
    message = define_refusal(cloud, containerDefinitions=[{**CONTAINER, member: value}])
    assert message == f"hiyoko does not implement containerDefinitions.{member}."


FULL = {
    **CONTAINER,
    "environment": [],
    "secrets": [{"name": "PASSWORD", "valueFrom": "/app/password"}],
    "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::config/app.env"}],
    "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": True}],
    "ulimits": [{"name": "core", "softLimit": 0, "hardLimit": -1}],
    "systemControls": [{"namespace": "net.core.somaxconn", "value": "512"}],
    "linuxParameters": {
        "initProcessEnabled": True,
        "capabilities": {"add": ["SYS_PTRACE"], "drop": ["NET_RAW"]},
    },
    "interactive": True,
    "pseudoTerminal": False,
    "startTimeout": 30,
    "versionConsistency": "enabled",
    "restartPolicy": {"enabled": True, "ignoredExitCodes": [0, 3], "restartAttemptPeriod": 60},
}


def test_what_a_container_is_given_is_shown_again(cloud: Cloud) -> None:
    cloud.define(containerDefinitions=[FULL], volumes=[{"name": "data"}], executionRoleArn=ROLE)
    shown = cloud("DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    assert shown["volumes"] == [{"name": "data", "host": {}}]
    (container,) = shown["containerDefinitions"]
    for name in FULL.keys() - CONTAINER.keys():
        assert container[name] == FULL[name]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"mountPoints": [{"sourceVolume": "none", "containerPath": "/x"}]},
            "Unknown volume 'none'.",
        ),
        (
            {"volumesFrom": [{"sourceContainer": "none"}]},
            "Unknown source container 'none' in volumesFrom.",
        ),
        (
            {"environment": [{"name": "PASSWORD", "value": "x"}]},
            "The secret name must be unique and not shared with any new or existing environment"
            " variables set on the container, such as 'PASSWORD'.",
        ),
        (
            {"linuxParameters": {"capabilities": {"add": ["NET_ADMIN"]}}},
            "Fargate compatible task definitions can add only the SYS_PTRACE capability",
        ),
        (
            {"linuxParameters": {"sharedMemorySize": 64}},
            "Fargate compatible task definitions do not support sharedMemorySize",
        ),
        (
            {"systemControls": [{"namespace": "kernel.panic", "value": "1"}]},
            "Invalid system control kernel.panic: it belongs to no namespace.",
        ),
        (
            {"startTimeout": 121},
            "Tasks using the Fargate launch type must have a container start timeout between 2 and"
            " 120 seconds.",
        ),
        (
            {"restartPolicy": {"enabled": True, "restartAttemptPeriod": 59}},
            "The restartAttemptPeriod must be between 60 and 1800 seconds.",
        ),
        (
            {"ulimits": [{"name": "core", "softLimit": 2, "hardLimit": 1}]},
            "Invalid ulimit core: the soft limit is higher than the hard limit.",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    cloud: Cloud, changes: dict[str, Any], text: str
) -> None:
    told = define_refusal(
        cloud,
        containerDefinitions=[FULL | changes],
        volumes=[{"name": "data"}],
        executionRoleArn=ROLE,
    )
    assert told == text


TRACING = {
    "name": "web",
    "image": "nginx",
    "linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"]}},
}


def test_the_task_s_own_settings_are_shown_by_the_definition_and_the_task(cloud: Cloud) -> None:
    platform = {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}
    storage = {"sizeInGiB": 30}
    cloud.define(pidMode="task", ephemeralStorage=storage, runtimePlatform=platform)
    shown = cloud("DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    assert (shown["pidMode"], shown["ephemeralStorage"]) == ("task", storage)
    assert shown["runtimePlatform"] == platform
    (first,) = cloud.run_task()
    assert first["attributes"] == [{"name": "ecs.cpu-architecture", "value": "arm64"}]
    assert first["ephemeralStorage"] == first["fargateEphemeralStorage"] == storage
    (second,) = cloud.run_task(overrides={"ephemeralStorage": {"sizeInGiB": 40}})
    assert second["ephemeralStorage"] == second["overrides"]["ephemeralStorage"]
    assert second["ephemeralStorage"] == {"sizeInGiB": 40}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"pidMode": "host"},
            "Fargate compatible task definitions do not support pidMode host",
        ),
        (
            {"pidMode": "task", "containerDefinitions": [TRACING]},
            "hiyoko does not implement containerDefinitions.linuxParameters.capabilities.add="
            "'SYS_PTRACE with pidMode task'.",
        ),
        ({"ephemeralStorage": {"sizeInGiB": 20}}, "EphemeralStorage size should be at least 21."),
        ({"ephemeralStorage": {"sizeInGiB": 201}}, "EphemeralStorage size should be at most 200."),
    ],
)
def test_a_setting_of_the_task_that_fargate_does_not_take_is_refused(
    cloud: Cloud, changes: dict[str, Any], text: str
) -> None:
    assert define_refusal(cloud, **changes) == text


AWSLOGS = {
    "awslogs-group": "/app",
    "awslogs-region": "ap-northeast-1",
    "awslogs-stream-prefix": "ecs",
}


@pytest.mark.parametrize(
    ("driver", "options", "text"),
    [
        (
            "json-file",
            {},
            "json-file is not a valid log driver. Must be one of [awslogs,splunk,awsfirelens]",
        ),
        (
            "splunk",
            {},
            "hiyoko does not implement containerDefinitions.logConfiguration.logDriver='splunk'.",
        ),
        (
            "awsfirelens",
            {"log-driver-buffer-limit": "536870912"},
            "Invalid value for log option log-driver-buffer-limit: 536870912. It must be greater"
            " than or equal to 0 and less than 536870912.",
        ),
        (
            "awsfirelens",
            {},
            "When awsfirelens log driver is specified in log configuration, a firelens"
            " configuration object must be configured in one of the containers.",
        ),
        (
            "awslogs",
            AWSLOGS | {"awslogs-endpoint": "x"},
            "Log driver awslogs disallows options: awslogs-endpoint",
        ),
        (
            "awslogs",
            {"awslogs-region": "ap-northeast-1"},
            "Log driver awslogs requires options: awslogs-region, awslogs-group",
        ),
        (
            "awslogs",
            AWSLOGS | {"awslogs-datetime-format": "%Y", "awslogs-multiline-pattern": "^x"},
            "You cannot configure log opt 'awslogs-datetime-format' and"
            " 'awslogs-multiline-pattern' at the same time.",
        ),
        (
            "awslogs",
            AWSLOGS | {"mode": "async"},
            "Invalid value for log option mode: async. Valid values are blocking and non-blocking.",
        ),
        (
            "awslogs",
            AWSLOGS | {"max-buffer-size": "much"},
            "Invalid value for log option max-buffer-size: much.",
        ),
    ],
)
def test_a_log_configuration_that_cannot_be_is_refused(
    cloud: Cloud, driver: str, options: dict[str, str], text: str
) -> None:
    container = {**CONTAINER, "logConfiguration": {"logDriver": driver, "options": options}}
    assert define_refusal(cloud, containerDefinitions=[container], executionRoleArn=ROLE) == text


def test_secrets_need_a_role_that_may_read_them(cloud: Cloud) -> None:
    container = {**CONTAINER, "secrets": FULL["secrets"]}
    assert define_refusal(cloud, containerDefinitions=[container], executionRoleArn="") == (
        "Fargate requires task definition to have execution role ARN to support secrets."
    )


def test_sizes_may_be_given_in_vcpu_and_gb(cloud: Cloud) -> None:
    cloud.define(cpu=".5 vCPU", memory="1 GB")
    shown = cloud("DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    assert (shown["cpu"], shown["memory"]) == ("512", "1024")


def test_awslogs_needs_an_execution_role(cloud: Cloud) -> None:
    logs = {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "g",
            "awslogs-region": "ap-northeast-1",
            "awslogs-stream-prefix": "p",
        },
    }
    containers = [{**CONTAINER, "logConfiguration": logs}]
    assert "execution role ARN to support log driver awslogs" in define_refusal(
        cloud, containerDefinitions=containers
    )
    cloud.define(containerDefinitions=containers, executionRoleArn=ROLE)


def test_definitions_are_listed_by_family_and_number(cloud: Cloud) -> None:
    cloud.define()
    cloud.define(family="api")
    arns = cloud("ListTaskDefinitions")["taskDefinitionArns"]
    assert [arn.rsplit("/", 1)[-1] for arn in arns] == ["api:1", "app:1", "app:2"]
    page = cloud("ListTaskDefinitions", sort="DESC", maxResults=1)
    assert page["taskDefinitionArns"][0].endswith("app:2")
    page = cloud("ListTaskDefinitions", sort="DESC", nextToken=page["nextToken"])
    assert page["taskDefinitionArns"][0].endswith("app:1")
    assert cloud("ListTaskDefinitionFamilies", familyPrefix="ap")["families"] == ["api", "app"]


# Tasks.


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


def test_a_client_token_starts_tasks_once(cloud: Cloud) -> None:
    (first,) = cloud.run_task(clientToken="t")
    (second,) = cloud.run_task(clientToken="t")
    assert first["taskArn"] == second["taskArn"]


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


# Tags.


def test_tags_of_every_kind_of_resource(cloud: Cloud) -> None:
    (task,) = cloud.run_task(tags=[{"key": "a", "value": "1"}])
    service = cloud.serve()
    for arn in (
        task["taskArn"],
        task["clusterArn"],
        task["taskDefinitionArn"],
        service["serviceArn"],
    ):
        cloud("TagResource", resourceArn=arn, tags=[{"key": "b", "value": "2"}])
        cloud("UntagResource", resourceArn=arn, tagKeys=["a"])
        answer = cloud("ListTagsForResource", resourceArn=arn)
        assert answer["tags"] == [{"key": "b", "value": "2"}]


# Services: what is checked.


def test_the_same_service_is_returned_and_another_is_refused(cloud: Cloud) -> None:
    first = cloud.serve()
    assert cloud.serve()["serviceArn"] == first["serviceArn"]
    with pytest.raises(AwsError) as refused:
        cloud.serve(desiredCount=3)
    assert refused.value.message == "Creation of service was not idempotent."


def test_a_target_group_without_a_listener_is_refused(cloud: Cloud) -> None:
    group = cloud.target_group(attached=False)
    with pytest.raises(AwsError) as refused:
        cloud.serve(loadBalancers=[balancer(group)])
    assert refused.value.message == (
        f"The target group with targetGroupArn {group} does not have an associated load balancer."
    )


def balancer(group: str, container: str = "web", port: int = 80) -> dict[str, Any]:
    return {"targetGroupArn": group, "containerName": container, "containerPort": port}


def test_a_load_balancer_names_a_real_container_and_port(cloud: Cloud) -> None:
    group = cloud.target_group()
    with pytest.raises(AwsError) as refused:
        cloud.serve(loadBalancers=[balancer(group, "db")])
    assert refused.value.message == "The container db does not exist in the task definition."
    with pytest.raises(AwsError) as refused:
        cloud.serve(loadBalancers=[balancer(group, port=81)])
    assert refused.value.message == "The container web did not have a container port 81 defined."


def test_a_service_above_zero_is_deleted_only_by_force(cloud: Cloud) -> None:
    cloud.serve()
    assert refusal(cloud, "DeleteService", cluster="c", service="web") == (
        "InvalidParameterException",
        "The service cannot be stopped while it is scaled above 0.",
    )
    answer = cloud("DeleteService", cluster="c", service="web", force=True)["service"]
    assert (answer["status"], answer["desiredCount"]) == ("DRAINING", 0)
    assert cloud("ListServices", cluster="c")["serviceArns"] == []
    assert refusal(cloud, "UpdateService", cluster="c", service="web")[0] == (
        "ServiceNotActiveException"
    )
    assert refusal(cloud, "UpdateService", cluster="c", service="no") == (
        "ServiceNotFoundException",
        "Service not found.",
    )
