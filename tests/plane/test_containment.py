"""A task tries to get out, in many ways; each must fail, for the right reason.

The attempts are ``escape.pl``, run as root in a container that is made as every task's. The same
program outside of any container is the control: there the attempts get somewhere.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from tests.plane.registry_world import make_container, make_task

from hiyoko.blueprint import example
from hiyoko.blueprint.network import UDP, Network, SecurityGroup, Vpc
from hiyoko.plane import user_namespaces
from hiyoko.plane.containers import bundle
from hiyoko.plane.containers.blobs import ImageConfig
from hiyoko.plane.containers.bundle import CAPABILITIES, Identity, render_config
from hiyoko.plane.containers.cgroups import limits_enforced, own_group, remove_groups
from hiyoko.plane.containers.directory import ContainerDirectory, runtime_id
from hiyoko.plane.containers.layers import unpack
from hiyoko.plane.containers.plane import PROCESSES_MAX
from hiyoko.plane.containers.runtime import Runtime
from hiyoko.plane.containers.trial import users_refused
from hiyoko.plane.log_driver.lines import parse_lines
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.network import NetworkPlane, prepare_internet, steps
from hiyoko.plane.network.names import interface_link
from hiyoko.plane.process import NETNS_DIR
from hiyoko.plane.ready import wait_end
from hiyoko.plane.user_namespaces import UserNamespace
from hiyoko.settings import Settings

SCRIPT = Path(__file__).with_name("escape.pl")
REAL_ROOT = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
KCORE, SYSRQ = Path("/proc/kcore"), Path("/proc/sysrq-trigger")
EPERM, ENOENT, ESRCH, EACCES, EINVAL, EROFS, ENOSYS = 1, 2, 3, 13, 22, 30, 38
NO_FAMILY, REFUSED = 97, 111

WANTED = dict.fromkeys(
    (
        "mount a file system", "make the kernel's settings writable", "mount the control groups",
        "uncover what is masked", "another root", "a new mount interface", "a user namespace",
        "a user namespace by clone", "another's namespace", "a disk of the host's",
        "the memory as a device", "the kernel's log", "a program in the kernel", "a module",
        "another kernel", "events of the processor", "faults as a file", "rings of requests",
        "the host's keyrings", "a file by its handle", "the ports of the machine", "the clock",
        "a restart", "a swap file", "a host name", "addresses that are not random",
        "another address", "another hardware address", "another route",
        "another user by a set-id file", "a mount of its own to map", "a mount with other owners",
        "a mount in another place",
    ),
    f"errno {EPERM}",
) | {
    "a user namespace by clone3": f"errno {ENOSYS}",
    # So that programs fall back, as on an older kernel.
    "a call of a later kernel": f"errno {ENOSYS}",
    # Made where a control group says which devices may be opened, else refused at once.
    "a device in the image": f"errno {EACCES if limits_enforced() else EPERM}",
    "the network's settings": f"errno {EROFS if REAL_ROOT else EACCES}",
    "the kernel's settings": f"errno {EROFS if REAL_ROOT else EACCES}",
    "the memory as a file": "got 0 bytes" if KCORE.exists() else f"errno {ENOENT}",
    # Root of a user namespace may not write there anyway.
    "what runs on a crash": f"errno {EROFS if REAL_ROOT else EACCES}",
    "the magic key": f"errno {EROFS if SYSRQ.exists() else ENOENT}",
    "the kernel's parameters": f"errno {EROFS}",
    "the kernel's ciphers": f"errno {NO_FAMILY}",
    "the hypervisor's sockets": f"errno {NO_FAMILY}",
    "the hypervisor's sockets by an older call": f"errno {ENOSYS}",
    "a process of the world's": f"errno {ESRCH}",
    "files of the host's": f"errno {ENOENT}",
    "files by way of another root": f"errno {ENOENT}",
    "out of a root in the root": f"errno {ENOENT}",
    "the host's loopback": f"errno {REFUSED}",
    "a socket without a file": f"errno {REFUSED}",
}  # fmt: skip
BY_USERS = {
    # What is the kernel's is nobody's here, whether or not it can be written to.
    **dict.fromkeys(
        ("what runs on a crash", "the kernel's settings", "the network's settings"),
        f"errno {EACCES}",
    ),
    "a device in the image": f"errno {EPERM}",
    "another's file": f"errno {EACCES}",
    "another's file as one's own": f"errno {EPERM}",
    "another's file with other rights": f"errno {EPERM}",
    "a file of another's": f"errno {EINVAL}",
    "another's user": f"errno {EINVAL}",
    "another's group": f"errno {EINVAL}",
}
"""What is otherwise where a task has a user namespace of its own."""
BY_USERS_ALONE = [
    *(attempt for attempt in BY_USERS if attempt != "the network's settings"),
    *("a disk of the host's", "the memory as a device", "the kernel's log", "the clock"),
    *("a swap file", "files of the host's"),
]
"""What that namespace refuses when no other wall stands."""
LEFT_OUTSIDE = {
    "a disk of the host's", "the memory as a device", "a device in the image",
    "out of a root in the root", "another user by a set-id file", "a file of another's",
    "the hypervisor's sockets by an older call",
}  # fmt: skip
"""What the control does not do: it would leave something."""
HOST_DEPENDENT = {
    "the kernel's ciphers", "the hypervisor's sockets", "the memory as a file", "the magic key",
    "a call of a later kernel",
}  # fmt: skip
"""What a host's kernel may lack, too."""

