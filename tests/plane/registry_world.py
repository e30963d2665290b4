"""A registry and a task's network interface in a throw-away world, for the container tests."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import hashlib
import io
import json
import os
import re
import signal
import socket
import ssl
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import hiyoko.services.ecr  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.blueprint.tasks import Container, Task, Tasks
from hiyoko.gateway.layer_bucket import LayerBucket
from hiyoko.gateway.public_images import Porter
from hiyoko.gateway.registry import RegistryHandler
from hiyoko.gateway.server import Gateway
from hiyoko.neighbours import Neighbours
from hiyoko.plane import user_namespaces
from hiyoko.plane.containers.blobs import (
    Blobs,
    BuildFailed,
    BuiltImage,
    Fault,
    FetchedImage,
    FetchFailed,
)
from hiyoko.plane.containers.directory import ContainerState, Progress, task_id
from hiyoko.plane.containers.plane import ContainerPlane
from hiyoko.plane.containers.steps import ContainersState, steps
from hiyoko.plane.containers.trial import users_refused
from hiyoko.plane.containers.uploads import Uploads
from hiyoko.plane.log_driver.control import LogDriverPlane
from hiyoko.plane.log_driver.lines import parse_lines
from hiyoko.plane.process import run
from hiyoko.plane.ready import wait_end
from hiyoko.porter.build import add_manifest
from hiyoko.services.ecr.layer_store import use_layer_store
from hiyoko.services.ecr.rows import find_repository
from hiyoko.settings import Settings
from hiyoko.store.database import Store

ACCOUNT, REGION = "123456789012", "ap-northeast-1"
ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ECR_API = f"api.ecr.{REGION}.amazonaws.com"
LAYERS = f"prod-{REGION}-starport-layer-bucket.s3.{REGION}.amazonaws.com"
LOGS = f"logs.{REGION}.amazonaws.com"
KEEPERS = tuple(
    f"{name}.{REGION}.amazonaws.com" for name in ("s3", "ssm", "secretsmanager", "ssmmessages")
)
ENDPOINT = "198.18.0.80"
ENI = "eni-0123456789abcdef0"
APPLETS = (
    "sh",
    "sleep",
    "cat",
    "echo",
    "id",
    "httpd",
    "wget",
    "true",
    "false",
    "ip",
    "test",
    "touch",
)


class NoPorter:
    """Nothing is ever built, and the internet has no image."""

    async def build(self, name: str) -> BuiltImage:
        raise BuildFailed(f"no {name} here")

    async def fetch(self, name: str, reference: str) -> FetchedImage:
        raise FetchFailed(Fault.ABSENT, f"no {name}:{reference}")


def make_certificate(directory: Path, names: tuple[str, ...]) -> tuple[Path, Path]:
    """A self-signed certificate, which is its own authority, and its key with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    trust, both = directory / "trust.pem", directory / "server.pem"
    trust.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return trust, both


