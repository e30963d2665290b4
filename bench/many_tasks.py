"""Two hundred tasks in ten services on one machine: what one costs, and what one change costs.

    .venv/bin/python bench/many_tasks.py [--services N] [--replicas N] [--access-log] [--json FILE]

Real containers (Nginx with one worker) behind one load balancer, in a cloud of its own. First one
service of two tasks, then all of them; a change is one task that is killed, until its replacement
is healthy. With ``--access-log`` each check of each node is a line that a task sends to CloudWatch
Logs, forty in a second with 200 tasks. Takes about three minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.cloud import Cloud, cloud_of_our_own  # noqa: E402
from bench.figures import Figure, machine  # noqa: E402
from bench.processes import processes_of  # noqa: E402

LOOK_S = 0.25
CHANGES = 3
IDLE_S = 30.0
RESTED_S = 12.0
"""The scheduler delays the replacement of a task that died younger: a crash loop must not spin."""
PATIENCE_S = 300.0
NO_LOG = "s/access_log.*/access_log off;/"
_SERVICE = """\
  s{number}:
    image: public.ecr.aws/nginx/nginx
    path: /s{number}/*
    healthcheck: {{path: /}}
    command:
      - sh
      - -c
      - sed -i 's/worker_processes auto/worker_processes 1/; {log}' /etc/nginx/nginx.conf
        && exec nginx -g 'daemon off;'
    deploy: {{replicas: {replicas}, cpu: 256, memory: 512}}
"""
_SITE = """\
name: many-tasks
domain: many-tasks.my-project.jp
zone: my-project.jp
services:
"""


class Site:
    """The site at any size, and what its cloud says of it."""

    def __init__(self, cloud: Cloud, log: str) -> None:
        self.cloud, self.log = cloud, log
        self.file = cloud.state_dir.parent / "site.yaml"
        self.elb, self.ecs = cloud.client("elbv2"), cloud.client("ecs")

    def deploy(self, services: int, replicas: int) -> float:
        """Bring it to this size; seconds until ``hiyoko up`` has ended and all are healthy."""
        parts = [
            _SERVICE.format(number=number, replicas=replicas, log=self.log)
            for number in range(services)
        ]
        self.file.write_text(_SITE + "".join(parts))
        begun = perf_counter()
        self.cloud.hiyoko("up", "--yes", "--no-prove", str(self.file))
        while self.healthy() != services * replicas:
            if perf_counter() - begun > PATIENCE_S:
                raise SystemExit(f"{self.healthy()} of {services * replicas} are healthy")
            Event().wait(LOOK_S)
        return perf_counter() - begun

    def healthy(self, only: str = "") -> int:
        """How many targets the load balancer uses, in all groups or in one."""
        groups = [only] if only else self.groups()
        return sum(
            target["TargetHealth"]["State"] == "healthy"
            for arn in groups
            for target in self._targets(arn)
        )

    def groups(self) -> list[str]:
        """ARNs of the target groups."""
        return [one["TargetGroupArn"] for one in self.elb.describe_target_groups()["TargetGroups"]]

    def _targets(self, arn: str) -> list[dict[str, Any]]:
        found = self.elb.describe_target_health(TargetGroupArn=arn)
        targets: list[dict[str, Any]] = found["TargetHealthDescriptions"]
        return targets

    def one(self) -> tuple[str, str]:
        """The first service's first task, and its target group, by ARN."""
        name = next(each for each in self._services() if "s0" in each.lower())
        cluster = self._cluster()
        arns = self.ecs.list_tasks(cluster=cluster, serviceName=name)["taskArns"]
        (service,) = self.ecs.describe_services(cluster=cluster, services=[name])["services"]
        return str(min(arns)), str(service["loadBalancers"][0]["targetGroupArn"])

    def kill(self, arn: str) -> None:
        """Kill a task's container."""
        directory = self.cloud.state_dir / "tasks" / arn.rpartition("/")[2]
        self.cloud.inside("sh", "-c", f"kill -9 $(cat {directory}/*/container.pid)")

    def _cluster(self) -> str:
        return str(self.ecs.list_clusters()["clusterArns"][0])

    def _services(self) -> list[str]:
        answer = self.ecs.list_services(cluster=self._cluster(), maxResults=100)
        return [arn.rpartition("/")[2] for arn in answer["serviceArns"]]

    def replaced(self, arn: str, group: str, replicas: int) -> bool:
        """Whether a killed task's service has all its targets again, without it."""
        task = self.ecs.describe_tasks(cluster=self._cluster(), tasks=[arn])["tasks"][0]
        return task["lastStatus"] == "STOPPED" and self.healthy(group) == replicas


