"""CloudFormation over HTTP: boto3 and aws-cli against the gateway, with the stack reconciler."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api.conftest import Endpoint

from hiyoko.reconcile.stacks import StackReconciler

EVERY_S = {"Delay": 1}

BODY = """
Parameters: {Cidr: {Type: String, Default: 10.7.0.0/16}}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Vpc, CidrBlock: !Select [0, !Cidr [!Ref Cidr, 1, 8]]}
Outputs:
  SubnetId: {Value: !Ref Subnet}
"""


@contextmanager
def reconciling(endpoint: Endpoint) -> Iterator[None]:
    """The stack reconciler, woken by commits, as the daemon's loop does it."""
    reconciler = StackReconciler(endpoint.store)
    running = threading.Event()
    running.set()

    async def activate() -> None:
        await reconciler.activate()

    def wake(_: frozenset[str]) -> None:
        if running.is_set():
            endpoint.loop.call_soon_threadsafe(lambda: asyncio.ensure_future(activate()))

    endpoint.store.watch(wake)
    try:
        yield
    finally:
        running.clear()


def test_boto3_creates_reads_and_deletes_a_stack(endpoint: Endpoint) -> None:
    client = endpoint.client("cloudformation")
    with reconciling(endpoint):
        client.create_stack(StackName="boto", TemplateBody=BODY)
        client.get_waiter("stack_create_complete").wait(StackName="boto", WaiterConfig=EVERY_S)
        stack = client.describe_stacks(StackName="boto")["Stacks"][0]
        assert stack["Outputs"][0]["OutputValue"].startswith("subnet-")
        assert stack["CreationTime"].year >= 2020
        pages = client.get_paginator("describe_stack_events").paginate(StackName="boto")
        events = [event for page in pages for event in page["StackEvents"]]
        assert (len(events), events[0]["ResourceStatus"]) == (8, "CREATE_COMPLETE")
        assert client.get_template(StackName="boto")["TemplateBody"] == BODY
        client.delete_stack(StackName="boto")
        client.get_waiter("stack_delete_complete").wait(StackName="boto", WaiterConfig=EVERY_S)


def test_aws_cli_deploys_twice_and_finds_no_change(endpoint: Endpoint, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(BODY)
    command = [
        str(Path(sys.executable).with_name("aws")), "--endpoint-url", endpoint.url,
        "cloudformation", "deploy", "--stack-name", "cli", "--template-file", str(template),
        "--no-fail-on-empty-changeset",
    ]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
    }
    with reconciling(endpoint):
        first = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert first.returncode == 0, first.stderr
        again = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert again.returncode == 0, again.stderr
        assert "No changes to deploy" in again.stdout
