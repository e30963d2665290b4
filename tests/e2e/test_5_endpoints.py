"""VPCs without any way out: tasks reach the registry and its layers through endpoints alone."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Cloud
from tests.plane.registry_world import ECR, add_busybox

from hiyoko.plane.containers.blobs import Blobs

REGION = "ap-northeast-1"
STACK = "inside"
SERVICES = ("ecr.api", "ecr.dkr", "logs")
SITE = """
name: inner
domain: inner.my-project.jp
egress: endpoints
services:
  web:
    image: {image}
    command:
      - sh
      - -c
      - >
        echo from inside > /index.html; httpd -p 80 -h /;
        trap "exit 0" TERM; while :; do sleep 1; done
    healthcheck: {{interval: 5, timeout: 2}}
"""
TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}
NETWORK: dict[str, Any] = {
    "Vpc": {
        "Type": "AWS::EC2::VPC",
        "Properties": {"CidrBlock": "10.7.0.0/16", "EnableDnsHostnames": True},
    },
    "Subnet": {
        "Type": "AWS::EC2::Subnet",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.7.1.0/24"},
    },
    "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
    "Tie": {
        "Type": "AWS::EC2::SubnetRouteTableAssociation",
        "Properties": {"SubnetId": {"Ref": "Subnet"}, "RouteTableId": {"Ref": "Table"}},
    },
    "S3": {
        "Type": "AWS::EC2::VPCEndpoint",
        "Properties": {
            "VpcId": {"Ref": "Vpc"},
            "ServiceName": f"com.amazonaws.{REGION}.s3",
            "RouteTableIds": [{"Ref": "Table"}],
        },
    },
    "TaskGroup": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "tasks"},
    },
    "EndpointGroup": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "VpcId": {"Ref": "Vpc"},
            "GroupDescription": "endpoints",
            "SecurityGroupIngress": [
                {
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "SourceSecurityGroupId": {"Ref": "TaskGroup"},
                }
            ],
        },
    },
}


def endpoint(service: str) -> dict[str, Any]:
    return {
        "Type": "AWS::EC2::VPCEndpoint",
        "Properties": {
            "VpcId": {"Ref": "Vpc"},
            "VpcEndpointType": "Interface",
            "ServiceName": f"com.amazonaws.{REGION}.{service}",
            "SubnetIds": [{"Ref": "Subnet"}],
            "SecurityGroupIds": [{"Ref": "EndpointGroup"}],
            "PrivateDnsEnabled": True,
        },
    }


def template(*services: str) -> str:
    endpoints = {name.title().replace(".", ""): endpoint(name) for name in services}
    return json.dumps(
        {
            "Resources": NETWORK | endpoints,
            "Outputs": {
                **{
                    f"{name}Names": {
                        "Value": {"Fn::Join": [" ", {"Fn::GetAtt": [name, "DnsEntries"]}]}
                    }
                    for name in endpoints
                },
                "Subnet": {"Value": {"Ref": "Subnet"}},
                "Group": {"Value": {"Ref": "TaskGroup"}},
            },
        }
    )


def replace_endpoints(cloud: Cloud, *services: str) -> None:
    stacks = cloud.client("cloudformation")
    stacks.update_stack(StackName=STACK, TemplateBody=template(*services))
    stacks.get_waiter("stack_update_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})


def push_busybox(cloud: Cloud, directory: Path) -> str:
    """A busybox image in ECR, pushed as a user pushes; its name for a task."""
    repository = cloud.client("ecr").create_repository(repositoryName="app")["repository"]
    answer = cloud.client("ecr").get_authorization_token()["authorizationData"][0]
    credentials = base64.b64decode(answer["authorizationToken"]).decode()
    blobs = Blobs(directory / "made")
    image = add_busybox(blobs, ("sh", "-c", "echo came through the endpoint"))
    layout = directory / "layout"
    (layout / "blobs").mkdir(parents=True)
    (layout / "blobs" / "sha256").symlink_to(blobs.directory)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    size = len(blobs.read(image["digest"]))
    entry = {"mediaType": image["media_type"], "digest": image["digest"], "size": size}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    target = f"docker://127.0.0.1:{cloud.api_port}/app:1"
    push = ("skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", credentials)
    subprocess.run([*push, f"oci:{layout}", target], check=True, capture_output=True)
    return f"{repository['repositoryUri']}:1"


@pytest.fixture(scope="module")
def image(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    return push_busybox(cloud, tmp_path_factory.mktemp("image"))


@pytest.fixture
def inside(cloud: Cloud, image: str) -> Iterator[dict[str, str]]:
    """The network with its endpoints, and a task definition of a private image."""
    role = cloud.client("iam").create_role(
        RoleName="execution", AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    cloud.client("logs").create_log_group(logGroupName="app")
    cloud.client("ecs").create_cluster()
    cloud.client("ecs").register_task_definition(
        family="app",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=role,
        containerDefinitions=[
            {
                "name": "app",
                "image": image,
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "app",
                        "awslogs-region": REGION,
                        "awslogs-stream-prefix": "app",
                    },
                },
            }
        ],
    )
    stacks = cloud.client("cloudformation")
    stacks.create_stack(StackName=STACK, TemplateBody=template(*SERVICES))
    stacks.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    (stack,) = stacks.describe_stacks(StackName=STACK)["Stacks"]
    yield {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    stacks.delete_stack(StackName=STACK)
    stacks.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})


def run_task(cloud: Cloud, inside: dict[str, str]) -> dict[str, Any]:
    """Run the image to its end."""
    ecs = cloud.client("ecs")
    place = {"subnets": [inside["Subnet"]], "securityGroups": [inside["Group"]]}
    (task,) = ecs.run_task(
        taskDefinition="app",
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": place},
    )["tasks"]
    which = {"tasks": [task["taskArn"]]}
    ecs.get_waiter("tasks_stopped").wait(**which, WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    stopped: dict[str, Any] = ecs.describe_tasks(**which)["tasks"][0]
    return stopped


def test_a_private_image_comes_through_the_endpoint_and_without_it_not(
    cloud: Cloud, inside: dict[str, str]
) -> None:
    assert f"logs.{REGION}.amazonaws.com" in inside["LogsNames"]
    ran = run_task(cloud, inside)
    assert ran["containers"][0].get("exitCode") == 0, ran["stoppedReason"]
    events = cloud.client("logs").filter_log_events(logGroupName="app")["events"]
    assert [event["message"] for event in events] == ["came through the endpoint"]

    stopped = "dial tcp 198.18.0.80:443: i/o timeout"
    for missing, reason in {
        "ecr.dkr": rf"CannotPullContainerError: .* \"https://{ECR}/v2/app/manifests/1\": {stopped}",
        "ecr.api": rf"ResourceInitializationError: .*registry auth: .*{stopped}",
        "logs": "ResourceInitializationError: failed to validate logger args: .*CloudWatch",
    }.items():
        replace_endpoints(cloud, *(name for name in SERVICES if name != missing))
        assert re.match(reason, run_task(cloud, inside)["stoppedReason"])


@pytest.fixture
def site(cloud: Cloud, image: str, tmp_path: Path) -> str:
    """A site, up. It ends with the cloud."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE.format(image=image))
    assert "NatGateway" not in cloud.hiyoko("up", "--yes", str(path))
    return str(path)


