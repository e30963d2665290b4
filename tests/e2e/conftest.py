"""Whole clouds, driven as a user drives them: the console script and real clients only."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
import pytest

from hiyoko.plane.containers.cgroups import own_group
from hiyoko.settings import Settings

ROOT = Path(__file__).parents[2]
HIYOKO = Path(sys.executable).parent / "hiyoko"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.timeout(TEST_S))


@dataclass(frozen=True)
class Cloud:
    """A cloud of a test's own: state directory and ports; ``through`` starts another program."""

    state_dir: Path
    api_port: int
    proxy_port: int
    through: Sequence[str] = ()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def hiyoko(self, *argv: str, ok: bool = True, env: dict[str, str] | None = None) -> str:
        """Run a command; its output. ``ok`` says that it must exit with 0."""
        done = self.run(*argv, env=env)
        if ok:
            assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + ("" if ok else done.stderr)

    def command(self, *argv: str) -> list[str]:
        return [*self.through, str(HIYOKO), *argv]

    def environment(self) -> dict[str, str]:
        """What makes a command speak to this cloud."""
        own = {
            "HIYOKO_STATE_DIR": str(self.state_dir),
            "HIYOKO_API_PORT": str(self.api_port),
            "HIYOKO_PROXY_PORT": str(self.proxy_port),
        }
        return {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | own

    def run(
        self, *argv: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*argv),
            env=self.environment() | (env or {}),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def curl(self, url: str, *argv: str) -> tuple[int, str]:
        """curl as a client on the simulated internet: exit status and output."""
        done = self.run("run", "--", "curl", "-sS", "--max-time", "5", *argv, url)
        return done.returncode, done.stdout

    def client(self, service: str, retries: int = 4) -> Any:
        return botocore.session.Session().create_client(
            service,
            region_name="ap-northeast-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"total_max_attempts": 1 + retries}),
        )

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.hiyoko("cloud", "status", "--json"))
        return answer


SMALL_DISK = "hiyoko-small-disk"
"""What a test mounts itself, in this run or in one beside it."""
SLOWER = 4
TEST_S = 1200
"""A test ends by its own limits, long before this."""
PORTS = itertools.count(12_000 + os.getpid() % 200 * 100)
"""Below those that the kernel gives to connections: one of them might have a port that was free a
moment ago. Nobody gets one twice, and two runs beside each other begin elsewhere."""


def free_port() -> int:
    while True:
        port = next(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def until(what: Callable[[], Any], limit_s: float = 60) -> Any:
    """Poll from outside, as a user would, until it is true.

    The limit is what is ample where nothing else goes on; elsewhere it may take longer.
    """
    end = time.monotonic() + SLOWER * limit_s
    while True:
        answer = what()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.1)  # noqa: TID251 - a client of the cloud has no event to wait for


def left_by(cloud: Cloud) -> list[str]:
    """Processes that were started for a cloud: its state directory is in their environment."""
    mark = f"HIYOKO_STATE_DIR={cloud.state_dir}\0".encode()
    left = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes():
                left.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return left


def processes_in(namespace: Path) -> list[str]:
    """Processes of a pid namespace, whatever their environment says: containers among them."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "ns" / "pid").readlink() == namespace:
                found.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def groups() -> set[str]:
    """Every control group of this machine; others' come and go meanwhile."""
    return {name for _, names, _ in os.walk("/sys/fs/cgroup") for name in names}


def traces() -> dict[str, set[str]]:
    """What a cloud might leave on the host."""

    def lines(*argv: str) -> set[str]:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return set(done.stdout.splitlines())

    return {
        "links": {line.split(":")[1] for line in lines("ip", "-o", "link") if ":" in line},
        "namespaces": lines("ip", "netns", "list"),
        "routes": lines("ip", "route"),
        "rules": lines("nft", "list", "ruleset"),
        "mounts": {
            place
            for source, place, *_ in map(str.split, Path("/proc/mounts").read_text().splitlines())
            if source != SMALL_DISK
        },
    }


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A running cloud; when it has ended, nothing of it may be left."""
    before = traces()
    made = Cloud(tmp_path_factory.mktemp("state"), free_port(), free_port())
    made.hiyoko("cloud", "start")
    world = json.loads((made.state_dir / "run" / "world.json").read_text())[1]
    inside = (Path("/proc") / str(world) / "ns" / "pid").readlink()
    try:
        yield made
    finally:
        made.hiyoko("cloud", "stop")
    assert not left_by(made)
    assert not processes_in(inside)
    assert own_group(Settings(made.state_dir)) not in groups()
    after = traces()
    left = {kind: after[kind] - before[kind] for kind in after if after[kind] - before[kind]}
    assert not left


@contextmanager
def small_disk(place: Path, megabytes: int, files: int = 0) -> Iterator[Path]:
    """A file system of its own with so much room; 0 files: as many as there is room for."""
    place.mkdir()
    options = f"size={megabytes}m,nr_inodes={files}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, SMALL_DISK, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def fill(place: Path) -> Path:
    """Take every byte that is left on a disk."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


def world_init(cloud: Cloud) -> int:
    """The pid of the world's init: with it everything in the world ends at once."""
    return int(json.loads((cloud.state_dir / "run" / "world.json").read_text())[1])
