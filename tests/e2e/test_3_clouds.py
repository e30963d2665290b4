"""Two clouds beside each other; AWS as a target; ports, reset, bad input."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Cloud, free_port

SITE = "examples/2-https/site.yaml"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Cloud]:
    """A second cloud, which stands in for AWS."""
    made = Cloud(tmp_path / "other", free_port(), free_port())
    made.hiyoko("cloud", "start")
    yield made
    made.hiyoko("cloud", "stop")


def test_target_aws_uses_the_credential_chain_and_never_falls_back(
    cloud: Cloud, other: Cloud
) -> None:
    refused = cloud.run("up", "--yes", "--target", "aws", SITE, env={"HOME": "/nonexistent"})
    assert refused.returncode == 1
    assert "no AWS credentials" in refused.stderr
    credentials = {
        "AWS_ENDPOINT_URL": other.endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    cloud.hiyoko("up", "--yes", "--no-prove", "--target", "aws", SITE, env=credentials)
    assert "not deployed on local" in cloud.run("status", SITE).stderr
    assert json.loads(other.hiyoko("check", "--json", SITE))["ok"]
    cloud.hiyoko("down", "--yes", "--target", "aws", SITE, env=credentials)


def test_reset_empties_everything(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    ec2.create_vpc(CidrBlock="10.9.0.0/16")
    cloud.hiyoko("cloud", "reset")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.9.0.0/16"]}])
    assert not vpcs["Vpcs"]


def test_a_port_taken_by_another_program_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = Cloud(tmp_path, port, free_port()).run("cloud", "start")
    assert refused.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in refused.stderr
    assert "--api-port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_image_that_does_not_exist_ends_in_one_clear_message(
    cloud: Cloud, tmp_path: Path
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        "name: no-image\nservices:\n  web:\n    image: docker.io/library/no-such-image\n"
        "    deploy: {replicas: 1}\n"
    )
    refused = cloud.run("up", "--yes", str(site))
    assert refused.returncode == 1
    assert "CannotPullContainerError" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    # What is left can only be removed; `up` asks, and goes on.
    asked = cloud.run("up", str(site))
    assert asked.returncode == 1
    assert "is ROLLBACK_COMPLETE" in asked.stdout
    assert "say --yes" in asked.stderr
    site.write_text(site.read_text().replace("no-such-image", "nginx"))
    assert "CREATE_COMPLETE" in cloud.hiyoko("up", "--yes", str(site))
    cloud.hiyoko("down", "--yes", str(site))


def test_stop_and_start_keep_what_was_made(cloud: Cloud) -> None:
    zone = cloud.client("route53").create_hosted_zone(Name="kept.jp", CallerReference="1")
    cloud.hiyoko("cloud", "stop")
    assert cloud.run("cloud", "status").returncode == 1
    cloud.hiyoko("cloud", "start")
    found = cloud.client("route53").get_hosted_zone(Id=zone["HostedZone"]["Id"])
    assert found["HostedZone"]["Name"] == "kept.jp."