def add_busybox(
    blobs: Blobs,
    command: tuple[str, ...],
    machine: int | None = None,
    more: Callable[[tarfile.TarFile], None] = lambda _: None,
) -> dict[str, Any]:
    """An image of busybox, in the store; its manifest's digest, type and size.

    ``machine``: its ELF header says that it is for another one (elf(5), e_machine). ``more`` adds
    to the one layer.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        program = bytearray(Path("/bin/busybox").read_bytes())
        if machine is not None:
            program[18:20] = machine.to_bytes(2, "little")
        binary = tarfile.TarInfo("bin/busybox")
        binary.size, binary.mode = len(program), 0o755
        archive.addfile(binary, io.BytesIO(program))
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for path, text in {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/:/bin/sh\n",
            "etc/group": "root:x:0:\nweb:x:33:\n",
        }.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
        more(archive)
    layer = blobs.add(buffer.getvalue())
    diff = f"sha256:{hashlib.sha256(gzip.decompress(buffer.getvalue())).hexdigest()}"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": list(command)},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
    }
    size = blobs.path(layer).stat().st_size
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    return add_manifest(blobs, config, [{"mediaType": media_type, "digest": layer, "size": size}])


def push(
    store: Store,
    settings: Settings,
    name: str,
    tag: str,
    command: tuple[str, ...],
    more: Callable[[tarfile.TarFile], None] = lambda _: None,
) -> str:
    """A busybox image, or one with more in it, in an ECR repository; its digest."""
    image = add_busybox(Blobs(settings.image_dir), command, more=more)
    return put_manifest(store, settings, name, tag, image)


def push_index(
    store: Store, settings: Settings, name: str, tag: str, command: tuple[str, ...]
) -> str:
    """The image for amd64 beside one for arm64, which can't run here; the index's digest."""
    blobs = Blobs(settings.image_dir)
    members = []
    for architecture, machine in (("amd64", None), ("arm64", 183)):
        image = add_busybox(blobs, command, machine)
        put_manifest(store, settings, name, "", image)
        members.append(
            {
                "mediaType": image["media_type"],
                "digest": image["digest"],
                "size": image["size"],
                "platform": {"os": "linux", "architecture": architecture},
            }
        )
    media_type = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": members}
    body = json.dumps(index).encode()
    made = {"digest": blobs.add(body), "media_type": media_type, "size": len(body)}
    return put_manifest(store, settings, name, tag, made)


def put_manifest(
    store: Store, settings: Settings, name: str, tag: str, image: dict[str, Any]
) -> str:
    """A manifest that is in the blob store becomes an image of a repository; its digest."""
    blobs = Blobs(settings.image_dir)
    with store.reading() as tx:
        known = find_repository(tx, ACCOUNT, REGION, name)
    if known is None:
        api.invoke(store, "ecr", "CreateRepository", {"repositoryName": name})
    api.invoke(
        store,
        "ecr",
        "_PutManifest",
        {
            "repositoryName": name,
            **({"tag": tag} if tag else {}),
            "digest": image["digest"],
            "mediaType": image["media_type"],
            "size": image["size"],
            "manifest": blobs.read(image["digest"]).decode(),
        },
    )
    digest: str = image["digest"]
    return digest


class Names(asyncio.DatagramProtocol):
    """Answers every question with the endpoint's address."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        name = question.question[0].name
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", ENDPOINT))
        self.transport.sendto(answer.to_wire(), addr)


@dataclass(frozen=True, slots=True)
class RegistryWorld:
    """What the tests need of it."""

    store: Store
    settings: Settings
    trust: Path
    neighbours: Neighbours


@asynccontextmanager
async def registry_world(
    directory: Path, porter: Porter | None = None
) -> AsyncIterator[RegistryWorld]:
    """The registry on 198.18.0.80:443, a resolver, and a task's namespace routed to both."""
    settings = Settings(directory)
    settings.run_dir.mkdir(exist_ok=True)
    use_layer_store(Uploads(settings.image_dir))
    store = Store.open(":memory:")
    names_served = (
        ECR,
        ECR_API,
        LAYERS,
        LOGS,
        *KEEPERS,
        "registry-1.docker.io",
        "public.ecr.aws",
        "ghcr.io",
    )
    trust, server = make_certificate(directory, names_served)
    if not await users_refused(settings.image_dir):
        await user_namespaces.add([ENI])
    else:
        await run("ip", "netns", "add", ENI)
    await run("ip", "link", "add", "e-test", "type", "veth", "peer", "name", "eth0", "netns", ENI)
    for command in (
        "ip addr add 10.0.0.2/24 dev e-test",
        "ip link set e-test up",
        f"ip addr replace {ENDPOINT}/32 dev lo",
    ):
        await run(*command.split())
    for command in (
        "ip link set lo up",
        "ip addr add 10.0.0.5/24 dev eth0",
        "ip link set eth0 up",
        "ip route add default via 10.0.0.2",
    ):
        await run(*command.split(), netns=ENI)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    handler = RegistryHandler(store, settings, porter or NoPorter())
    neighbours = Neighbours()
    gateway = Gateway(store, settings, neighbours=neighbours)
    for host in names_served:
        if host not in (ECR_API, LAYERS, LOGS, *KEEPERS):
            gateway.register_host(host, handler.handle)
    gateway.register_host(LAYERS, LayerBucket(store, settings).handle)
    await gateway.serve(socket.create_server((ENDPOINT, 443)), context)
    loop = asyncio.get_running_loop()
    names, _ = await loop.create_datagram_endpoint(Names, local_addr=("10.0.0.2", 53))
    try:
        yield RegistryWorld(store, settings, trust, neighbours)
    finally:
        await end_log_driver(settings)
        names.close()
        await gateway.close()
        await run("ip", "link", "delete", "e-test")
        await run("ip", "netns", "delete", ENI)
        user_namespaces.drop([ENI])
        store.close()


