"""An image pulled as its task would: names, packets and trust are the task's own.

The manifest is always resolved over the network, also when every blob lies on disk already, and
where blobs come from (S3, for ECR) must answer: no route, no image. Blobs that are on disk are not
copied again.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
from yarl import URL

from hiyoko.blueprint.tasks import Container, Task
from hiyoko.plane.containers import agent, sockets
from hiyoko.plane.containers.agent import ATTEMPTS, TaskFailed, Unreachable, message, retried, said
from hiyoko.plane.containers.blobs import Blobs, Manifest, links, platform_digest
from hiyoko.plane.containers.collector import keep_layer
from hiyoko.plane.containers.layers import FAILED
from hiyoko.plane.containers.reference import Reference, parse_reference
from hiyoko.plane.containers.secrets import SecretFetcher
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
CONNECT_TIMEOUT_S = 4.0
"""The kernel repeats a SYN after 1 and 3 seconds (RFC 6298, section 2): two may be lost."""
UNPACK_TIMEOUT_S = 300.0
MANIFEST_BYTES_MAX = 4 << 20
"""As registries take (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests)."""
_READ_BYTES = 1 << 18
_ELSEWHERE = (301, 302, 307, 308)


class PullFailed(TaskFailed):
    """The image can't be had."""


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image on disk, by the name that the task uses. ``digest`` is what its tag led to."""

    image: str
    digest: str
    config: str
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Puller:
    """Pulls images for tasks. ``trust`` is the world's bundle of certificate authorities."""

    image_dir: Path
    trust: Path
    _unpacking: dict[str, asyncio.Lock] = field(default_factory=dict)

    @property
    def blobs(self) -> Blobs:
        """The blob store."""
        return Blobs(self.image_dir)

    def layer_path(self, digest: str) -> Path:
        """Where a layer lies unpacked."""
        return self.image_dir / "layers" / digest.removeprefix("sha256:")

    async def pull(self, task: Task, image: str) -> PulledImage:
        """Resolve, fetch what is missing, unpack. Raises PullFailed with AWS's reason."""
        try:
            reference = parse_reference(image)
        except ValueError as error:
            raise PullFailed(f"CannotPullContainerError: {error}") from error
        names = sockets.TaskResolver(task.eni_id, task.resolver)
        client = sockets.session(task.eni_id, names, self.trust, CONNECT_TIMEOUT_S)
        async with client:
            auth = await self._authorized(client, names, reference)
            pull = _Pull(self.blobs, client, names, reference, auth, task.architecture)
            manifest, digest = await pull.resolve()
            blobs = (manifest.config, *manifest.layers)
            missing = [blob for blob in blobs if not self.blobs.keep(blob)]
            for blob in missing:
                await pull.fetch(blob)
            if not missing:
                await pull.reach(manifest.config)
        for layer in manifest.layers:
            await self._unpack(layer, task.storage_gib << 30)
        return PulledImage(image, digest, manifest.config, manifest.layers)

    async def _authorized(
        self, client: aiohttp.ClientSession, names: sockets.TaskResolver, reference: Reference
    ) -> dict[str, str]:
        if reference.ecr is None:
            return {}
        token = await agent.registry_token(client, names, *reference.ecr)
        return {"Authorization": f"Basic {token}"}

    async def variables(self, task: Task, container: Container) -> dict[str, str]:
        """What the container's secrets and environment files hold. Raises TaskFailed."""
        if not container.secrets and not container.environment_files:
            return {}
        names = sockets.TaskResolver(task.eni_id, task.resolver)
        client = sockets.session(task.eni_id, names, self.trust, CONNECT_TIMEOUT_S)
        async with client:
            return await SecretFetcher(client, task).variables(container)

    async def _unpack(self, layer: str, bytes_max: int) -> None:
        # One unpacking at a time: a second one would only do the same work.
        async with self._unpacking.setdefault(layer, asyncio.Lock()):
            target = self.layer_path(layer)
            if keep_layer(self.blobs, target):
                return
            unpack = (sys.executable, "-m", "hiyoko.plane.containers.layers")
            try:
                await run(
                    *(*unpack, str(self.blobs.path(layer)), str(target), str(bytes_max)),
                    timeout_s=UNPACK_TIMEOUT_S,
                )
            except PlaneError as error:
                # Its last words, without the command: a reason is for whoever runs the task.
                _, _, why = str(error).partition(FAILED)
                raise PullFailed(
                    "CannotPullContainerError: failed to register layer: failed to extract layer"
                    f" {layer}: {why or str(error).rpartition(': ')[2]}"
                ) from error