def resources(cloud: Cloud) -> dict[str, str]:
    found = cloud.client("cloudformation").describe_stack_resources(StackName="inner")
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found["StackResources"]}


def test_a_site_without_a_way_out_serves_and_without_the_way_to_s3_starts_no_task(
    cloud: Cloud, site: str
) -> None:
    assert cloud.curl("https://inner.my-project.jp/") == (0, "from inside\n")
    proof = {
        r["name"]: r["ok"] for r in json.loads(cloud.hiyoko("check", "--json", site))["results"]
    }
    for name in ("endpoint of ecr.dkr", "endpoint of s3", "tasks have no way out"):
        assert proof[name]

    made, ec2, ecs = resources(cloud), cloud.client("ec2"), cloud.client("ecs")
    table = made["PrivateRouteTable"]
    ec2.modify_vpc_endpoint(VpcEndpointId=made["S3Endpoint"], RemoveRouteTableIds=[table])
    assert "has no route to it" in cloud.hiyoko("check", site, ok=False)
    (service,) = ecs.describe_services(cluster=made["Cluster"], services=["web"])["services"]
    (task,) = ecs.run_task(
        cluster=made["Cluster"],
        taskDefinition=service["taskDefinition"],
        launchType="FARGATE",
        networkConfiguration=service["networkConfiguration"],
    )["tasks"]
    which = {"cluster": made["Cluster"], "tasks": [task["taskArn"]]}
    ecs.get_waiter("tasks_stopped").wait(**which, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    host = f"prod-{REGION}-starport-layer-bucket.s3.{REGION}.amazonaws.com"
    reason = rf"CannotPullContainerError: .* Get \"https://{host}/.*: i/o timeout"
    assert re.match(reason, ecs.describe_tasks(**which)["tasks"][0]["stoppedReason"])
    assert cloud.curl("https://inner.my-project.jp/")[0] == 0
