from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.plane.containers.test_bundle import CONTAINER

from hiyoko.blueprint.tasks import LogRouter, Mount
from hiyoko.plane.containers.firelens import router_paths
from hiyoko.plane.containers.runtime import StartFailed
from hiyoko.plane.containers.volumes import check_places


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    for name in ("dev", "proc", "sys", "data", "var"):
        (tmp_path / name).mkdir()
    (tmp_path / "var" / "devices").symlink_to("/dev")
    return tmp_path


def check(rootfs: Path, *paths: str, own: tuple[str, ...] = ()) -> None:
    mounts = tuple(Mount(f"v{number}", path) for number, path in enumerate(paths))
    check_places(replace(CONTAINER, mounts=mounts), rootfs, own)


def test_volumes_lie_beside_each_other(rootfs: Path) -> None:
    check(rootfs, "/data", "/database", "/var/lib/x/", "/var/lib/y", "/dev/shm", "/new")


def test_user_files_that_the_runtime_would_wait_for_do_not_start(rootfs: Path) -> None:
    """Each start has one of a few places: four such images would keep everybody's tasks waiting."""
    etc = rootfs / "etc"
    etc.mkdir(exist_ok=True)
    check(rootfs)
    os.mkfifo(etc / "group")
    with pytest.raises(StartFailed, match="/etc/group of the image is no file"):
        check(rootfs)
    (etc / "group").unlink()
    for link in ("/dev/stdin", "../proc/self/fd/0", "/"):
        (etc / "passwd").symlink_to(link)
        with pytest.raises(StartFailed, match="/etc/passwd of the image is no file"):
            check(rootfs)
        (etc / "passwd").unlink()
    (etc / "passwd").symlink_to("passwd")
    with pytest.raises(StartFailed, match="too many links"):
        check(rootfs)
    (etc / "passwd").unlink()
    (etc / "passwd").symlink_to("../users")
    (rootfs / "users").write_text("root:x:0:0::/root:/bin/sh")
    check(rootfs)


@pytest.mark.parametrize(
    "path", ["/", "/dev", "/dev/null", "/proc", "/proc/sys", "/sys/fs/cgroup", "/var/devices/pts"]
)
def test_no_volume_takes_the_place_of_what_is_the_containers_own(rootfs: Path, path: str) -> None:
    with pytest.raises(StartFailed, match=f"mounted at {path}: it is the container's own"):
        check(rootfs, path)


def test_no_volume_lies_in_another_where_its_way_could_be_a_link(rootfs: Path) -> None:
    with pytest.raises(StartFailed, match="/data/x/y inside the volume at /data is not supported"):
        check(rootfs, "/data/x/y", "/data")


def test_an_image_whose_devices_are_elsewhere_does_not_start(rootfs: Path) -> None:
    (rootfs / "dev").rmdir()
    (rootfs / "dev").symlink_to("data")
    with pytest.raises(StartFailed, match="/dev of the image is a link"):
        check(rootfs)


@pytest.mark.parametrize("path", ["/run", "/run/app", "/fluent-bit", "/fluent-bit/etc"])
def test_no_volume_hides_what_a_log_router_finds(rootfs: Path, path: str) -> None:
    own = router_paths(LogRouter("fluentbit", ()))
    with pytest.raises(StartFailed, match="mounted at /var: the log router has /var/run"):
        check(rootfs, "/var", own=own)
    (rootfs / "var" / "run").symlink_to("/run")
    check(rootfs, "/fluent-bit/configs", "/var/lib", own=own)
    with pytest.raises(StartFailed, match=f"mounted at {path}: the log router has /"):
        check(rootfs, path, own=own)
