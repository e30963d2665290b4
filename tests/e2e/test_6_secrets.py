"""Secrets stay where they belong: a site full of them, then everything that others may read."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bench.remains import below
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.e2e.conftest import Cloud, free_port, until

from hiyoko.plane.containers.directory import TaskDirectory
from hiyoko.plane.world import World

SITE = "examples/2-https/site.yaml"
CLIENT_SECRET = "client-secret-4f1c9a"
SECRETS = {
    "secretsmanager": "manager-secret-8d20b7",
    "ssm": "parameter-secret-c55e31",
    "oidc": CLIENT_SECRET,
    "header": "bearer-secret-0b7a92",
}
TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}
KEYS = "wget -qO /keys http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; sleep 600"


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud whose daemon tells all, in a directory that everybody may enter."""
    state = tmp_path_factory.mktemp("state")
    state.chmod(0o755)
    cloud = Cloud(state, free_port(), free_port())
    cloud.hiyoko("cloud", "start", env={"HIYOKO_LOG": "DEBUG"})
    try:
        cloud.hiyoko("up", "--yes", SITE)
        yield cloud
    finally:
        cloud.hiyoko("cloud", "stop")


@pytest.fixture(scope="module")
def found(talkative: Cloud) -> dict[str, str]:
    """The secrets of the cloud, by what they are; each has been put to use."""
    cloud = talkative
    return (
        SECRETS
        | {"private key": import_certificate(cloud)}
        | {"registry token": registry_token(cloud)}
        | log_in_at_the_balancer(cloud)
        | run_a_task(cloud)
    )


def import_certificate(cloud: Cloud) -> str:
    """A key of the user's own, once for a certificate that it does not fit."""
    acm = cloud.client("acm")
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    arn = acm.list_certificates()["CertificateSummaryList"][0]["CertificateArn"]
    certificate = acm.get_certificate(CertificateArn=arn)["Certificate"]
    with pytest.raises(acm.exceptions.ClientError):
        acm.import_certificate(Certificate=certificate.encode(), PrivateKey=key)
    return key.decode().splitlines()[2]


def registry_token(cloud: Cloud) -> str:
    data = cloud.client("ecr").get_authorization_token()["authorizationData"][0]
    return base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]


def log_in_at_the_balancer(cloud: Cloud) -> dict[str, str]:
    """A rule that asks for a login, and a request with a password."""
    elbv2 = cloud.client("elbv2")
    balancer = elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = elbv2.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    https = next(each for each in listeners if each["Protocol"] == "HTTPS")
    elbv2.create_rule(
        ListenerArn=https["ListenerArn"],
        Priority=7,
        Conditions=[{"Field": "path-pattern", "Values": ["/private"]}],
        Actions=[
            {
                "Type": "authenticate-oidc",
                "Order": 1,
                "AuthenticateOidcConfig": {
                    "Issuer": "https://login.example.com",
                    "AuthorizationEndpoint": "https://login.example.com/authorize",
                    "TokenEndpoint": "https://login.example.com/token",
                    "UserInfoEndpoint": "https://login.example.com/me",
                    "ClientId": "client",
                    "ClientSecret": CLIENT_SECRET,
                },
            },
            {**https["DefaultActions"][0], "Order": 2},
        ],
    )
    url = "https://hello-aws.my-project.jp/private"
    header = f"Authorization: Bearer {SECRETS['header']}"
    assert until(lambda: "302" in cloud.curl(url, "-i", "-H", header)[1])
    cookies = (talkative_ca(cloud) / "balancer-cookies.key").read_bytes()
    return {"cookie key": base64.b64encode(cookies).decode()}


def talkative_ca(cloud: Cloud) -> Path:
    return cloud.state_dir / "ca"


def run_a_task(cloud: Cloud) -> dict[str, str]:
    """A task with a secret, a parameter and a role; the role's keys, as the task got them."""
    manager, ssm, iam, ecs = map(cloud.client, ("secretsmanager", "ssm", "iam", "ecs"))
    secret = manager.create_secret(Name="s", SecretString=SECRETS["secretsmanager"])["ARN"]
    with pytest.raises(manager.exceptions.ResourceExistsException):
        manager.create_secret(Name="s", SecretString=SECRETS["secretsmanager"])
    ssm.put_parameter(Name="/p", Type="SecureString", Value=SECRETS["ssm"])
    with pytest.raises(ssm.exceptions.ParameterAlreadyExists):
        ssm.put_parameter(Name="/p", Type="SecureString", Value=SECRETS["ssm"])
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(TRUST))
    cluster = ecs.list_clusters()["clusterArns"][0]
    service = ecs.describe_services(
        cluster=cluster, services=ecs.list_services(cluster=cluster)["serviceArns"]
    )["services"][0]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
    known = definition["taskDefinition"]
    ecs.register_task_definition(
        family="secretive",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        taskRoleArn=role["Role"]["Arn"],
        executionRoleArn=known.get("executionRoleArn", role["Role"]["Arn"]),
        containerDefinitions=[
            {
                "name": "web",
                "image": known["containerDefinitions"][0]["image"],
                "entryPoint": ["sh", "-c"],
                "command": [KEYS],
                "secrets": [
                    {"name": "MANAGED", "valueFrom": secret},
                    {"name": "PARAMETER", "valueFrom": "/p"},
                ],
            }
        ],
    )
    task = ecs.run_task(
        cluster=cluster,
        taskDefinition="secretive",
        launchType="FARGATE",
        networkConfiguration=service["networkConfiguration"],
    )["tasks"][0]["taskArn"]
    directory = TaskDirectory(cloud.state_dir / "tasks" / task.rpartition("/")[2])
    files = directory.path / "web"
    world = World.load(cloud.state_dir / "run" / "world.json")
    assert world is not None

    def written() -> Path:
        """What the task writes is mounted in the world alone."""
        return Path(f"/proc/{world.init}/root{directory.writable}") / "web" / "upper" / "keys"

    assert until(lambda: written().exists() and written().stat().st_size), task
    keys = json.loads(written().read_text())
    assert SECRETS["secretsmanager"] in (files / "bundle" / "config.json").read_text()
    return {"role key": keys["SecretAccessKey"], "role token": keys["Token"]}