@dataclass(frozen=True, slots=True)
class _Pull:
    """One image's conversation with its registry."""

    blobs: Blobs
    client: aiohttp.ClientSession
    names: sockets.TaskResolver
    reference: Reference
    auth: dict[str, str]
    architecture: str

    async def resolve(self) -> tuple[Manifest, str]:
        """The manifest for the task's architecture, and the digest that the name itself has."""
        body = await self._manifest(self.reference.version)
        digest = self.blobs.add(body)
        try:
            member = platform_digest(body, self.architecture)
            if member is not None:
                body = await self._manifest(member)
                self.blobs.add(body)
            return links(body, member or digest), digest
        except (ValueError, KeyError, TypeError) as error:
            raise PullFailed(f"{self._failed(0)}: {error}") from error

    async def _manifest(self, version: str) -> bytes:
        url = self._url("manifests", version)
        try:
            return await retried(partial(self._ask, url))
        except Unreachable as error:
            raise PullFailed(f"{self._failed(ATTEMPTS - 1)}: {error}") from error

    async def _ask(self, url: str, attempt: int) -> bytes:
        headers = {"Accept": ", ".join(MANIFEST_TYPES), **self.auth}
        try:
            async with self.client.get(url, headers=headers) as response:
                body = await _all_of(response.content)
                if response.status == 200:
                    return body
                raise self._refused(response.status, body, attempt)
        except aiohttp.ClientError as error:
            raise Unreachable(
                f'failed to do request: Head "{url}": {self._said(error, self.reference.host)}'
            ) from error

    def _refused(self, status: int, body: bytes, attempt: int) -> Exception:
        """What a registry's refusal means to a task."""
        name = str(self.reference)
        if status >= 500:
            return Unreachable(f"unexpected status from HEAD request: {status} {message(body)}")
        if status in (401, 403):
            return PullFailed(
                f"{self._failed(attempt)}: pull access denied, repository does not exist or may"
                f" require authorization: {message(body)}"
            )
        if status == 404:
            return PullFailed(f"{self._failed(max(attempt, 1))}: {name}: not found")
        return PullFailed(f"{self._failed(attempt)}: unexpected status {status}: {message(body)}")

    def _failed(self, retries: int) -> str:
        return (
            "CannotPullContainerError: pull image manifest has been retried"
            f" {retries} time(s): failed to resolve ref {self.reference}"
        )

    def _said(self, error: aiohttp.ClientError, host: str) -> str:
        return said(error, self.names.found.get(host, host))

    def _url(self, kind: str, version: str) -> str:
        return f"https://{self.reference.host}/v2/{self.reference.path}/{kind}/{version}"

    async def fetch(self, digest: str) -> None:
        """Fetch one blob into the store, verified. Raises PullFailed."""
        await self._retried(partial(self._copy, digest))

    async def reach(self, digest: str) -> None:
        """Make sure that a blob which is on disk could be fetched. Raises PullFailed.

        A registry that hands its blobs out itself was reached by the manifest; of where another
        one sends us, only the way there is tried: nothing is asked for that nobody needs.
        """
        if self.reference.ecr is not None:
            await self._retried(partial(self._knock, digest))

    async def _retried(self, ask: Callable[[int], Awaitable[None]]) -> None:
        try:
            await retried(ask)
        except Unreachable as error:
            raise PullFailed(
                f"CannotPullContainerError: ref pull has been retried {ATTEMPTS - 1} time(s):"
                f" failed to copy: httpReadSeeker: failed open: {error}"
            ) from error

    async def _knock(self, digest: str, _: int) -> None:
        url = self._url("blobs", digest)
        async with self._get(url, self.auth) as response:
            where = response.headers.get("Location") if response.status in _ELSEWHERE else None
        if where is None:
            return
        host = URL(where).host or ""
        try:
            await sockets.dial(self.names, host, 443, CONNECT_TIMEOUT_S)
        except OSError as error:
            raise _not_reached(where, str(error)) from error

    async def _copy(self, digest: str, _: int) -> None:
        writer = self.blobs.writer()
        try:
            async with self._blob(digest) as response:
                async for part in response.content.iter_chunked(_READ_BYTES):
                    writer.write(part)
            if writer.digest != digest:
                raise self._not_copied(digest, f"its content has the digest {writer.digest}")
            writer.commit(self.blobs.path(digest))
        finally:
            writer.path.unlink(missing_ok=True)

    def _not_copied(self, digest: str, why: str) -> PullFailed:
        return PullFailed(
            f"CannotPullContainerError: failed to copy: {self.reference}: blob {digest}: {why}"
        )

    @asynccontextmanager
    async def _blob(self, digest: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer with a blob: the registry's own, or that of where it sends us.

        What opens the registry is not sent on. Raises Unreachable or PullFailed.
        """
        url, sent = self._url("blobs", digest), self.auth
        for followed in (False, True):
            async with self._get(url, sent) as response:
                if response.status == 200:
                    yield response
                    return
                if followed or response.status not in _ELSEWHERE:
                    raise self._not_copied(digest, f"unexpected status {response.status}")
                url, sent = response.headers["Location"], {}

    @asynccontextmanager
    async def _get(
        self, url: str, headers: dict[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self.client.get(url, headers=headers, allow_redirects=False) as response:
                if response.status >= 500:
                    raise Unreachable(f"unexpected status {response.status}")
                yield response
        except aiohttp.ClientError as error:
            raise _not_reached(url, self._said(error, URL(url).host or "")) from error


async def _all_of(content: aiohttp.StreamReader) -> bytes:
    """What a registry answers, which is small. Raises PullFailed when it does not end."""
    body = b""
    async for part in content.iter_chunked(_READ_BYTES):
        body += part
        if len(body) > MANIFEST_BYTES_MAX:
            raise PullFailed("CannotPullContainerError: the manifest is larger than 4 MiB")
    return body


def _not_reached(url: str, why: str) -> Unreachable:
    """Without the query, which opens a layer to whoever reads it."""
    return Unreachable(f'failed to do request: Get "{URL(url).with_query(None)}": {why}')
