"""Real containers: pulled over a task's own interface, run, watched, stopped."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from tests.plane.registry_world import (
    ACCOUNT,
    ECR,
    ECR_API,
    ENI,
    REGION,
    Driver,
    make_container,
    make_task,
    push,
    registry_world,
)

from hiyoko.blueprint.tasks import Identity, Mount, Task
from hiyoko.plane.containers import pull
from hiyoko.plane.containers.agent_protection import Refused, Wish
from hiyoko.plane.containers.cgroups import limits_enforced, remove_groups
from hiyoko.plane.containers.directory import ContainerDirectory, task_id
from hiyoko.plane.containers.plane import ContainerPlane
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run
from hiyoko.plane.ready import wait_end

IMAGE = f"{ECR}/app:1"
FOREVER = ("sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done")


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    async with registry_world(tmp_path) as world:
        driver = Driver(world)
        yield driver
        await driver.settle()
        await driver.plane.close()
        remove_groups(world.settings)


async def test_a_task_pulls_runs_stops_and_leaves_nothing(driver: Driver) -> None:
    digest = push(driver.world.store, driver.world.settings, "app", "1", FOREVER)
    task = make_task(1, make_container(IMAGE))
    running = await driver.until(task, "RUNNING")
    assert running.pid is not None
    assert driver.progress(task).images[0].digest == digest
    assert await driver.line(task, "ready")
    # Adopted by a plane that remembers nothing.
    await driver.plane.close()
    driver.restarted()
    again = await driver.settle(task)
    assert again.tasks[task_id(task.arn)].containers["web"] == running
    taken, _ = await driver.turn(replace(task, run=False))
    assert taken == [f"stop task {task_id(task.arn)}"]
    assert (await driver.exited(task)).exit_code == 3
    assert "bye" in await driver.line(task, "bye")
    await driver.settle(replace(task, run=False))
    assert list(driver.world.settings.task_dir.iterdir()) == []
    assert str(driver.world.settings.task_dir) not in await run("mount")
    assert task_id(task.arn) not in await run("ps", "axww")


async def test_a_pinned_image_is_pulled_by_its_digest(driver: Driver) -> None:
    store, settings = driver.world.store, driver.world.settings
    first = push(store, settings, "app", "1", ("sh", "-c", "echo first; sleep 60"))
    push(store, settings, "app", "1", ("sh", "-c", "echo second; sleep 60"))
    task = make_task(1, make_container(IMAGE, digest=first, stop_timeout_s=0))
    await driver.until(task, "RUNNING")
    assert await driver.line(task, "first|second") == "first"
    assert driver.progress(task).images[0].digest == first
    never = make_task(2, make_container(IMAGE, digest=f"sha256:{1:064x}"))
    await driver.settle(task, never)
    assert driver.progress(never).failure == (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to"
        f" resolve ref {IMAGE}@sha256:{1:064x}: {IMAGE}@sha256:{1:064x}: not found"
    )


async def test_what_ignores_the_signal_is_killed_after_its_time(driver: Driver) -> None:
    push(
        driver.world.store,
        driver.world.settings,
        "app",
        "1",
        ("sh", "-c", "trap '' TERM; echo ready; sleep 99"),
    )
    task = make_task(2, make_container(IMAGE, stop_timeout_s=1))
    await driver.until(task, "RUNNING")
    assert await driver.line(task, "ready")  # a signal before the trap is another test
    await driver.turn(replace(task, run=False))
    assert (await driver.exited(task)).exit_code == 137


async def test_an_exit_is_noticed_at_once_with_its_code(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", ("sh", "-c", "sleep 0.3; exit 42"))
    ended = await driver.until(make_task(3, make_container(IMAGE)), "STOPPED")
    assert ended.exit_code == 42
    assert ended.finished_at is not None


async def test_the_container_lives_in_the_tasks_network_and_identity(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", ())
    script = (
        "id; cat /etc/hosts /etc/resolv.conf /etc/hostname; ip -4 addr show eth0; echo $A;"
        " echo pwd=$PWD; ulimit -n; touch /x || echo denied; trap 'exit 0' TERM;"
        " while :; do sleep 0.05; done"
    )
    container = make_container(
        IMAGE, "sh", "-c", script, user="web", environment=(("A", "b c"),), working_directory="/etc"
    )
    task = make_task(4, container)
    await driver.until(task, "RUNNING")
    assert "uid=33(web) gid=33(web)" in await driver.line(task, "uid=")
    assert await driver.line(task, "10.0.0.5 ip-10-0-0-5.ap-northeast-1.compute.internal")
    assert await driver.line(task, "nameserver 10.0.0.2")
    assert await driver.line(task, "inet 10.0.0.5/24")
    assert await driver.line(task, "^b c$")
    assert await driver.line(task, "pwd=/etc")
    assert await driver.line(task, "denied")


async def test_without_a_route_the_pull_fails_as_on_aws(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "CONNECT_TIMEOUT_S", 0.5)
    push(driver.world.store, driver.world.settings, "app", "1", FOREVER)
    # The endpoint is out of reach, silently; the resolver is not.
    for command in (
        "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev eth0",
        "ip route add 198.18.0.0/15 via 10.0.0.9",
    ):
        await run(*command.split(), netns=ENI)
    task = make_task(5, make_container(IMAGE))
    await driver.settle(task)
    failure = driver.progress(task).failure
    assert failure == (
        "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull"
        " registry auth from Amazon ECR: There is a connection issue between the task and Amazon"
        " ECR. Check your task network configuration. RequestError: send request failed caused by:"
        f' Post "https://{ECR_API}/": dial tcp 198.18.0.80:443: i/o timeout'
    )
    public = make_task(6, make_container("nginx"))
    await driver.settle(public)
    assert driver.progress(public).failure == (
        "CannotPullContainerError: pull image manifest has been retried 2 time(s): failed to"
        " resolve ref docker.io/library/nginx:latest: failed to do request: Head"
        ' "https://registry-1.docker.io/v2/library/nginx/manifests/latest":'
        " dial tcp 198.18.0.80:443: i/o timeout"
    )


async def test_an_image_that_does_not_exist_is_not_found(driver: Driver) -> None:
    task = make_task(6, make_container("nonesuch"))
    await driver.settle(task)
    assert driver.progress(task).failure == (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to"
        " resolve ref docker.io/library/nonesuch:latest: docker.io/library/nonesuch:latest:"
        " not found"
    )


async def test_a_command_that_is_not_in_the_image_says_so(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", ())
    task = make_task(7, make_container(IMAGE, "nonesuch"))
    await driver.settle(task)
    assert 'exec: "nonesuch": executable file not found in $PATH' in driver.progress(task).failure


async def test_health_follows_the_check(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", FOREVER)
    container = make_container(
        IMAGE,
        health_command=("CMD-SHELL", "test -e /well"),
        health_interval_s=1,
        health_retries=1,
    )
    task = make_task(8, container)

    async def until(health: str) -> None:
        async with asyncio.timeout(30):
            while True:
                driver.woken.clear()
                seen = await driver.settle(task)
                if seen.tasks[task_id(task.arn)].containers["web"].health == health:
                    return
                await driver.woken.wait()

    await until("UNHEALTHY")
    root = driver.plane.directory(task.arn).container(task.arn, "web").rootfs
    (root / "well").touch()
    await until("HEALTHY")


async def test_a_container_waits_for_what_it_depends_on(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", FOREVER)
    init = make_container(IMAGE, "sh", "-c", "sleep 0.5; exit 0", name="init", essential=False)
    web = make_container(IMAGE, depends_on=(("init", "SUCCESS"),))
    task = make_task(9, init, web)
    seen = await driver.settle(task)
    assert "web" not in seen.tasks[task_id(task.arn)].containers
    async with asyncio.timeout(30):
        while "web" not in seen.tasks[task_id(task.arn)].containers:
            await driver.woken.wait()
            driver.woken.clear()
            seen = await driver.settle(task)
    assert seen.tasks[task_id(task.arn)].containers["init"].exit_code == 0
    assert await driver.line(task, "ready")


async def test_a_container_is_started_again_while_its_task_goes_on(driver: Driver) -> None:
    script = (
        "read n < /n || n=0; echo run $n; echo $((n + 1)) > /n; sleep 1.2; test $n = 2 && exit 3"
    )
    push(driver.world.store, driver.world.settings, "app", "1", ("sh", "-c", script))
    container = make_container(IMAGE, restart_period_s=1, restart_ignores=(3,))
    task = make_task(21, container)
    first = await driver.until(task, "RUNNING")
    async with asyncio.timeout(30):
        while (again := await driver.until(task, "RUNNING")).restarts == 0:
            await driver.woken.wait()
    # A daemon that starts anew in between neither loses nor repeats a restart.
    await driver.plane.close()
    driver.restarted()
    again = await driver.until(task, "RUNNING")
    assert again.restarts == 1
    assert again.first_started_at == first.started_at
    assert again.pid != first.pid
    # What the run before wrote is there, and the exit code that is ignored ends it.
    ended = await driver.until(task, "STOPPED")
    assert (ended.restarts, ended.exit_code) == (2, 3)
    assert await driver.line(task, "run 2")


async def test_containers_end_in_the_reverse_order_of_their_start(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", FOREVER)
    said_bye = "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done"
    base = make_container(IMAGE, name="base")
    web = make_container(IMAGE, "sh", "-c", said_bye, depends_on=(("base", "START"),))
    task = make_task(22, base, web)
    await driver.until(task, "RUNNING")
    await driver.turn(replace(task, run=False))
    ends: list[float | None] = [None]
    async with asyncio.timeout(30):
        while None in ends:
            await driver.woken.wait()
            driver.woken.clear()
            states = (await driver.plane.observe()).tasks[task_id(task.arn)].containers
            ends = [states["web"].finished_at, states["base"].finished_at]
    assert ends == sorted(ends, key=float)  # type: ignore[arg-type]


async def pids_of(command: str) -> list[int]:
    lines = (await run("ps", "-eo", "pid=,args=")).splitlines()
    return [
        int(pid)
        for pid, _, args in (line.strip().partition(" ") for line in lines)
        if args == command
    ]


async def test_a_check_that_takes_too_long_is_ended(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", FOREVER)
    container = make_container(
        IMAGE,
        health_command=("CMD", "sleep", "4242"),
        health_interval_s=1,
        health_timeout_s=1,
        health_retries=1,
    )
    task = make_task(10, container)
    await driver.until(task, "RUNNING")
    async with asyncio.timeout(30):
        while not (checking := await pids_of("sleep 4242")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await wait_end(checking[0], 30)


async def stopped(files: ContainerDirectory) -> None:
    """Wait until somebody who looks all the time sees the container STOPPED."""
    while files.state().status != "STOPPED":  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_what_died_between_create_and_start_is_made_again(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", FOREVER)
    task = make_task(11, make_container(IMAGE))
    first = await driver.until(task, "RUNNING")
    # As a daemon leaves it that was killed before it could write down the start.
    files = driver.plane.directory(task.arn).container(task.arn, "web")
    (files.path / "started").unlink()
    ended = asyncio.create_task(stopped(files))
    second = await driver.until(task, "RUNNING")
    assert second.pid != first.pid
    ended.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ended  # the end of what was removed was never told as the container's
    assert files.cid in await run("ps", "axww")


async def test_a_world_that_ended_is_told_as_killed_containers(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", FOREVER)
    task = make_task(12, make_container(IMAGE))
    running = await driver.until(task, "RUNNING")
    # Nobody is left to write the exit code: the monitor goes first, then the container.
    await run("kill", "-9", str(running.monitor))
    await run("kill", "-9", str(running.pid))
    ended = await driver.until(task, "STOPPED")
    assert ended.exit_code == 137


@pytest.mark.skipif(not limits_enforced(), reason="control groups can't be made here")
async def test_too_much_memory_is_told_as_aws_tells_it(driver: Driver) -> None:
    greedy = ("sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done")
    push(driver.world.store, driver.world.settings, "app", "1", greedy)
    task = make_task(13, make_container(IMAGE, memory_mib=16))
    ended = await driver.until(task, "STOPPED")
    assert ended.exit_code == 137
    assert ended.reason == "OutOfMemoryError: Container killed due to memory usage"


async def test_containers_share_a_volume_that_ends_with_the_task(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", ())
    data = Mount("data", "/etc")
    script = "echo written > /etc/new; exec sleep 60"
    at_once: dict[str, Any] = {"stop_timeout_s": 0}
    writer = make_container(IMAGE, "sh", "-c", script, name="writer", mounts=(data,), **at_once)
    script = (
        "while ! cat /data/new 2>/dev/null; do sleep 0.05; done; cat /data/passwd;"
        " touch /data/x || echo read-only; exec sleep 60"
    )
    into = (Mount("data", "/data", True),)
    reader = make_container(IMAGE, "sh", "-c", script, mounts=into, **at_once)
    task = make_task(21, writer, reader)
    await driver.until(task, "RUNNING")
    assert await driver.line(task, "^written$")
    # The volume began with what the image has where it was mounted first.
    assert await driver.line(task, "^web:x:33")
    assert await driver.line(task, "^read-only$")
    await driver.settle(replace(task, run=False))
    assert not driver.plane.directory(task.arn).volumes.exists()


async def test_a_container_is_given_what_its_definition_asks_for(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", ())
    script = (
        "echo init=$(cat /proc/1/comm); echo core=$(ulimit -c);"
        " echo somaxconn=$(cat /proc/sys/net/core/somaxconn);"
        " echo shmmax=$(cat /proc/sys/kernel/shmmax); exec sleep 60"
    )
    container = make_container(
        IMAGE, "sh", "-c", script, init_process=True, ulimits=(("core", 0, 0),),
        system_controls=(("net.core.somaxconn", "512"), ("kernel.shmmax", "65536")),
    )  # fmt: skip
    task = make_task(22, container)
    await driver.until(task, "RUNNING")
    assert await driver.line(task, "^init=init$")
    assert await driver.line(task, "^core=0$")
    assert await driver.line(task, "^somaxconn=512$")
    assert await driver.line(task, "^shmmax=65536$")


def keep(driver: Driver, service: str, operation: str, **request: Any) -> dict[str, Any]:
    return driver.world.neighbours.ask(service, operation, request, account=ACCOUNT, region=REGION)


async def test_secrets_and_files_become_variables(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", ())
    keep(driver, "ssm", "PutParameter", Name="/app/url", Value="db://", Type="SecureString")
    secret = keep(
        driver, "secretsmanager", "CreateSecret", Name="db",
        SecretString=json.dumps({"user": "me", "port": 5432}),
    )["ARN"]  # fmt: skip
    place = {"LocationConstraint": REGION}
    keep(driver, "s3", "CreateBucket", Bucket="config", CreateBucketConfiguration=place)
    text = b"# of the team\nMODE=fast\nLEVEL=1\n"
    keep(driver, "s3", "PutObject", Bucket="config", Key="app.env", Body=text)
    container = make_container(
        IMAGE, "sh", "-c", 'echo "$URL $DBUSER $PORT $MODE $LEVEL"; exec sleep 60',
        secrets=(("URL", "/app/url"), ("DBUSER", f"{secret}:user::"), ("PORT", f"{secret}:port::")),
        environment_files=("arn:aws:s3:::config/app.env",), environment=(("LEVEL", "2"),),
        stop_timeout_s=0,
    )  # fmt: skip
    task = make_task(23, container)
    await driver.until(task, "RUNNING")
    assert await driver.line(task, "^db:// me 5432 fast 2$")
    bundle = driver.plane.directory(task.arn).container(task.arn, "web").bundle
    assert (bundle / "config.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("value_from", "reason"),
    [
        ("/none", "unable to retrieve secrets from ssm: invalid ssm parameters: /none"),
        (
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:none-abcdef",
            "unable to retrieve secret from asm: service call has been retried 1 time(s):"
            f" failed to fetch secret arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:none-abcdef"
            " from secrets manager: operation error Secrets Manager: GetSecretValue, https response"
            " error StatusCode: 400, RequestID: ID, ResourceNotFoundException: Secrets Manager"
            " can't find the specified secret.",
        ),
    ],
)
async def test_a_secret_that_is_not_there_stops_the_task(
    driver: Driver, value_from: str, reason: str
) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", ())
    task = make_task(24, make_container(IMAGE, "true", secrets=(("A", value_from),)))
    await driver.settle(task)
    failure = re.sub("RequestID: [^,]+", "RequestID: ID", driver.progress(task).failure)
    assert re.sub(r"StatusCode: \d+", "StatusCode: 400", failure) == (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource"
        f" retrieval failed: {reason}"
    )


async def fetched(task: Task, url: str, *options: str) -> Any:
    """What a client in the task's namespace gets, whatever the status."""
    return json.loads(await run("curl", "-sS", *options, url, netns=task.eni_id))


