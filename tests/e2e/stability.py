"""A site that is to stay up, and the ways to find and end what it is made of."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.clients import Clients
from tests.e2e.conftest import Cloud, free_port, left_by, small_disk, until

SITE = "examples/2-https/site.yaml"
URL = "https://hello-aws.my-project.jp/"
NAME = "hello-aws.my-project.jp"
SERVICE = "web"
FILES = 4000
"""How many files the site's disk takes."""
Found = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """The second example, deployed, on a disk of its own where there may be one."""

    cloud: Cloud
    disk: Path

    @cached_property
    def _ids(self) -> dict[str, str]:
        found = self.cloud.client("cloudformation").describe_stack_resources(StackName="hello-aws")
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found["StackResources"]
        }

    def physical(self, logical: str) -> str:
        """A resource's own id."""
        return self._ids[logical]

    @property
    def _of(self) -> dict[str, str]:
        return {"cluster": self.physical("Cluster")}

    def service(self) -> Found:
        """The service as ECS describes it."""
        found = self.cloud.client("ecs").describe_services(**self._of, services=[SERVICE])
        service: Found = found["services"][0]
        return service

    def tasks(self, status: str = "RUNNING") -> list[Found]:
        """Its tasks that are wished to run, or those that have stopped."""
        ecs = self.cloud.client("ecs")
        arns = ecs.list_tasks(**self._of, desiredStatus=status)["taskArns"]
        found: list[Found] = ecs.describe_tasks(**self._of, tasks=arns)["tasks"] if arns else []
        return found

    def stopped(self, arn: str) -> Found | None:
        """That task, once ECS says that it has stopped."""
        return next((one for one in self.tasks("STOPPED") if one["taskArn"] == arn), None)

    def deploy(self) -> None:
        """The same again, in new tasks."""
        ecs = self.cloud.client("ecs")
        ecs.update_service(**self._of, service=SERVICE, forceNewDeployment=True)

    def healthy(self) -> list[str]:
        """The addresses that the load balancer sends requests to, if it knows none that fails.

        Those that drain get none any more.
        """
        elbv2, group = self.cloud.client("elbv2"), self.physical("WebTargetGroup")
        found = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        states = {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in found}
        states = {target: state for target, state in states.items() if state != "draining"}
        return [] if set(states.values()) != {"healthy"} else sorted(states)

    def whole(self) -> bool:
        """One deployment, all its tasks run, and the balancer sends them requests."""
        service = self.service()
        running = len(service["deployments"]) == 1 and service["runningCount"] == 2
        return running and len(self.healthy()) == 2

    def healed(self, limit_s: float = 60) -> None:
        """Return when it is whole again."""
        assert until(self.whole, limit_s), (self.service(), self.tasks("STOPPED"))

    def pid(self, task: Found, file: str) -> int:
        """A process of a task, as the world counts: ``container.pid`` or ``conmon.pid``."""
        place = self.cloud.state_dir / "tasks" / task["taskArn"].rpartition("/")[2] / SERVICE
        return int((place / file).read_text())

    def nodes(self) -> list[int]:
        """The masters of the load balancer's nodes, as the world counts processes."""
        files = sorted((self.cloud.state_dir / "run" / "balancer").glob("*/haproxy.pid"))
        return [int(file.read_text()) for file in files]

    def kill(self, *pids: int, children: bool = False) -> None:
        """SIGKILL in the world, to all of them at once."""
        some = " ".join(f"{pid}" for pid in pids)
        more = " ".join(f"$(cat /proc/{pid}/task/{pid}/children)" for pid in pids)
        self.inside("sh", "-c", f"kill -KILL {some} {more if children else ''}")

    def inside(self, *command: str) -> str:
        """Run something in the world; what it prints."""
        return self.cloud.hiyoko("run", "--", *command)

    def as_task(self, task: Found, *command: str) -> str:
        """Run something on a task's interface."""
        details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
        return self.inside(
            "nsenter", f"--net=/run/netns/{details['networkInterfaceId']}", "--", *command
        )

    def daemon(self) -> int:
        """The daemon's pid, as this host counts: readable also while it is dead."""
        file = self.cloud.state_dir / "run" / "cloud.json"
        return int(json.loads(file.read_text())["daemon_pid"])

    def kill_daemon(self) -> None:
        """SIGKILL, and return when it has gone."""
        os.kill(self.daemon(), signal.SIGKILL)
        assert until(lambda: self.cloud.run("cloud", "status").returncode, 10)


def told(clients: Clients, since: float, recovered: float) -> str:
    """What the clients went through, in one line."""
    last = max((when for when, _ in clients.failed), default=since)
    return (
        f"{clients.answered} answered, {len(clients.failed)} failed, the last one"
        f" {last - since:.2f} s after; whole again after {recovered - since:.1f} s"
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("stability")
    with ExitStack() as stack:
        disk = place / "disk"
        if os.geteuid() == 0:
            stack.enter_context(small_disk(disk, 400, FILES))
        cloud = Cloud(disk / "state", free_port(), free_port())
        cloud.hiyoko("cloud", "start")
        try:
            cloud.hiyoko("up", "--yes", SITE)
            yield Site(cloud, disk)
        finally:
            cloud.hiyoko("cloud", "stop")
        assert not left_by(cloud)


@pytest.fixture(autouse=True)
def whole_before(site: Site) -> None:
    """Each test begins with a site that nothing ails."""
    site.cloud.hiyoko("cloud", "start")
    site.healed()
