"""A helper's control group, as version 2 of the hierarchy wants it made."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiyoko.plane.containers import cgroups
from hiyoko.settings import Settings


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    top = tmp_path / "cgroup"
    top.mkdir()
    (top / "cgroup.controllers").touch()
    monkeypatch.setattr(cgroups, "CGROUPS", top)
    return top


def test_a_helper_has_controllers_from_above_and_its_share_of_the_task(
    unified: Path, tmp_path: Path
) -> None:
    settings = Settings(tmp_path / "state")
    (door,) = cgroups.place_helper(settings, "t", "eni-1", 256)
    own, task = unified / cgroups.own_group(settings), unified / cgroups.task_group(settings, "t")
    assert door == task / "eni-1" / "cgroup.procs"
    for above in (unified, own, task):
        assert (above / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    # A cgroup that has processes gives no controllers on.
    assert not (task / "eni-1" / "cgroup.subtree_control").exists()
    assert (task / "eni-1" / "cpu.weight").read_text() == "10"
