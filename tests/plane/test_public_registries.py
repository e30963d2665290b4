"""Images of the internet: a real registry with TLS and bearer tokens, the porter, and a task.

Debian's docker-registry stands for ghcr.io, by the setting that names mirrors.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.plane.registry_world import (
    Driver,
    RegistryWorld,
    add_busybox,
    make_certificate,
    make_container,
    make_task,
    registry_world,
)

from hiyoko.gateway.public_images import PublicImages
from hiyoko.plane.containers.blobs import Blobs, Fault, FetchFailed
from hiyoko.plane.containers.cgroups import remove_groups
from hiyoko.plane.process import run
from hiyoko.porter.client import PorterClient
from hiyoko.porter.remote import MIRRORS_VARIABLE
from hiyoko.porter.server import SOCKET_NAME

PORT, TOKEN_PORT = 5443, 5444
CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {directory}/data}}}}
http:
  addr: 127.0.0.1:{port}
  tls: {{certificate: {server}, key: {server}}}
auth:
  token:
    realm: http://127.0.0.1:{token_port}/token
    service: tests
    issuer: tests
    rootcertbundle: {trust}
"""


def says(word: str) -> tuple[str, ...]:
    """A command that says a word and ends when it is told to."""
    return ("sh", "-c", f"trap exit TERM; echo {word}; while :; do sleep 0.05; done")