ALL_CAPABILITIES = [
    "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE",
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER",
    "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP",
    "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT",
    "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG",
    "WAKE_ALARM",
]  # fmt: skip
MOUNTS = [
    "/", "/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/etc/aws-ca-bundle.pem", "/etc/hostname",
    "/etc/hosts", "/etc/resolv.conf", "/proc", "/sys",
]  # fmt: skip
DEVICES = "fd,full,mqueue,null,ptmx,pts,random,shm,stderr,stdin,stdout,tty,urandom,zero"
HARMLESS_MOUNTS = {*bundle.MASKED, *bundle.READ_ONLY} | {
    f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")
}
"""What only takes something away, and a rootless container's devices."""
FOREIGN = "foreign"
CHILDREN = 32
PORT = 4999
ETH_ALL = 0x0003


# --- the image


def old_call(family: int) -> bytes:
    """A 32-bit program: ``socketcall(SYS_SOCKET, {family, SOCK_STREAM, 0})``, and out with errno.

    The call takes its arguments from memory, where no filter of calls looks (socketcall(2)).
    """
    base, headers = 0x08048000, 52 + 32
    code = bytes.fromhex("b866000000 bb01000000 b900000000 cd80")  # eax, ebx, ecx; int 0x80
    code += bytes.fromhex("89c3 f7db 85c0 7805 bb00000000")  # ebx: -eax, or 0 if that was none
    code += bytes.fromhex("b801000000 cd80")  # exit(ebx)
    at = struct.pack("<I", base + headers + len(code))
    code = code[:11] + at + code[15:] + struct.pack("<3I", family, socket.SOCK_STREAM, 0)
    size = headers + len(code)
    head = struct.pack(
        "<16s2H5I6H", b"\x7fELF\1\1\1", 2, 3, 1, base + headers, 52, 0, 0, 52, 32, 1, 40, 0, 0
    )
    return head + struct.pack("<8I", 1, 0, base, base, size, size, 7, 0x1000) + code