def holding(text: bytes, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret.encode() in text]


def readable(top: Path) -> dict[str, bytes]:
    """What is in the files that any user of this machine may read; some go while we look."""
    found: dict[str, bytes] = {}
    with suppress(FileNotFoundError), os.scandir(top) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) and mode & stat.S_IXOTH:
                    found |= readable(Path(entry.path))
                elif stat.S_ISREG(mode) and mode & stat.S_IROTH:
                    found[entry.path] = Path(entry.path).read_bytes()
    return found


def test_no_file_that_others_may_read_holds_one(talkative: Cloud, found: dict[str, str]) -> None:
    files = readable(talkative.state_dir)
    leaks = {path: holding(text, found) for path, text in files.items()}
    assert leaks
    assert not {path: names for path, names in leaks.items() if names}
    # The control: they are there, in files of the owner's alone.
    database = b"".join(path.read_bytes() for path in talkative.state_dir.glob("hiyoko.db*"))
    assert holding(database, found) == ["oidc"]


def test_no_log_holds_one(talkative: Cloud, found: dict[str, str]) -> None:
    state = talkative.state_dir
    logs = [path for path in below(state / "log") if path.is_file()]
    logs += [path for path in below(state / "run") if path.suffix == ".log"]
    assert "DEBUG" in (state / "log" / "daemon.log").read_text()
    leaks = {str(path): holding(path.read_bytes(), found) for path in logs}
    assert not {path: names for path, names in leaks.items() if names}


def test_no_answer_holds_one(talkative: Cloud, found: dict[str, str]) -> None:
    cloud = talkative
    ecs, cloudformation = cloud.client("ecs"), cloud.client("cloudformation")
    cluster = ecs.list_clusters()["clusterArns"][0]
    services = ecs.list_services(cluster=cluster)["serviceArns"]
    tasks = ecs.list_tasks(cluster=cluster)["taskArns"]
    stack = cloudformation.list_stacks()["StackSummaries"][0]["StackName"]
    elbv2 = cloud.client("elbv2")
    balancer = elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    answers: dict[str, Any] = {
        "status": cloud.hiyoko("status", "--json", SITE),
        "status in words": cloud.hiyoko("status", SITE),
        "map": cloud.hiyoko("map", "--json", SITE),
        "cloud": cloud.status(),
        "cloud in words": cloud.hiyoko("cloud", "status"),
        "logs": cloud.hiyoko("logs", "--json", "--file", SITE),
        "balancer": cloud.hiyoko("logs", "--alb", "--json", "--file", SITE),
        "services": ecs.describe_services(cluster=cluster, services=services)["services"],
        "tasks": ecs.describe_tasks(cluster=cluster, tasks=tasks)["tasks"],
        "events": cloudformation.describe_stack_events(StackName=stack)["StackEvents"],
        "rules": [
            elbv2.describe_rules(ListenerArn=each["ListenerArn"])["Rules"]
            for each in elbv2.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        ],
    }
    assert "/private" in str(answers["rules"])
    leaks = {name: holding(str(said).encode(), found) for name, said in answers.items()}
    assert not {name: names for name, names in leaks.items() if names}


def test_no_command_line_holds_one(talkative: Cloud, found: dict[str, str]) -> None:
    world = World.load(talkative.state_dir / "run" / "world.json")
    assert world is not None
    inside = Path(f"/proc/{world.init}/ns/pid").readlink()
    lines = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            nested = (path / "status").read_text().partition("NSpid:")[2].split("\n")[0].split()
            if (path / "ns" / "pid").readlink() == inside or len(nested) > 2:
                lines[path.name] = (path / "cmdline").read_bytes()
        except OSError:
            continue
    assert any(b"haproxy" in line for line in lines.values())
    leaks = {line: holding(line, found) for line in lines.values()}
    assert not {line: names for line, names in leaks.items() if names}
