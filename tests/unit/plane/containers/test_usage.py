"""A task's counters: all its running containers together, from whichever hierarchy there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiyoko.plane.containers.cgroups import task_group
from hiyoko.plane.containers.usage import task_usage
from hiyoko.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("hiyoko.plane.containers.usage.CGROUPS", tmp_path / "cgroup")
    return Settings(tmp_path / "state")


def top(settings: Settings) -> Path:
    """Where the test's control groups are mounted."""
    return settings.state_dir.parent / "cgroup"


def write(path: Path, **files: str) -> None:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)


def unified(settings: Settings, name: str, cpu_us: int, memory: int, inactive: int) -> None:
    write(
        top(settings) / task_group(settings, "t") / f"cid-{name}",
        cpu__stat=f"usage_usec {cpu_us}\n",
        memory__max="max\n",
        memory__current=f"{memory}\n",
        memory__stat=f"anon 1\ninactive_file {inactive}\n",
        pids__current="1\n",
    )


def test_memory_leaves_out_what_the_kernel_takes_back(settings: Settings) -> None:
    unified(settings, "web", 1000, 5000, 2000)
    unified(settings, "side", 500, 100, 0)
    found = task_usage(settings, "t")
    assert found is not None
    assert (found.cpu_ns, found.memory_bytes) == (1_500_000, 3100)


def test_the_older_hierarchy_has_one_directory_for_each_controller(settings: Settings) -> None:
    group = f"{task_group(settings, 't')}/cid-web"
    write(top(settings) / "cpuacct" / group, cpuacct__usage="7000\n")
    write(
        top(settings) / "memory" / group,
        memory__usage_in_bytes="5000\n",
        memory__limit_in_bytes="9223372036854771712\n",
        memory__stat="inactive_file 1\ntotal_inactive_file 2000\n",
    )
    write(top(settings) / "pids" / group, pids__current="1\n")
    found = task_usage(settings, "t")
    assert found is not None
    assert (found.cpu_ns, found.memory_bytes) == (7000, 3000)


def test_without_groups_nothing_is_known(settings: Settings) -> None:
    assert task_usage(settings, "t") is None
