"""Task definitions through the operations of ECS: what is kept, and what is refused."""

from typing import Any

import pytest
from tests.api.ecs_cloud import CONTAINER, ROLE, Cloud, define_refusal, refusal


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


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


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"memory": 1024},
            "The 'memory' setting for container 'web' is greater than for the task.",
        ),
        ({"cpu": 512}, "The 'cpu' setting for container 'web' is greater than for the task."),
        ({"cpu": -1}, "Invalid 'cpu' setting for container 'web'."),
        ({"memory": 5}, "Invalid 'memory' setting for container 'web': it must be at least 6 MiB."),
        (
            {"memory": 100, "memoryReservation": 200},
            "Invalid setting for container 'web'. 'memory' must be greater than or equal to"
            " 'memoryReservation'.",
        ),
        (
            {"portMappings": [{"containerPort": 65536}]},
            "Invalid containerPort 65536: it must be between 1 and 65535.",
        ),
        (
            {"portMappings": [{"containerPort": 80, "name": "Web"}]},
            "Invalid port mapping name Web.",
        ),
        (
            {"portMappings": [{"containerPort": p, "name": "web"} for p in (80, 81)]},
            "The port mapping name web is not unique.",
        ),
        (
            {"portMappings": [{"containerPort": 80, "appProtocol": "http"}]},
            "A port mapping with an appProtocol must have a name.",
        ),
        (
            {"stopTimeout": -1},
            "Tasks using the Fargate launch type must have a container stop timeout of less than"
            " 120 seconds.",
        ),
        (
            {"healthCheck": {"command": ["CMD"]}},
            "Health check command must start with CMD or CMD-SHELL.",
        ),
        *(
            (
                {"healthCheck": {"command": ["CMD", "true"], member: value}},
                f"Health check {member} must be between {low} and {high}, it is {value}.",
            )
            for member, value, low, high in (
                ("interval", 4, 5, 300),
                ("interval", 0, 5, 300),
                ("timeout", 61, 2, 60),
                ("retries", 11, 1, 10),
                ("startPeriod", 301, 0, 300),
            )
        ),
        (
            {"environment": [{"name": "", "value": "x"}]},
            "The name of an environment variable should not be null or empty.",
        ),
        (
            {"secrets": [{"name": "KEY", "valueFrom": ""}]},
            "The valueFrom of a secret should not be null or empty.",
        ),
    ],
)
def test_a_number_or_a_name_that_cannot_be_is_refused(
    cloud: Cloud, changes: dict[str, Any], text: str
) -> None:
    container = CONTAINER | changes
    assert define_refusal(cloud, containerDefinitions=[container], executionRoleArn=ROLE) == text


def test_containers_are_together_no_larger_than_their_task(cloud: Cloud) -> None:
    def two(**sizes: int) -> list[dict[str, Any]]:
        return [{"name": name, "image": "nginx", **sizes} for name in ("a", "b")]

    assert define_refusal(cloud, containerDefinitions=two(memory=300)) == (
        "The containers' 'memory' is together greater than the task's."
    )
    assert define_refusal(cloud, containerDefinitions=two(cpu=129)) == (
        "The containers' 'cpu' is together greater than the task's."
    )
    cloud.define(containerDefinitions=two(memory=300, memoryReservation=256, cpu=128))


def test_a_role_may_be_given_by_its_name(cloud: Cloud) -> None:
    cloud.define(taskRoleArn="execution", executionRoleArn="execution")
    shown = cloud("DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    assert (shown["taskRoleArn"], shown["executionRoleArn"]) == (ROLE, ROLE)
    assert cloud.run_task()


def test_what_is_switched_off_is_shown_so(cloud: Cloud) -> None:
    off = {"initProcessEnabled": False}
    cloud.define(containerDefinitions=[{**CONTAINER, "linuxParameters": off}])
    shown = cloud("DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    assert shown["containerDefinitions"][0]["linuxParameters"] == off
