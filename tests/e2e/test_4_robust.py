"""Bad machines, kills at the wrong moment, power cuts: a clear message, and nothing half done."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from tests.e2e.conftest import Cloud, fill, free_port, left_by, small_disk, until, world_init

SITE = "examples/2-https/site.yaml"
URL = "https://hello-aws.my-project.jp/"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and other users need root")


def refused(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """One clear message, a status, no traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud that is not started yet; however the test leaves it, it is ended after."""
    made = Cloud(tmp_path / "state", free_port(), free_port())
    yield made
    made.run("cloud", "stop")
    assert not left_by(made)
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


# --- bad machines


@ROOT_ONLY
def test_a_start_on_a_full_disk_says_so_and_leaves_nothing(own: Cloud, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        cloud = Cloud(disk / "state", own.api_port, own.proxy_port)
        refused(cloud.run("cloud", "start"), "is full", "--state-dir")
        assert not (cloud.state_dir / "run" / "world.json").exists()


def first_refusal(ec2: Any) -> dict[str, Any]:
    """Write until the database's log has no room left in its pages."""
    for number in range(2, 100):
        try:
            ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")
        except botocore.exceptions.ClientError as error:
            return dict(error.response)
    return {}


@ROOT_ONLY
def test_a_disk_that_fills_up_costs_answers_and_nothing_else(own: Cloud, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 80) as disk:
        cloud = Cloud(disk / "state", own.api_port, own.proxy_port)
        cloud.hiyoko("cloud", "start")
        try:
            ec2 = cloud.client("ec2", retries=0)
            first = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
            ballast = fill(disk)
            error = first_refusal(ec2)
            assert error["Error"]["Code"] == "ServiceUnavailable"
            assert error["ResponseMetadata"]["HTTPStatusCode"] == 503
            assert str(cloud.state_dir) in error["Error"]["Message"]
            assert ec2.describe_vpcs(VpcIds=[first])["Vpcs"]  # reading goes on
            ballast.unlink()
            assert ec2.create_vpc(CidrBlock="10.200.0.0/16")["Vpc"]["VpcId"]
            assert ec2.describe_vpcs(VpcIds=[first])["Vpcs"]
        finally:
            cloud.hiyoko("cloud", "stop")