def protect(of: Task, wish: Wish | None) -> dict[str, Any]:
    if wish == Wish(True, 9999):
        raise Refused("InvalidParameterException", "expiresInMinutes is wrong")
    until = {"expirationDate": 60.0 * wish.minutes} if wish and wish.minutes else {}
    shown = {"taskArn": of.arn, "protectionEnabled": bool(wish and wish.enabled), **until}
    return {"protectedTasks": [shown], "failures": []}


async def protects_itself(driver: Driver, task: Task) -> None:
    state = (await driver.line(task, "^agent=")).removeprefix(
        "agent="
    ) + "/task-protection/v1/state"
    unprotected = {"ExpirationDate": None, "ProtectionEnabled": False, "TaskArn": task.arn}
    assert await fetched(task, state) == {"protection": unprotected}
    put = ("-X", "PUT", "-d", '{"ProtectionEnabled":true,"ExpiresInMinutes":1}')
    protected = {"ExpirationDate": "1970-01-01T00:01:00Z", "ProtectionEnabled": True}
    assert await fetched(task, state, *put) == {"protection": protected | {"TaskArn": task.arn}}
    for body, message in (
        ("{}", "Invalid request: does not contain 'ProtectionEnabled' field"),
        ('{"Enabled":true}', "UpdateTaskProtection: failed to decode request"),
        ('{"ProtectionEnabled":true,"ExpiresInMinutes":9999}', "expiresInMinutes is wrong"),
    ):
        error = (await fetched(task, state, "-X", "PUT", "-d", body))["error"]
        assert (error["Code"], error["Message"]) == ("InvalidParameterException", message)