@dataclass
class Upstream:
    """The real registry and whoever hands out its tokens to anybody."""

    directory: Path
    trust: Path
    server: Path
    tokens: list[str] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        config = self.directory / "registry.yml"
        config.write_text(
            CONFIG.format(
                directory=self.directory,
                port=PORT,
                token_port=TOKEN_PORT,
                trust=self.trust,
                server=self.server,
            )
        )
        program = shutil.which("docker-registry")
        assert program is not None, "apt-get install docker-registry"
        environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
        self.process = await asyncio.create_subprocess_exec(
            program, "serve", str(config), env=environment
        )
        ask = f"curl -sS -o /dev/null --cacert {self.trust} https://localhost:{PORT}/v2/"
        # It tells nobody that it listens.
        await run("sh", "-c", f"until {ask}; do sleep 0.05; done", timeout_s=60)

    async def stop(self) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def token(self, request: web.BaseRequest) -> web.Response:
        """https://distribution.github.io/distribution/spec/auth/token/."""
        scope = request.rel_url.query.get("scope", "")
        self.tokens.append(scope)
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}] if scope else []
        now = int(time.time())
        pem = self.server.read_bytes()
        certificate = ssl.PEM_cert_to_DER_cert(self.trust.read_text())
        key = load_pem_private_key(pem, None)
        claims = {"iss": "tests", "sub": "", "aud": "tests", "jti": "1", "access": access}
        times = {"iat": now, "nbf": now - 10, "exp": now + 300}
        header = {"x5c": [base64.b64encode(certificate).decode()]}
        text = jwt.encode(claims | times, key, "ES256", header)  # type: ignore[arg-type]
        return web.json_response({"token": text})

    async def push(self, name: str, command: tuple[str, ...]) -> str:
        """Push a busybox image that runs a command; its digest."""
        blobs = Blobs(self.directory / "made")
        image = add_busybox(blobs, command)
        layout = self.directory / "layout"
        shutil.rmtree(layout, ignore_errors=True)
        (layout / "blobs").mkdir(parents=True)
        (layout / "blobs" / "sha256").symlink_to(blobs.directory)
        (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        body = blobs.read(image["digest"])
        entry = {"mediaType": image["media_type"], "digest": image["digest"], "size": len(body)}
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        await run(
            *("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false"),
            *(f"oci:{layout}", f"docker://localhost:{PORT}/{name}"),
        )
        return str(image["digest"])


@asynccontextmanager
async def porter(settings_dir: Path, environment: dict[str, str]) -> AsyncIterator[None]:
    """The porter as ``launch`` starts it, but inside this world."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hiyoko.porter"),
        *("--state-dir", str(settings_dir), "--keeper-pid", str(os.getpid())),
        env=dict(os.environ) | environment,
    )
    try:
        socket = settings_dir / "run" / SOCKET_NAME
        await run("sh", "-c", f"until test -S {socket}; do sleep 0.02; done", timeout_s=60)
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[Upstream]:
    directory = tmp_path / "upstream"
    directory.mkdir()
    trust, server = make_certificate(directory, ("localhost",))
    upstream = Upstream(directory, trust, server)
    runner = web.ServerRunner(web.Server(upstream.token))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", TOKEN_PORT).start()
    try:
        await upstream.start()
        yield upstream
    finally:
        await upstream.stop()
        await runner.cleanup()


@asynccontextmanager
async def cloud(tmp_path: Path, name: str, upstream: Upstream) -> AsyncIterator[RegistryWorld]:
    """A world whose porter asks the upstream for what ghcr.io has."""
    directory = tmp_path / name
    (directory / "run").mkdir(parents=True)
    environment = {
        MIRRORS_VARIABLE: f"ghcr.io=https://localhost:{PORT}",
        "SSL_CERT_FILE": str(upstream.trust),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    async with (
        porter(directory, environment),
        registry_world(directory, PorterClient(directory / "run")) as world,
    ):
        yield world


async def test_a_task_runs_an_image_of_the_internet_and_goes_on_without_it(
    tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    first = await upstream.push("org/tool:1", says("first"))
    async with cloud(tmp_path, "one", upstream) as world:
        driver = Driver(world)
        task = make_task(1, make_container("ghcr.io/org/tool:1"))
        await driver.until(task, "RUNNING")
        assert driver.progress(task).images[0].digest == first
        assert await driver.line(task, "first")
        assert "repository:org/tool:pull" in upstream.tokens
        await driver.settle()

        # The tag goes on: a daemon that starts anew asks, and has the newer one.
        second = await upstream.push("org/tool:1", says("second"))
        client = PorterClient(world.settings.run_dir)
        images = PublicImages(world.store, Blobs(world.settings.image_dir), client)
        found = await images.find("ghcr.io/org/tool", "1")
        assert found is not None
        assert found.digest == second
        assert await images.find("ghcr.io/org/tool", "2") is None
        await driver.plane.close()
        remove_groups(world.settings)

    # Another cloud, and the registry is gone: the cache serves and says so.
    await upstream.stop()
    async with cloud(tmp_path, "two", upstream) as world:
        driver = Driver(world)
        task = make_task(2, make_container("ghcr.io/org/tool:1"))
        await driver.until(task, "RUNNING")
        assert await driver.line(task, "second")
        assert "the cached image serves" in caplog.text
        await driver.settle()

        other = make_task(3, make_container("ghcr.io/org/other:1"))
        await driver.settle(other)
        failure = driver.progress(other).failure
        for words in (
            "CannotPullContainerError: pull image manifest has been retried",
            "the registry ghcr.io can't be reached from this machine (Connection refused)",
            "At hand are: docker.io/amazon/amazon-ecs-sample:latest",
            "ghcr.io/org/tool:1",
            "hiyoko image import NAME oci-archive:FILE",
        ):
            assert words in failure
        await driver.settle()
        await driver.plane.close()
        remove_groups(world.settings)


async def test_content_that_is_not_what_was_promised_is_not_kept(
    tmp_path: Path, upstream: Upstream
) -> None:
    digest = await upstream.push("org/tool:1", ("sh",))
    layer = json.loads(Blobs(upstream.directory / "made").read(digest))["layers"][0]["digest"]
    value = layer.removeprefix("sha256:")
    stored = upstream.directory / "data/docker/registry/v2/blobs/sha256" / value[:2] / value
    (stored / "data").write_bytes(b"x" * (stored / "data").stat().st_size)
    async with cloud(tmp_path, "one", upstream) as world:
        with pytest.raises(FetchFailed, match="with content of sha256:") as error:
            await PorterClient(world.settings.run_dir).fetch("ghcr.io/org/tool", "1")
        assert error.value.fault is Fault.FAILED
        blobs = Blobs(world.settings.image_dir)
        assert not blobs.has(layer)
        assert list((blobs.image_dir / "incoming").iterdir()) == []
