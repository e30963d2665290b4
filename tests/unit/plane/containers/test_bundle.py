from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.golden.golden import check_golden

from hiyoko.blueprint.tasks import Container, Task
from hiyoko.plane.containers.blobs import ImageConfig
from hiyoko.plane.containers.bundle import Identity, arguments, find_identity, render_config
from hiyoko.plane.containers.seccomp import ALLOWED
from hiyoko.plane.user_namespaces import UserNamespace

CONTAINER = Container(
    name="web",
    image="nginx",
    essential=True,
    command=(),
    entry_point=(),
    environment=(("A", "1"), ("PATH", "/only")),
    user="",
    working_directory="",
    cpu_shares=128,
    memory_mib=256,
    read_only_root=True,
    stop_timeout_s=30,
    log=None,
)
TASK = Task(
    arn="arn:aws:ecs:ap-northeast-1:123456789012:task/c/1",
    account="123456789012",
    region="ap-northeast-1",
    zone="ap-northeast-1a",
    eni_id="eni-1",
    vpc_id="vpc-1",
    address=IPv4Address("10.0.1.5"),
    hostname="ip-10-0-1-5.ap-northeast-1.compute.internal",
    resolver=IPv4Address("10.0.0.2"),
    search_domain="ap-northeast-1.compute.internal",
    cpu_units=256,
    memory_mib=512,
    containers=(CONTAINER,),
)
IMAGE = ImageConfig(("/entry",), ("serve",), (("LANG", "C"), ("A", "0")), "", "/srv")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/var/www:/bin/sh\n"
GROUP = "root:x:0:\nweb:x:34:\nlog:x:50:web,other\n"


def test_a_container_is_rendered_whole() -> None:
    config = render_config(
        TASK,
        CONTAINER,
        IMAGE,
        Identity(33, 34, (50,), "/var/www"),
        rootfs=Path("/state/rootfs"),
        files=Path("/state/etc"),
        volumes=Path("/state/volumes"),
        cgroup="/hiyoko-0/1",
    )
    allowed = config["linux"]["seccomp"]["syscalls"][0]
    assert allowed["names"] == list(ALLOWED)
    allowed["names"] = ["(all of seccomp.ALLOWED)"]
    check_golden("containers/config.json", json.dumps(config, indent=1) + "\n")


def test_a_task_of_its_own_users_is_in_their_namespace_and_its_ipc_is_left_to_the_world() -> None:
    controls = (("net.core.somaxconn", "9"), ("kernel.shmmax", "9"), ("fs.mqueue.msg_max", "9"))
    linux = render_config(
        TASK,
        replace(CONTAINER, system_controls=controls),
        IMAGE,
        Identity(),
        rootfs=Path("/state/rootfs"),
        files=Path("/state/etc"),
        volumes=Path("/state/volumes"),
        cgroup=None,
        users=UserNamespace("eni-1", 1879048192),
    )["linux"]
    # The runtime joins it before any other, which are its.
    assert linux["namespaces"][0] == {"type": "user", "path": "/run/userns/eni-1/user"}
    ids = [{"containerID": 0, "hostID": 1879048192, "size": 65536}]
    assert (linux["uidMappings"], linux["gidMappings"]) == (ids, ids)
    assert linux["sysctl"] == {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.core.somaxconn": "9",
    }


def test_where_no_control_group_guards_there_are_no_devices_and_a_bound_on_processes() -> None:
    config = render_config(
        TASK,
        CONTAINER,
        IMAGE,
        Identity(),
        rootfs=Path("/state/rootfs"),
        files=Path("/state/etc"),
        volumes=Path("/state/volumes"),
        cgroup=None,
        processes=100,
    )
    process = config["process"]
    assert "CAP_CHOWN" in process["capabilities"]["bounding"]
    assert not [each for each in process["capabilities"].values() if "CAP_MKNOD" in each]
    assert {"type": "RLIMIT_NPROC", "soft": 100, "hard": 100} in process["rlimits"]


@pytest.mark.parametrize(
    ("entry_point", "command", "wanted"),
    [
        ((), (), ("/entry", "serve")),
        ((), ("other",), ("/entry", "other")),
        (("/mine",), (), ("/mine",)),
        (("/mine",), ("x",), ("/mine", "x")),
    ],
)
def test_the_definition_overrides_the_image(
    entry_point: tuple[str, ...], command: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    container = replace(CONTAINER, entry_point=entry_point, command=command)
    assert arguments(container, IMAGE) == wanted


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("", Identity(0, 0, (), "/root")),
        ("web", Identity(33, 34, (50,), "/var/www")),
        ("33", Identity(33, 34, (50,), "/var/www")),
        ("web:log", Identity(33, 50, (), "/var/www")),
        ("1000:1001", Identity(1000, 1001, (), "/")),
    ],
)
def test_users_are_found_in_the_images_own_files(user: str, wanted: Identity) -> None:
    assert find_identity(user, PASSWD, GROUP) == wanted


@pytest.mark.parametrize("user", ["nobody", "web:none"])
def test_an_unknown_user_is_refused(user: str) -> None:
    with pytest.raises(ValueError, match="unable to find"):
        find_identity(user, PASSWD, GROUP)