async def test_a_task_reads_of_itself_and_finds_its_roles_keys(driver: Driver) -> None:
    push(driver.world.store, driver.world.settings, "app", "1", ())
    script = (
        "echo uri=$ECS_CONTAINER_METADATA_URI_V4; echo older=$ECS_CONTAINER_METADATA_URI;"
        " echo agent=$ECS_AGENT_URI;"
        " echo keys=$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;"
        " head -1 $AWS_CA_BUNDLE; exec sleep 60"
    )
    role = "arn:aws:iam::123456789012:role/app"
    identity = Identity("c", "app", 3, "web", role=role, credentials_id="x-1", mac="02:00")
    container = make_container(IMAGE, "sh", "-c", script, stop_timeout_s=0)
    task = replace(make_task(25, container), identity=identity)
    asked = []

    def keys(of: Task, wanted: str) -> dict[str, object]:
        assert wanted == role
        asked.append(of.arn)
        return {
            "AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "t",
            "Expiration": time.time() + 3600,
        }  # fmt: skip

    driver.plane = ContainerPlane(
        driver.world.settings, driver.world.trust, driver.woken.set, keys, protection=protect
    )
    await driver.until(task, "RUNNING")
    # The VPC's router here is the test's own namespace.
    await run("ip", "netns", "attach", task.vpc_id, str(os.getpid()))
    await run("ip", "address", "replace", "169.254.170.2/32", "dev", "lo")
    await driver.plane.tell_tasks([task], frozenset({task.vpc_id}))
    uri = (await driver.line(task, "^uri=")).removeprefix("uri=")
    assert await driver.line(task, "^-----BEGIN CERTIFICATE")
    mine = await fetched(task, uri)
    assert (mine["Name"], mine["KnownStatus"]) == ("web", "RUNNING")
    assert mine["Networks"][0]["IPv4Addresses"] == ["10.0.0.5"]
    whole = await fetched(task, f"{uri}/task")
    assert (whole["Family"], whole["Revision"], whole["ServiceName"]) == ("app", "3", "web")
    assert whole["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert [one["DockerId"] for one in whole["Containers"]] == [mine["DockerId"]]
    older = (await driver.line(task, "^older=")).removeprefix("older=")
    network = {"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.0.5"]}
    assert (await fetched(task, older))["Networks"] == [network]
    assert (await fetched(task, f"{older}/task"))["Containers"][0]["Networks"] == [network]
    assert "ContainerARN" in mine
    assert "ContainerARN" not in await fetched(task, older)
    assert mine["DockerId"] in await fetched(task, f"{older}/task/stats")
    usage = (await fetched(task, f"{uri}/task/stats"))[mine["DockerId"]]
    if limits_enforced():
        assert usage["memory_stats"]["usage"] > 0
        assert usage["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    path = (await driver.line(task, "^keys=")).removeprefix("keys=")
    for _ in range(2):
        given = await fetched(task, f"http://169.254.170.2{path}")
        assert (given["RoleArn"], given["AccessKeyId"], given["Token"]) == (role, "ASIA1", "t")
    assert asked == [task.arn]
    refused = await fetched(task, "http://169.254.170.2/v2/credentials/other")
    assert refused["code"] == "InvalidIdInRequest"
    await protects_itself(driver, task)
    stranger = replace(task, address=IPv4Address("10.0.0.6"))
    await driver.plane.tell_tasks([stranger], frozenset({task.vpc_id}))
    assert "unable to get task arn" in await fetched(task, uri)
    await driver.plane.tell_tasks([], frozenset())
    await run("ip", "netns", "delete", task.vpc_id)
    with pytest.raises(PlaneError):
        await fetched(task, uri)