async def end_log_driver(settings: Settings) -> None:
    """What ends with the world ends with the test."""
    pid = LogDriverPlane(settings.task_dir, settings.run_dir / "log_driver").pid()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        await wait_end(pid, 20)
    # Of connections that were being made the server hears in the loop's next turns.
    for _ in range(5):
        await asyncio.sleep(0)


def make_task(number: int, *containers: Container, run: bool = True) -> Task:
    """A task on the test's interface."""
    return Task(
        arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/c/{number:032x}",
        account=ACCOUNT,
        region=REGION,
        zone=f"{REGION}a",
        eni_id=ENI,
        vpc_id="vpc-1",
        address=IPv4Address("10.0.0.5"),
        hostname="ip-10-0-0-5.ap-northeast-1.compute.internal",
        resolver=IPv4Address("10.0.0.2"),
        search_domain="ap-northeast-1.compute.internal",
        cpu_units=256,
        memory_mib=512,
        containers=containers,
        run=run,
    )


def make_container(image: str, *command: str, **more: Any) -> Container:
    """A container with everything else at its default."""
    settings: dict[str, Any] = {
        "name": "web",
        "image": image,
        "essential": True,
        "command": command,
        "entry_point": (),
        "environment": (),
        "user": "",
        "working_directory": "",
        "cpu_shares": 2,
        "memory_mib": None,
        "read_only_root": False,
        "stop_timeout_s": 5,
        "log": None,
        **more,
    }
    return Container(**settings)


class Driver:
    """What the reconciler does, without its store."""

    def __init__(self, world: RegistryWorld) -> None:
        self.world = world
        self.woken = asyncio.Event()
        self.plane = self.restarted()

    def restarted(self) -> ContainerPlane:
        """A plane that remembers nothing."""
        self.plane = ContainerPlane(self.world.settings, self.world.trust, self.woken.set)
        return self.plane

    async def turn(self, *tasks: Task) -> tuple[list[str], ContainersState]:
        seen = await self.plane.observe()
        taken = list(steps(Tasks(tasks), seen))
        for step in taken:
            await self.plane.apply(step)
        after = await self.plane.observe()
        self.plane.check_health(tasks, after)
        return [str(step) for step in taken], after

    async def settle(self, *tasks: Task) -> ContainersState:
        """Until nothing is left to do."""
        async with asyncio.timeout(90):
            while True:
                self.woken.clear()
                taken, seen = await self.turn(*tasks)
                if not taken and not seen.busy:
                    return seen
                if seen.busy:
                    await self.woken.wait()

    async def until(self, task: Task, status: str) -> ContainerState:
        return await self.until_container(task, "web", status)

    async def until_container(self, task: Task, name: str, status: str) -> ContainerState:
        async with asyncio.timeout(60):
            while True:
                self.woken.clear()
                seen = await self.settle(task)
                found = seen.tasks[task_id(task.arn)].containers[name]
                if found.status == status:
                    return found
                await self.woken.wait()

    async def exited(self, task: Task) -> ContainerState:
        """What is seen of a stopping task's container once it has ended."""
        async with asyncio.timeout(60):
            while True:
                self.woken.clear()
                seen = await self.plane.observe()
                found = seen.tasks[task_id(task.arn)].containers["web"]
                if found.exit_code is not None:
                    return found
                await self.woken.wait()

    def progress(self, task: Task) -> Progress:
        found = self.plane.directory(task.arn).read()
        assert found is not None
        return found

    async def line(self, task: Task, pattern: str, name: str = "web") -> str:
        """Wait until the container has printed such a line."""
        log = self.plane.directory(task.arn).container(task.arn, name).log
        async with asyncio.timeout(30):
            while True:
                for line in parse_lines(log.read_bytes() if log.exists() else b""):
                    if re.search(pattern, line.message):
                        return line.message
                await asyncio.sleep(0.02)
