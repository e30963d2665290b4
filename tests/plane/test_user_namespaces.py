"""User namespaces of tasks: whose networks are, what is left of them, and where there are none."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hiyoko.blueprint import example
from hiyoko.blueprint.network import Network
from hiyoko.plane import user_namespaces
from hiyoko.plane.containers.cgroups import real_root
from hiyoko.plane.containers.trial import ROOTLESS, users_refused
from hiyoko.plane.network import NetworkPlane, prepare_internet, steps
from hiyoko.plane.process import NETNS_DIR, run
from hiyoko.plane.user_namespaces import IDS, USERNS_DIR, UserNamespace

NS_GET_USERNS = 0xB701
"""ioctl_ns(2)"""

pytestmark = pytest.mark.skipif(not real_root(), reason="an ordinary user has one range of ids")


def owner(netns: str) -> int:
    """The user namespace that a network namespace belongs to, by its number."""
    with (NETNS_DIR / netns).open("rb") as network:
        users = fcntl.ioctl(network, NS_GET_USERNS)
    try:
        return os.fstat(users).st_ino
    finally:
        os.close(users)


def found(name: str) -> UserNamespace:
    users = user_namespaces.find(name)
    assert users is not None
    return users


def left() -> list[str]:
    return sorted(path.name for path in USERNS_DIR.iterdir()) if USERNS_DIR.is_dir() else []


def number(path: Path) -> int:
    return path.stat().st_ino


@pytest.fixture
async def names() -> AsyncIterator[tuple[str, str]]:
    """Two names; nothing is left of them afterwards."""
    made = ("eni-1", "eni-2")
    yield made
    for name in made:
        if (NETNS_DIR / name).exists():
            await run("ip", "netns", "delete", name)
    user_namespaces.drop(made)
    assert left() == []
    assert "userns" not in await run("mount")


async def settle(network: Network) -> None:
    plane = NetworkPlane(users=True)
    for step in steps(network, await plane.observe()):
        await plane.apply(step)


async def test_only_what_runs_tasks_lies_in_namespaces_of_its_own() -> None:
    await prepare_internet()
    await settle(Network((example.example_vpc(),)))
    tasks = [example.TASK_A.eni_id, example.TASK_C.eni_id]
    try:
        assert left() == sorted(tasks)
        world = number(Path("/proc/self/ns/user"))
        for name in tasks:
            assert owner(name) == number(found(name).path) != world
        for each in (example.BALANCER, example.NAT_INTERFACE):
            assert owner(each.eni_id) == world
    finally:
        await settle(Network())
    assert left() == []


async def test_what_a_killed_daemon_began_is_begun_anew(names: tuple[str, str]) -> None:
    first, second = names
    await user_namespaces.add([first])
    before = found(first)
    # Killed before the network had its name; and, of another, before the namespace was pinned.
    await run("ip", "netns", "delete", first)
    (NETNS_DIR / first).touch()
    half = UserNamespace(second, 0)
    half.layers.mkdir(parents=True)
    half.path.touch()
    assert user_namespaces.find(second) is None
    await user_namespaces.add([first, second])
    assert found(first) == before
    for name in names:
        assert owner(name) == number(found(name).path)


async def test_a_range_that_was_given_to_somebody_is_kept_from(
    names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = names
    await user_namespaces.add([first])
    taken = found(first).first
    await run("ip", "netns", "delete", first)
    given = tmp_path / "subuid"
    given.write_text(f"ada:{taken + 5}:1\n")
    monkeypatch.setattr(user_namespaces, "SUBORDINATE", (given, tmp_path / "none"))
    await user_namespaces.add([first, second])
    ranges = {found(name).first for name in names}
    assert len(ranges) == 2
    assert taken not in ranges
    shown = await run("nsenter", f"--user={found(first).path}", "cat", "/proc/self/uid_map")
    assert shown.split() == ["0", str(found(first).first), str(IDS)]


async def test_where_owners_cannot_be_mapped_it_is_said_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    assert await users_refused(tmp_path / "images") == ""
    for name in ("lower", "upper", "work", "overlay", "plain"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    await run("mount", "-t", "overlay", "overlay", "-o", layers, str(tmp_path / "overlay"))
    await run("mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", str(tmp_path / "plain"))
    try:
        assert "map the owners of " in await users_refused(tmp_path / "overlay" / "images")
        assert "mounted with noexec" in await users_refused(tmp_path / "plain" / "images")
    finally:
        for name in ("overlay", "plain"):
            await run("umount", str(tmp_path / name))
    assert list((tmp_path / "images").iterdir()) == []
    assert left() == []


async def test_an_ordinary_users_ids_are_one_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hiyoko.plane.containers.trial.real_root", lambda: False)
    assert await users_refused(tmp_path) == ROOTLESS