@ROOT_ONLY
def test_a_read_only_place_is_refused_with_the_way_out(own: Cloud, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        (disk / "state").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for place in (disk / "state", disk / "new"):
            cloud = Cloud(place, own.api_port, own.proxy_port)
            refused(cloud.run("cloud", "start"), "Read-only file system", "--state-dir")


def test_a_file_in_the_place_of_the_state_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cloud = Cloud(tmp_path / "file" / "state", free_port(), free_port())
    refused(cloud.run("cloud", "start"), "Not a directory", "--state-dir")


def test_a_foreign_database_is_named_and_left_alone(own: Cloud) -> None:
    own.state_dir.mkdir()
    database = own.state_dir / "hiyoko.db"
    database.write_text("my shopping list\n" * 100)
    refused(own.run("cloud", "start"), f"{database} cannot be used", "move it away")
    assert database.read_text().startswith("my shopping list")
    assert not (own.state_dir / "run").exists()


@ROOT_ONLY
def test_a_user_without_subordinate_ids_is_told_how_to_get_them() -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    # This checkout may lie where only its owner may look.
    nobody += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    # Not pytest's folder, which only its own user may enter.
    with tempfile.TemporaryDirectory() as home:
        shutil.chown(home, 65534, 65534)
        cloud = Cloud(Path(home) / "state", free_port(), free_port(), nobody)
        refused(cloud.run("cloud", "start"), "uidmap", "/etc/subuid", "usermod", "nobody")
        assert not (cloud.state_dir / "run").exists()


@ROOT_ONLY
def test_root_without_its_powers_is_told_what_is_missing(own: Cloud) -> None:
    weak = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    cloud = Cloud(own.state_dir, own.api_port, own.proxy_port, weak)
    refused(cloud.run("cloud", "start"), "CAP_SYS_ADMIN", "--privileged")


# --- the wrong moment


def start_in_background(cloud: Cloud) -> subprocess.Popen[str]:
    return subprocess.Popen(
        cloud.command("cloud", "start"),
        env=cloud.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_starts_at_once_make_one_cloud(own: Cloud) -> None:
    both = [start_in_background(own), start_in_background(own)]
    said = [one.communicate(timeout=240)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert sorted("already up" in text for text in said) == [False, True]


@pytest.mark.parametrize(
    ("number", "seconds"), [(signal.SIGKILL, 0.2), (signal.SIGINT, 0.4), (signal.SIGKILL, 0.7)]
)
def test_a_start_that_is_killed_is_made_good_by_the_next(
    own: Cloud, number: signal.Signals, seconds: float
) -> None:
    begun = start_in_background(own)
    time.sleep(seconds)  # noqa: TID251 - any moment will do, that is the point
    begun.send_signal(number)
    begun.communicate(timeout=240)
    own.hiyoko("cloud", "start")
    assert own.status()["running"]


def test_a_daemon_that_is_killed_while_it_starts_is_reported(own: Cloud) -> None:
    begun = start_in_background(own)
    file = own.state_dir / "run" / "cloud.json"
    assert until(file.exists, 10)
    os.kill(json.loads(file.read_text())["daemon_pid"], signal.SIGKILL)
    said, _ = begun.communicate(timeout=240)
    if begun.returncode:  # it was not ready yet
        assert "ended before it was ready" in said
        assert not (own.state_dir / "run").exists()
    own.hiyoko("cloud", "start")


def test_a_daemon_that_hangs_is_told_of_and_replaced(own: Cloud) -> None:
    """It lives, so that nobody starts another one; what is asked would wait for ever."""
    own.hiyoko("cloud", "start")
    hanging = own.status()["daemon"]["pid"]
    hurried = (
        "import sys; from hiyoko import launch; from hiyoko.__main__ import main;"
        " launch.ANSWER_S = 1; sys.exit(main())"
    )

    def ask(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", hurried, *argv],
            env=own.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    os.kill(hanging, signal.SIGSTOP)
    try:
        told = ask("cloud", "status")
        assert told.returncode != 0
        assert f"the daemon (pid {hanging}) does not answer" in told.stderr
        started = ask("cloud", "start")
        assert started.returncode == 0, started.stderr
        assert own.status()["daemon"]["pid"] != hanging
    finally:
        with suppress(ProcessLookupError):
            os.kill(hanging, signal.SIGCONT)


def test_stale_pid_files_are_not_believed(own: Cloud) -> None:
    """After a reboot the numbers may belong to anybody: here to this very test."""
    run = own.state_dir / "run"
    run.mkdir(parents=True)
    me = os.getpid()
    (run / "world.json").write_text(json.dumps([me, me, 1]))
    ports = {"api_port": own.api_port, "proxy_port": own.proxy_port}
    (run / "cloud.json").write_text(json.dumps({"daemon_pid": me, "daemon_started": 1, **ports}))
    (run / "porter.pid").write_text(f"{me} 1")
    assert own.run("cloud", "status").returncode == 1
    own.hiyoko("cloud", "start")
    assert own.status()["daemon"]["pid"] != me
    for name in ("world.json", "cloud.json", "porter.pid"):
        (run / name).with_suffix(".kept").write_bytes((run / name).read_bytes())
        (run / name).write_text("{ nonsense")
        assert "not running" in own.run("run", "true").stderr or name != "world.json"
        (run / name).with_suffix(".kept").replace(run / name)
    assert own.run("run", "true").returncode == 0


def physical_ids(cloud: Cloud) -> dict[str, str]:
    found = cloud.client("cloudformation").describe_stack_resources(StackName="hello-aws")
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found["StackResources"]}


def answers(cloud: Cloud) -> bool:
    return cloud.curl(URL, "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2") == (0, "200")


def begun_balancer(cloud: Cloud) -> bool:
    """Well into a deployment, and well before its end: the service comes after the balancer."""
    client = cloud.client("cloudformation")
    for stack in client.describe_stacks()["Stacks"]:
        events = client.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
        if any(event["LogicalResourceId"] == "LoadBalancer" for event in events):
            return True
    return False


def test_a_stop_in_the_middle_and_a_power_cut_are_both_survived(own: Cloud) -> None:
    own.hiyoko("cloud", "start")
    up = subprocess.Popen(
        own.command("up", "--yes", SITE),
        env=own.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert until(lambda: begun_balancer(own), 30)
    own.hiyoko("cloud", "stop")
    said, _ = up.communicate(timeout=240)
    assert up.returncode != 0
    assert "Traceback" not in said
    assert "bug" not in said

    own.hiyoko("cloud", "start")
    cloudformation = own.client("cloudformation")

    def status() -> str:
        return str(
            cloudformation.describe_stacks(StackName="hello-aws")["Stacks"][0]["StackStatus"]
        )

    assert until(lambda: status() == "CREATE_COMPLETE", 90), status()
    assert until(lambda: answers(own), 20)

    before = physical_ids(own)
    dns = own.hiyoko("run", "--", "dig", "+short", "hello-aws.my-project.jp")
    os.kill(world_init(own), signal.SIGKILL)
    begun = time.monotonic()
    own.hiyoko("cloud", "start")
    assert until(lambda: answers(own), 60)
    took = time.monotonic() - begun
    print(f"back {took:.1f} s after the power cut")
    assert physical_ids(own) == before
    now = own.hiyoko("run", "--", "dig", "+short", "hello-aws.my-project.jp")
    assert sorted(now.split()) == sorted(dns.split())


# --- hiyoko run


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -TERM $$"), 128 + signal.SIGTERM),
        (("sh", "-c", "kill -KILL $$"), 128 + signal.SIGKILL),
        (("/etc/passwd",), 126),
        (("no-such-command",), 127),
    ],
)
def test_run_passes_the_exit_status_on(cloud: Cloud, command: tuple[str, ...], status: int) -> None:
    done = cloud.run("run", "--", *command)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    if status == 127:
        assert "no-such-command: command not found" in done.stderr


def test_run_without_a_command_or_a_cloud_says_what_to_do(cloud: Cloud, tmp_path: Path) -> None:
    assert "what shall run?" in cloud.run("run").stderr
    nowhere = Cloud(tmp_path / "nowhere", free_port(), free_port())
    refused(nowhere.run("run", "true"), "hiyoko cloud start")


def test_run_passes_standard_input_on(cloud: Cloud) -> None:
    done = subprocess.run(
        cloud.command("run", "--", "wc", "-c"),
        env=cloud.environment(),
        input="x" * 100_000,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "100000"


class Terminal:
    """`hiyoko run` in a terminal of its own."""

    def __init__(self, cloud: Cloud, *command: str) -> None:
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            argv = [str(part) for part in cloud.command("run", "--", *command)]
            os.execve(argv[0], argv, cloud.environment())

    def read_until(self, text: str, limit_s: float = 60) -> str:
        shown, end = "", time.monotonic() + limit_s
        while text not in shown and time.monotonic() < end:
            if select.select([self.screen], [], [], 0.2)[0]:
                try:
                    shown += os.read(self.screen, 4096).decode()
                except OSError:  # the other end has closed
                    break
        return shown

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self.screen)
        return os.waitstatus_to_exitcode(status)


def test_run_gives_a_terminal_when_there_is_one(cloud: Cloud) -> None:
    terminal = Terminal(cloud, "sh", "-c", "tty; test -t 0 && read line && echo got $line; exit 3")
    terminal.type("a word\n")
    assert "got a word" in terminal.read_until("got a word")
    assert terminal.end() == 3


def test_control_c_ends_the_command_and_not_only_us(cloud: Cloud) -> None:
    terminal = Terminal(cloud, "sh", "-c", "echo ready; sleep 100")
    terminal.read_until("ready")
    terminal.type("\x03")
    assert terminal.end() in (128 + signal.SIGINT, -signal.SIGINT)


def test_a_terminated_run_terminates_its_command(cloud: Cloud) -> None:
    with subprocess.Popen(
        cloud.command("run", "--", "sh", "-c", "echo ready; exec sleep 100"),
        env=cloud.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM


def test_run_works_while_the_daemon_is_dead(cloud: Cloud) -> None:
    os.kill(cloud.status()["daemon"]["pid"], signal.SIGKILL)
    assert until(lambda: "world alive" in cloud.run("cloud", "status").stdout, 10)
    done = cloud.run("run", "--", "dig", "+short", "@198.18.0.53", "jp.", "SOA")
    assert done.returncode == 0
    assert done.stdout.strip()
    cloud.hiyoko("cloud", "start")
