"""FireLens in task definitions: what is taken, what is shown, what is refused, and a stack's."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.ecs_cloud import ROLE, Cloud
from tests.api.test_cloudformation import Cloud as Stacks

from hiyoko.api import AwsError

SECRET = {"name": "Passwd", "valueFrom": "arn:aws:ssm:ap-northeast-1:123456789012:parameter/p"}
OPTIONS = {
    "enable-ecs-log-metadata": "false",
    "config-file-type": "file",
    "config-file-value": "/extra.conf",
}
ROUTER = {
    "name": "log_router",
    "image": "fluent-bit",
    "firelensConfiguration": {"type": "fluentbit", "options": OPTIONS},
}
APP = {
    "name": "web",
    "image": "nginx",
    "logConfiguration": {
        "logDriver": "awsfirelens",
        "options": {"Name": "http", "Host": "logs.example.com", "log-driver-buffer-limit": "4096"},
        "secretOptions": [SECRET],
    },
}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


def test_a_log_router_and_whom_it_serves_are_shown_as_they_were_given(cloud: Cloud) -> None:
    cloud.define(containerDefinitions=[APP, ROUTER], executionRoleArn=ROLE)
    shown = cloud("DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    app, router = shown["containerDefinitions"]
    assert app["logConfiguration"] == APP["logConfiguration"]
    assert router["firelensConfiguration"] == ROUTER["firelensConfiguration"]
    assert router["user"] == "0"
    assert "user" not in app
    assert {one["name"] for one in shown["requiresAttributes"]} >= {
        "com.amazonaws.ecs.capability.logging-driver.awsfirelens",
        "ecs.capability.firelens.fluentbit",
        "ecs.capability.firelens.options.config.file",
    }


def test_output_that_is_routed_needs_no_execution_role_but_its_secrets_do(cloud: Cloud) -> None:
    configuration = {"logDriver": "awsfirelens"}
    cloud.define(containerDefinitions=[{**APP, "logConfiguration": configuration}, ROUTER])
    with pytest.raises(AwsError, match="execution role ARN to support secretOptions"):
        cloud.define(containerDefinitions=[APP, ROUTER])


def router(options: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    given = {} if options is None else {"options": options}
    return {**ROUTER, "firelensConfiguration": {"type": "fluentbit", **given}, **changes}


S3 = {"config-file-type": "s3", "config-file-value": "arn:aws:s3:::mine/fluent.conf"}


@pytest.mark.parametrize(
    ("containers", "text"),
    [
        (
            [ROUTER],
            "When a firelensConfiguration object is specified, at least one container has to be"
            " configured with the awsfirelens log driver.",
        ),
        (
            [APP, ROUTER, {**ROUTER, "name": "second"}],
            "Only one container can have a firelensConfiguration object.",
        ),
        (
            [APP, {**ROUTER, "logConfiguration": {"logDriver": "awsfirelens"}}],
            "Container log_router has a firelensConfiguration object: its own log driver cannot be"
            " awsfirelens.",
        ),
        (
            [APP, router(user="fluent")],
            "If 'user' field is specified on firelens container, then 'UID' has to be a number.",
        ),
        (
            [APP, router(S3)],
            "Tasks hosted on AWS Fargate only support the file configuration file type.",
        ),
        ([APP, router(S3 | {"config-file-value": "s3://mine/x"})], "Invalid arn syntax."),
        (
            [APP, router({"config-file-type": "url", "config-file-value": "x"})],
            "invalid value url is specified for option config-file-type",
        ),
        (
            [APP, router({"config-file-type": "file"})],
            "option config-file-type is specified but config-file-value is not specified",
        ),
        (
            [APP, router({"config-file-value": "/x"})],
            "option config-file-value is specified but config-file-type is not specified",
        ),
        (
            [APP, router({"config-file-type": "file", "config-file-value": "/x.yaml"})],
            "hiyoko does not implement containerDefinitions.firelensConfiguration.options."
            "config-file-value='/x.yaml'.",
        ),
        (
            [APP, router({"enable-ecs-log-metadata": "maybe"})],
            "Invalid value for option enable-ecs-log-metadata: maybe.",
        ),
        ([APP, router({"color": "red"})], "Invalid option color for firelensConfiguration."),
    ],
)
def test_what_cannot_be_routed_on_fargate_is_refused(
    cloud: Cloud, containers: list[dict[str, Any]], text: str
) -> None:
    with pytest.raises(AwsError) as refused:
        cloud.define(containerDefinitions=containers, executionRoleArn=ROLE)
    assert refused.value.message == text


TEMPLATE = """
Resources:
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: app
      Cpu: "256"
      Memory: "512"
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ExecutionRoleArn: arn:aws:iam::123456789012:role/execution
      ContainerDefinitions:
        - Name: log_router
          Image: fluent-bit
          FirelensConfiguration:
            Type: fluentbit
            Options: {enable-ecs-log-metadata: "true"}
        - Name: web
          Image: nginx
          LogConfiguration:
            LogDriver: awsfirelens
            Options: {Name: stdout}
            SecretOptions: [{Name: Passwd, ValueFrom: /p}]
"""


async def test_a_stack_defines_a_router() -> None:
    stacks = Stacks()
    stacks.call("cloudformation", "CreateStack", StackName="site", TemplateBody=TEMPLATE)
    await stacks.settle()
    assert stacks.reasons() == []
    shown = stacks.call("ecs", "DescribeTaskDefinition", taskDefinition="app")["taskDefinition"]
    router, app = shown["containerDefinitions"]
    assert router["firelensConfiguration"] == {
        "type": "fluentbit",
        "options": {"enable-ecs-log-metadata": "true"},
    }
    assert app["logConfiguration"] == {
        "logDriver": "awsfirelens",
        "options": {"Name": "stdout"},
        "secretOptions": [{"name": "Passwd", "valueFrom": "/p"}],
    }
    stacks.store.close()
