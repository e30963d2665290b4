"""A site made, changed and removed, again and again: the cloud keeps nothing of it.

``bench/rounds.py`` does fifty rounds of a whole site, with a load balancer, names and
certificates; here a few of what every site has.
"""

from __future__ import annotations

from pathlib import Path

from bench.processes import processes_of
from bench.remains import Remains
from tests.e2e.conftest import Cloud, until

SETTLED, ROUNDS = 2, 4
"""The first rounds fill what is filled once: modules, threads, the interpreter's pools."""
STAYING = ("daemon", "keeper", "DNS", "log driver", "porter")
MEMORY_MB = 4.0
"""For two rounds: AWS tells of stopped tasks and deleted stacks for an hour and longer, so their
rows stay, in memory too. A leak of what a container or a connection needs is more."""
DESCRIPTORS = 1
"""For two rounds: a connection that is just being closed. A leak is one or more in each."""
SITE = """\
name: rounds
services:
  web:
    image: public.ecr.aws/nginx/nginx
    deploy: {{replicas: {replicas}}}
"""


def one_round(cloud: Cloud, file: Path) -> None:
    for replicas in (1, 2):
        file.write_text(SITE.format(replicas=replicas))
        cloud.hiyoko("up", "--yes", "--no-prove", str(file))
    cloud.hiyoko("down", "--yes", str(file))


def figures(cloud: Cloud) -> dict[str, tuple[float, int, int]]:
    """Memory, descriptors and threads of the processes that stay, by role."""
    there = processes_of(cloud.state_dir).of(*STAYING)
    return {one.role: (one.rss_mb, one.descriptors, one.threads) for one in there}


def grown(cloud: Cloud, first: dict[str, tuple[float, int, int]]) -> list[str]:
    """Who needs more than before, beyond the bounds."""
    now = figures(cloud)
    return [
        f"{role}: {first[role]} before, {now[role]} now"
        for role in first
        if now[role][0] > first[role][0] + MEMORY_MB
        or now[role][1] > first[role][1] + DESCRIPTORS
        or now[role][2] > first[role][2] + DESCRIPTORS
    ]


def test_rounds_of_up_change_and_down_leave_nothing(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    for _ in range(SETTLED):
        one_round(cloud, file)
    first, held = figures(cloud), Remains.of(cloud.state_dir)
    assert set(first) == set(STAYING)
    for _ in range(SETTLED, ROUNDS):
        one_round(cloud, file)
    assert until(lambda: not Remains.of(cloud.state_dir).beyond(held), 5), (
        f"left: {Remains.of(cloud.state_dir).beyond(held)}"
    )
    assert not held.namespaces
    assert not held.groups
    assert not [path for path in held.files if path.startswith("tasks/")]
    # Connections that clients kept are closed in their own time.
    assert until(lambda: not grown(cloud, first), 10), grown(cloud, first)