def change(site: Site, services: int, replicas: int) -> Iterator[Figure]:
    """One killed task until its replacement takes requests."""
    took, daemon, whole = [], [], []
    for _ in range(CHANGES):
        Event().wait(RESTED_S)
        arn, group = site.one()
        before, begun = processes_of(site.cloud.state_dir), perf_counter()
        site.kill(arn)
        while not site.replaced(arn, group, replicas):
            if perf_counter() - begun > PATIENCE_S:
                raise SystemExit(f"{arn} was not replaced")
            Event().wait(LOOK_S)
        after = processes_of(site.cloud.state_dir)
        took.append(perf_counter() - begun)
        whole.append((after.cpu_s - before.cpu_s) * 1e3)
        spent = [sum(one.cpu_s for one in each.of("daemon")) for each in (before, after)]
        daemon.append((spent[1] - spent[0]) * 1e3)
    name = f"{services * replicas} tasks: one is killed"
    yield Figure.of(f"{name}: until the next is healthy", took, "s")
    yield Figure.of(f"{name}: the daemon's processor time", daemon, "ms")
    yield Figure.of(f"{name}: the cloud's processor time", whole, "ms")


def idle(site: Site, tasks: int) -> Iterator[Figure]:
    """The whole cloud while nothing happens."""
    Event().wait(RESTED_S)
    before = processes_of(site.cloud.state_dir)
    Event().wait(IDLE_S)
    after = processes_of(site.cloud.state_dir)
    share = (after.cpu_s - before.cpu_s) / IDLE_S * 100
    yield Figure.of(f"{tasks} tasks idle: the whole cloud", [share], "% of core", "<= 2 %")
    was = before.by_role()
    for role, cpu_s in after.by_role().items():
        if cpu_s > was.get(role, 0.0):
            spent = (cpu_s - was.get(role, 0.0)) / IDLE_S * 100
            yield Figure.of(f"{tasks} tasks idle: {role}", [spent], "% of core")


def memory(site: Site, tasks: int) -> Iterator[Figure]:
    """A task's memory, and the processes that are there once."""
    there = processes_of(site.cloud.state_dir)
    for role in ("conmon", "task"):
        each = [one.pss_mb for one in there.of(role)]
        name = "application" if role == "task" else role
        yield Figure.of(f"{tasks} tasks: {name}, each", [sum(each) / tasks], "MB PSS")
    for role in ("daemon", "DNS", "collector", "HAProxy"):
        figure = sum(one.rss_mb for one in there.of(role))
        yield Figure.of(f"{tasks} tasks: {role}", [figure], "MB RSS")
    (daemon,) = there.of("daemon")
    yield Figure.of(f"{tasks} tasks: the daemon's descriptors", [daemon.descriptors], "")


def activations(cloud: Cloud) -> Iterator[Figure]:
    """What each reconciler's last activation took."""
    for name, report in cloud.status()["reconcilers"].items():
        yield Figure.of(f"last activation: {name}", [report["last_ms"]], "ms")


def measure(cloud: Cloud, services: int, replicas: int, log: str) -> Iterator[Figure]:
    """Every figure as soon as it is known."""
    cloud.hiyoko("cloud", "start")
    site = Site(cloud, log)
    site.deploy(1, 2)
    yield from change(site, 1, 2)
    tasks = services * replicas
    before = processes_of(cloud.state_dir)
    took = site.deploy(services, replicas)
    after = processes_of(cloud.state_dir)
    yield Figure.of(f"2 to {tasks} tasks: all healthy, end of `up`", [took], "s", "<= 60 s")
    spent = (after.cpu_s - before.cpu_s) / (tasks - 2) * 1e3
    yield Figure.of("one more task: processor time of the cloud", [spent], "ms")
    was, now = before.by_role(), after.by_role()
    for role in now:
        each = (now[role] - was.get(role, 0.0)) / (tasks - 2) * 1e3
        yield Figure.of(f"one more task: {role}", [each], "ms")
    yield from memory(site, tasks)
    yield from idle(site, tasks)
    yield from change(site, services, replicas)
    yield from activations(cloud)


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--services", type=int, default=10)
    parser.add_argument("--replicas", type=int, default=20)
    parser.add_argument("--access-log", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    options = parser.parse_args()
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    figures: list[Figure] = []
    log = "" if options.access_log else NO_LOG
    with cloud_of_our_own() as cloud:
        for figure in measure(cloud, options.services, options.replicas, log):
            print(figure, flush=True)
            figures.append(figure)
    if options.json is not None:
        kept = {"machine": where, "figures": [asdict(figure) for figure in figures]}
        options.json.write_text(json.dumps(kept, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