def make_layer(directory: Path) -> Path:
    """busybox, perl, and id as a set-id file, unpacked as an image's layer is."""
    perl, identify = shutil.which("perl"), shutil.which("id")
    assert perl
    assert identify
    command = ["ldd", perl, identify]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    libraries = set(re.findall(r"(/\S+) \(0x", listed))
    archive = directory / "layer.tar"
    with tarfile.open(archive, "w", dereference=True) as tar:
        for path in ("/bin/busybox", perl, *libraries):
            tar.add(path)
        tar.add(SCRIPT, "escape.pl")
        for name in ("sh", "ip"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        text = Path(identify).read_bytes()
        info = tarfile.TarInfo("bin/suid-id")
        info.size, info.mode = len(text), 0o4755
        tar.addfile(info, io.BytesIO(text))
        text = old_call(socket.AF_VSOCK)
        info = tarfile.TarInfo("bin/old-vsock")
        info.size, info.mode = len(text), 0o755
        tar.addfile(info, io.BytesIO(text))
        for name in ("mnt", "proc", "sys", "dev", "etc"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
    layer = directory / "layers" / "0"
    layer.mkdir(parents=True)
    unpack(archive, layer)
    layer.chmod(0o755)
    return layer


# --- packets


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def ethernet(source: str, target: str, kind: int, payload: bytes) -> bytes:
    macs = bytes.fromhex((target + source).replace(":", ""))
    return macs + struct.pack("!H", kind) + payload


def datagram(source: object, target: object, text: str, options: bytes = b"") -> bytes:
    """An IPv4 packet with a UDP datagram to port 9."""
    body = struct.pack("!4H", 9, 9, 8 + len(text), 0) + text.encode()
    head = struct.pack(
        "!BBHHHBBH4s4s",
        *(0x45 + len(options) // 4, 0, 20 + len(options) + len(body), 1, 0, 64, UDP, 0),
        *(IPv4Address(str(each)).packed for each in (source, target)),
    )
    head += options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def frames() -> dict[str, bytes]:
    """What a task sends with a socket of packets. Only ``first`` and ``last`` are honest."""
    me, peer = example.TASK_A, example.TASK_C
    router = IPv4Address("10.0.0.2")

    def packet(
        name: str, address: object = me.address, *, source: str = me.mac, target: str = me.mac
    ) -> bytes:
        return ethernet(source, target, 0x0800, datagram(address, peer.address, name))

    arp = struct.pack(
        "!HHBBH6s4s6s4s",
        *(1, 0x0800, 6, 4, 2, bytes.fromhex(me.mac.replace(":", "")), router.packed),
        *(bytes.fromhex(peer.mac.replace(":", "")), peer.address.packed),
    )
    neighbour = struct.pack("!IHBB", 0x60000000, 8, 58, 255) + bytes.fromhex(
        "fe800000000000000000000000000001ff020000000000000000000000000001"
    )
    by_router = bytes((131, 7, 4, *peer.address.packed, 0))
    return {
        "first": packet("first"),
        "balancer": packet("balancer", example.BALANCER.address),
        "itself": packet("itself", peer.address),
        "outside": packet("outside", "198.18.0.80"),
        "loopback": packet("loopback", "127.0.0.1"),
        "hardware": packet("hardware", source=peer.mac),
        "direct": packet("direct", target=peer.mac),
        "routed": ethernet(
            me.mac, me.mac, 0x0800, datagram(me.address, router, "routed", by_router)
        ),
        "everybody": ethernet(
            me.mac, "ff:ff:ff:ff:ff:ff", 0x0800,
            datagram(me.address, "255.255.255.255", "everybody"),
        ),
        "arp": ethernet(me.mac, "ff:ff:ff:ff:ff:ff", 0x0806, arp + b"arp"),
        "arp-peer": ethernet(me.mac, peer.mac, 0x0806, arp + b"arp-peer"),
        "ipv6": ethernet(me.mac, "33:33:00:00:00:01", 0x86DD, neighbour + b"\x86\0\0\0ipv6"),
        "tagged": ethernet(
            me.mac, me.mac, 0x8100,
            struct.pack("!HH", 7, 0x0800) + datagram(me.address, peer.address, "tagged"),
        ),
        "last": packet("last"),
    }  # fmt: skip


@contextmanager
def tap(netns: str, device: str) -> Iterator[socket.socket]:
    """Everything that arrives at a device."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
        made.bind((device, ETH_ALL))
        return made

    with in_namespace(NETNS_DIR / netns, make) as listening:
        yield listening


def arrived(listening: socket.socket, names: list[str]) -> list[str]:
    """The frames that arrived, by their names, until the last one did."""
    found: list[str] = []
    end = time.monotonic() + 5
    while "last" not in found and select.select([listening], [], [], end - time.monotonic())[0]:
        data, (_, _, kind, _, _) = listening.recvfrom(2048)
        if kind != socket.PACKET_OUTGOING:
            found += [name for name in names if data.rstrip(b"\0").endswith(name.encode())]
    return found


# --- one run of the attempts, inside and outside


@dataclass(frozen=True)
class Ran:
    """What the attempts said, and which frames came to the router's door and to the peer.

    ``users``: the task's user namespace, where there can be one; ``bare``: what they said where it
    was the only wall.
    """

    said: dict[str, str]
    at_router: list[str]
    at_peer: list[str]
    users: UserNamespace | None
    bare: dict[str, str]


def make_foreign(path: Path, owner: int) -> None:
    """A file that only its owner may open."""
    path.touch(mode=0o600)
    os.chown(path, owner, owner)


def read(lines: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines.splitlines() if ": " in line)


def open_vpc() -> Vpc:
    """Tasks may send each other anything."""
    vpc = example.example_vpc()
    group = SecurityGroup(
        example.TASK_GROUP,
        ingress=(example.allow(example.EVERYWHERE),),
        egress=(example.allow(example.EVERYWHERE),),
    )
    return replace(vpc, groups=(vpc.groups[0], group))


async def apply(network: Network, *, users: bool = False) -> None:
    plane = NetworkPlane(users)
    for step in steps(network, await plane.observe()):
        await plane.apply(step)


def without_walls(document: dict[str, Any]) -> None:
    """Take away what keeps a container in, but for its namespaces."""
    every = [f"CAP_{name}" for name in ALL_CAPABILITIES]
    sets = ("bounding", "effective", "inheritable", "permitted", "ambient")
    document["process"] |= {"capabilities": dict.fromkeys(sets, every), "noNewPrivileges": False}
    for name in ("seccomp", "maskedPaths", "readonlyPaths"):
        del document["linux"][name]
    document["linux"].get("resources", {}).pop("devices", None)


async def run_in_container(
    settings: Settings, layer: Path, script: tuple[str, ...], *, bare: bool = False
) -> dict[str, str]:
    """Run the attempts as the one container of a task on TASK_A's interface, to its end."""
    container = make_container("image", memory_mib=256)
    task = replace(
        make_task(1, container),
        eni_id=example.TASK_A.eni_id,
        vpc_id=example.VPC_ID,
        address=example.TASK_A.address,
    )
    cid = runtime_id(task.arn, container.name)
    place = settings.task_dir / str(bare) / "web"
    files = ContainerDirectory(place, "web", cid, place)
    etc = files.path / "etc"
    etc.mkdir(parents=True)
    for name in ("resolv.conf", "hosts", "hostname", "trust.pem"):
        (etc / name).write_text("")
    runtime = Runtime(settings.run_dir / "runc")
    users = user_namespaces.find(task.eni_id)
    await runtime.mount(files, [layer], users)
    other = user_namespaces.find(example.TASK_C.eni_id)
    stranger = other.first if other is not None else 0
    make_foreign(files.rootfs / FOREIGN, stranger)
    script = (*script[:5], f"/{FOREIGN}", str(stranger), *script[5:])
    container = replace(container, command=("perl", "/escape.pl", *script))
    try:
        document = render_config(
            task,
            container,
            ImageConfig(),
            Identity(),
            rootfs=files.rootfs,
            files=etc,
            volumes=settings.task_dir / "1" / "volumes.d",
            cgroup=f"/{own_group(settings)}/{cid}" if limits_enforced() else None,
            open_files=1024,
            processes=PROCESSES_MAX,
            users=users,
        )
        if bare:
            without_walls(document)
        (files.bundle / "config.json").write_text(json.dumps(document))
        await runtime.create(files)
        await runtime.start(files)
        monitor = files.monitor()
        assert monitor is None or await wait_end(monitor, 30)
    finally:
        await runtime.delete(files)
        await runtime.unmount(files)
        remove_groups(settings)
    said = read("\n".join(line.message for line in parse_lines(files.log.read_bytes())))
    assert "children" in said, said
    return said


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """What there is to be reached of the world, listening where it should not be heard."""
    state = tmp_path_factory.mktemp("state")
    abstract = f"hiyoko-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", PORT)):
        unix.bind(f"\0{abstract}")
        unix.listen()
        yield (str(state), str(os.getpid()), str(PORT), abstract)


@pytest.fixture(scope="module")
def inside(arguments: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """The attempts in a task."""
    settings = Settings(Path(arguments[0]))
    settings.run_dir.mkdir()
    sent = frames()

    async def attempt() -> Ran:
        await prepare_internet()
        vpc = open_vpc()
        isolated = not await users_refused(settings.image_dir)
        await apply(Network((vpc,)), users=isolated)
        try:
            link = interface_link(example.TASK_A.eni_id)
            with tap(vpc.vpc_id, link) as router, tap(example.TASK_C.eni_id, "eth0") as peer:
                given = [f"{name}={frame.hex()}" for name, frame in sent.items()]
                layer = make_layer(settings.state_dir)
                script = ("inside", *arguments, "eth0")
                said = await run_in_container(settings, layer, (*script, *given))
                frames_seen = arrived(router, list(sent)), arrived(peer, list(sent))
                users = user_namespaces.find(example.TASK_A.eni_id)
                bare = await run_in_container(settings, layer, script, bare=True) if users else {}
                return Ran(said, *frames_seen, users, bare)
        finally:
            await apply(Network())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "PROCESSES", CHILDREN)
        yield asyncio.run(attempt())


@pytest.fixture(scope="module")
def outside(arguments: tuple[str, ...]) -> dict[str, str]:
    """The same attempts in the world, with all of root's powers."""
    foreign = Path(arguments[0], FOREIGN)
    make_foreign(foreign, user_namespaces.FIRST if REAL_ROOT else 0)
    device = ("ip", "link", "add", "t-out", "type", "veth", "peer", "name", "t-end")
    subprocess.run(device, check=True)
    try:
        subprocess.run(["ip", "link", "set", "t-out", "up"], check=True)
        command = ["unshare", "--mount", "--uts", "perl", str(SCRIPT), "outside", *arguments]
        command += [str(foreign), str(user_namespaces.FIRST), "t-out"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        subprocess.run(["ip", "link", "delete", "t-out"], check=True)
    return read(done.stdout)


@pytest.mark.parametrize("attempt", sorted(WANTED | BY_USERS))
def test_no_way_leads_out(inside: Ran, attempt: str) -> None:
    wanted = WANTED if inside.users is None else WANTED | BY_USERS
    if attempt not in wanted:
        pytest.skip("tasks have no user namespaces here")
    assert inside.said[attempt] == wanted[attempt]


@pytest.mark.parametrize("attempt", BY_USERS_ALONE)
def test_where_every_other_wall_has_fallen_the_users_are_one(inside: Ran, attempt: str) -> None:
    if inside.users is None:
        pytest.skip("tasks have no user namespaces here")
    assert inside.bare["a host name"] == "got 0", "the control: nothing else holds it"
    assert inside.bare[attempt] == (WANTED | BY_USERS)[attempt]


def test_root_in_a_task_is_somebody_else_outside(inside: Ran) -> None:
    if inside.users is None:
        pytest.skip("tasks have no user namespaces here")
    assert inside.said["ids"] == f"0 {inside.users.first} {user_namespaces.IDS}"
    assert inside.users.first >= user_namespaces.FIRST


@pytest.mark.skipif(not REAL_ROOT, reason="root of a user namespace is refused some of these too")
@pytest.mark.parametrize(
    "attempt", sorted((WANTED | BY_USERS).keys() - LEFT_OUTSIDE - HOST_DEPENDENT)
)
def test_outside_the_same_attempt_gets_somewhere(outside: dict[str, str], attempt: str) -> None:
    assert outside[attempt] not in (WANTED.get(attempt), BY_USERS.get(attempt))


def test_a_task_has_nothing_but_what_it_is_given(inside: Ran) -> None:
    said = inside.said
    assert re.fullmatch(r"/dev/null,pipe:\[\d+\],pipe:\[\d+\]", said["fds"])
    assert set(said["mounts"].split(",")) - HARMLESS_MOUNTS == set(MOUNTS)
    assert said["devices"].removeprefix("core,") == DEVICES
    assert said["groups"] == ""
    places = {"ECS_AGENT_URI", "ECS_CONTAINER_METADATA_URI", "ECS_CONTAINER_METADATA_URI_V4"}
    given = {"PATH", "HOSTNAME", "HOME"} | places
    assert set(said["variables"].split(",")) == given | set(bundle.TRUST_VARIABLES)


def test_a_task_has_few_powers_and_gets_no_more(inside: Ran) -> None:
    status = dict(each.split("=") for each in inside.said["status"].split())
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["CapBnd"], 16).bit_count() == len(CAPABILITIES) - (not limits_enforced())


@pytest.mark.skipif(not limits_enforced(), reason="no control group counts processes here")
def test_a_fork_bomb_ends(inside: Ran, outside: dict[str, str]) -> None:
    assert int(inside.said["children"]) == CHILDREN - 1
    assert outside["children"] == "200"


def test_a_task_sends_from_its_own_addresses_or_not_at_all(inside: Ran) -> None:
    assert {inside.said[f"frame {name}"] for name in frames()} == {"sent"}
    assert inside.at_router == list(frames()), "the control: all of them left the task"
    assert inside.at_peer == ["first", "last"]
