"""The image registries over HTTP: ECR's for pushing and pulling, the public ones for pulling.

The OCI distribution API (https://github.com/opencontainers/distribution-spec/blob/main/spec.md)
with ECR's particulars: Basic authentication with a token that is checked, no repository that nobody
created, tags that an immutable repository keeps. A blob is taken in parts into a file of its own,
its digest compared, and renamed into the store: whole, or not there.

Docker Hub and ECR Public stand on the simulated internet with the few images that are built here on
first use, and with those that the user imported.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.gateway import hosts
from hiyoko.plane.containers.blobs import Blobs, BuildFailed, BuiltImage
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.model import PublicImage, read_token
from hiyoko.settings import Settings
from hiyoko.store.database import Store

"""The names under which the gateway shall give us requests."""

MANIFEST_BYTES_MAX = 4 << 20
"""https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html"""

_ECR_HOST = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com")
_ROUTE = re.compile(
    r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags)/(?P<rest>[^/]*)"
)
_NAME = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UPLOAD = re.compile(r"[0-9a-f-]{36}")
_IMAGE_TYPES = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
_INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_PART_BYTES = 1 << 18
_BUILT = {
    "docker.io/library/nginx": ("nginx", frozenset({"latest", "stable", "1"})),
    "docker.io/library/httpd": ("httpd", frozenset({"latest", "2", "2.4"})),
    "docker.io/amazon/amazon-ecs-sample": ("amazon-ecs-sample", frozenset({"latest"})),
}
"""Recipe and tags. What is built is the version of the Debian release: no other tag names it."""
_SAME_AS = {
    "public.ecr.aws/nginx/nginx": "docker.io/library/nginx",
    "public.ecr.aws/docker/library/nginx": "docker.io/library/nginx",
    "public.ecr.aws/docker/library/httpd": "docker.io/library/httpd",
    "public.ecr.aws/ecs-sample-image/amazon-ecs-sample": "docker.io/amazon/amazon-ecs-sample",
}


def known_names() -> dict[str, str]:
    """Every public name that can be pulled without an import, and the name that it stands for."""
    return {name: name for name in _BUILT} | _SAME_AS


class Builder(Protocol):
    """Builds the images that exist on the simulated internet (``hiyoko.porter``)."""

    async def build(self, name: str) -> BuiltImage:
        """The built image. Raises BuildFailed with a clear text."""
        ...


@dataclass(frozen=True, slots=True)
class _Target:
    """A repository that a request is about, and what the client may do there."""

    name: str
    account: str = ""
    region: str = ""

    @property
    def public(self) -> bool:
        return not self.account


@dataclass(frozen=True, slots=True)
class _Found:
    """A manifest that a reference leads to."""

    digest: str
    media_type: str


class _Refused(Exception):
    """An error in the distribution API's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


_ECR_ERRORS = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
    "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
    "Denied": (403, "DENIED"),
}


def _refusal(error: AwsError) -> _Refused:
    if error.code == "ImageNotFoundException":
        return _Refused(404, "MANIFEST_UNKNOWN", "Requested image not found")
    status, code = _ECR_ERRORS.get(error.code, (400, "UNSUPPORTED"))
    return _Refused(status, code, error.message)


class RegistryHandler:
    """Answers ``/v2/…`` for every registry of the simulated internet, and on the loopback."""

    def __init__(self, store: Store, settings: Settings, builder: Builder) -> None:
        self._store = store
        self._blobs = Blobs(settings.image_dir)
        self._uploads = settings.image_dir / "uploads"
        self._builder = builder
        self._current: set[tuple[str, str]] = set()
        """What was built, or found to be what its recipe gives, since we started."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answer(request)
        except _Refused as refused:
            return self._shown(refused)
        except AwsError as error:
            if error.code == "Unauthorized":
                return self._challenge(request)
            return self._shown(_refusal(error))

    def _shown(self, refused: _Refused) -> web.Response:
        body = {"errors": [{"code": refused.code, "message": refused.message}]}
        return self._plain(refused.status, json.dumps(body).encode(), "application/json")

    @staticmethod
    def _plain(
        status: int, body: bytes = b"", kind: str = "text/plain", **headers: str
    ) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            status=status,
            body=body,
            headers={
                "Content-Type": kind,
                "Docker-Distribution-Api-Version": "registry/2.0",
                **named,
            },
        )

    def _challenge(self, request: web.BaseRequest) -> web.Response:
        realm = f"https://{request.host}/"
        challenge = f'Basic realm="{realm}",service="ecr.amazonaws.com"'
        return self._plain(401, b"Not Authorized\n", Www_Authenticate=challenge)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        base = self._base(request)
        if request.path.rstrip("/") == "/v2":
            return self._plain(200, b"{}", "application/json")
        match = _ROUTE.fullmatch(request.path)
        if match is None or not _NAME.fullmatch(match["name"]):
            raise _Refused(404, "UNSUPPORTED", f"{request.method} {request.path} is not supported")
        prefix = f"{base.name}/" if base.public else ""
        target = _Target(f"{prefix}{match['name']}", base.account, base.region)
        if not target.public:
            # A repository that nobody created is unknown to every request, a push's first too.
            self._invoke(target, "_ListTags", {})
        return await self._route(request, target, match["kind"], match["rest"])

    async def _route(
        self, request: web.BaseRequest, target: _Target, kind: str, rest: str
    ) -> web.StreamResponse:
        method = request.method
        if target.public and method not in ("GET", "HEAD"):
            raise _Refused(403, "DENIED", "requested access to the resource is denied")
        match kind, method:
            case "manifests", "GET" | "HEAD":
                return await self._get_manifest(target, rest)
            case "manifests", "PUT":
                return await self._put_manifest(request, target, rest)
            case "blobs", "GET" | "HEAD":
                found = self._get_blob(rest)
                elsewhere = method == "GET" and _in_the_bucket(request, target)
                return self._presigned(target, rest) if elsewhere else found
            case "blobs/uploads", "POST":
                return await self._begin_upload(request, target)
            case "blobs/uploads", "PATCH" | "PUT" | "GET" | "DELETE":
                return await self._upload(request, target, rest)
            case "tags", "GET" if rest == "list":
                return self._list_tags(target)
            case _:
                raise _Refused(405, "UNSUPPORTED", f"{method} is not supported here")

    def _base(self, request: web.BaseRequest) -> _Target:
        """Which registry is asked. Raises AwsError ``Unauthorized`` without a good token."""
        host = request.host.partition(":")[0].lower()
        if host == "public.ecr.aws":
            return _Target(host)
        if host.endswith("docker.io"):
            return _Target("docker.io")
        token = _basic_token(request.headers.get("Authorization", ""))
        match = _ECR_HOST.fullmatch(host)
        if match is not None:
            base = _Target("", match[1], match[2])
        else:
            # On the loopback the registry is the one of the token's account.
            read = read_token(token)
            account = read[0] if read else api.DEFAULT_ACCOUNT
            base = _Target("", account, api.DEFAULT_REGION)
        self._invoke(base, "_CheckToken", {"token": token})
        return base

    def _invoke(self, target: _Target, operation: str, request: dict[str, object]) -> api.Response:
        return api.invoke(
            self._store,
            "ecr",
            operation,
            {"repositoryName": target.name, **request},
            account=target.account,
            region=target.region,
        )

    async def _find(self, target: _Target, reference: str) -> _Found:
        if not target.public:
            found = self._invoke(target, "_FindManifest", {"reference": reference})
            return _Found(found["digest"], found["mediaType"])
        image = self._find_public(target.name, reference)
        if image is None or self._outdated(image, reference):
            image = await self._build(target.name, reference, image)
        if image is None:
            raise _Refused(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return _Found(image.digest, image.media_type)

    def _find_public(self, name: str, reference: str) -> PublicImage | None:
        find = rows.find_public_digest if _DIGEST.fullmatch(reference) else rows.find_public_image
        with self._store.reading() as tx:
            for known in (name, _SAME_AS.get(name, name)):
                image = find(tx, known, reference)
                if image is not None and self._blobs.has(image.digest):
                    return image
        return None

    def _outdated(self, image: PublicImage, reference: str) -> bool:
        """Whether a recipe of an earlier hiyoko may have made this image: once, the porter says."""
        known = (image.repository, image.tag)
        return image.built and reference == image.tag and known not in self._current

    async def _build(
        self, name: str, reference: str, old: PublicImage | None
    ) -> PublicImage | None:
        """Build what exists on the internet but not here yet; None when it does not exist.

        An older image is better than none.
        """
        known = _SAME_AS.get(name, name)
        recipe, tags = _BUILT.get(known, ("", frozenset[str]()))
        if reference not in tags:
            return None
        try:
            built = await self._builder.build(recipe)
        except BuildFailed as error:
            if old is not None:
                return old
            raise _Refused(503, "UNAVAILABLE", str(error)) from error
        self._current.add((known, reference))
        if old is not None and old.digest == built.digest:
            return old
        image = PublicImage(
            known,
            reference,
            built.digest,
            built.media_type,
            built.size,
            round(time.time(), 3),
            built=True,
        )
        with self._store.transaction() as tx:
            rows.put_public_image(tx, image)
        return image

    async def _get_manifest(self, target: _Target, reference: str) -> web.Response:
        found = await self._find(target, reference)
        try:
            body = self._blobs.read(found.digest)
        except FileNotFoundError as error:
            raise _Refused(404, "MANIFEST_UNKNOWN", "Requested image not found") from error
        return self._plain(200, body, found.media_type, Docker_Content_Digest=found.digest)

    async def _put_manifest(
        self, request: web.BaseRequest, target: _Target, reference: str
    ) -> web.Response:
        body = await request.content.read(MANIFEST_BYTES_MAX + 1)
        while len(body) <= MANIFEST_BYTES_MAX and (part := await request.content.read(_PART_BYTES)):
            body += part
        if len(body) > MANIFEST_BYTES_MAX:
            raise _Refused(413, "SIZE_INVALID", "the manifest is larger than 4 MiB")
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        by_digest = reference.startswith("sha256:")
        if by_digest and reference != digest:
            raise _Refused(400, "DIGEST_INVALID", f"the manifest's digest is {digest}")
        media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
        size, members = self._read_manifest(body, media_type)
        self._blobs.add(body)
        self._invoke(
            target,
            "_PutManifest",
            {
                "digest": digest,
                "tag": None if by_digest else reference,
                "mediaType": media_type,
                "size": size,
                "members": members,
                "manifest": body.decode(),
            },
        )
        where = f"/v2/{target.name}/manifests/{digest}"
        return self._plain(201, Location=where, Docker_Content_Digest=digest)

    def _read_manifest(self, body: bytes, media_type: str) -> tuple[int, list[str]]:
        """The image's compressed size, and an index's members; everything must be there."""
        if media_type not in _IMAGE_TYPES | _INDEX_TYPES:
            raise _Refused(400, "MANIFEST_INVALID", f"media type {media_type!r} is not supported")
        try:
            document = json.loads(body)
            if media_type in _INDEX_TYPES:
                members = [str(member["digest"]) for member in document["manifests"]]
                links = [(digest, 0) for digest in members]
            else:
                members = []
                links = [
                    (str(link["digest"]), int(link["size"]))
                    for link in (document["config"], *document["layers"])
                ]
            missing = [digest for digest, _ in links if not self._blobs.has(digest)]
        except (ValueError, KeyError, TypeError) as error:
            raise _Refused(400, "MANIFEST_INVALID", "the manifest is not well-formed") from error
        if missing:
            raise _Refused(404, "MANIFEST_BLOB_UNKNOWN", f"{missing[0]} was not pushed")
        return sum(size for _, size in links), members

    def _get_blob(self, digest: str) -> web.StreamResponse:
        if not _DIGEST.fullmatch(digest):
            raise _Refused(400, "DIGEST_INVALID", f"{digest!r} is no digest")
        if not self._blobs.has(digest):
            raise _Refused(404, "BLOB_UNKNOWN", "blob unknown to registry")
        # FileResponse knows HEAD and ranges, and lets the kernel copy where it can.
        return web.FileResponse(
            self._blobs.path(digest),
            headers={"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest},
        )

    def _presigned(self, target: _Target, digest: str) -> web.Response:
        url = self._invoke(target, "_LayerUrl", {"digest": digest})["url"]
        return self._plain(307, Location=url, Docker_Content_Digest=digest)

    def _list_tags(self, target: _Target) -> web.Response:
        if target.public:
            with self._store.reading() as tx:
                tags = [image.tag for image in rows.list_public_images(tx, target.name)]
        else:
            tags = self._invoke(target, "_ListTags", {})["tags"]
        body = json.dumps({"name": target.name, "tags": tags}).encode()
        return self._plain(200, body, "application/json")

    async def _begin_upload(self, request: web.BaseRequest, target: _Target) -> web.Response:
        mount = request.query.get("mount", "")
        if _DIGEST.fullmatch(mount) and self._blobs.has(mount):
            return self._uploaded(target, mount)
        self._uploads.mkdir(parents=True, exist_ok=True)
        upload = self._uploads / str(uuid.uuid4())
        upload.touch()
        if "digest" in request.query:
            return await self._finish(request, target, upload)
        return self._accepted(target, upload)

    async def _upload(
        self, request: web.BaseRequest, target: _Target, name: str
    ) -> web.StreamResponse:
        upload = self._uploads / name
        if not _UPLOAD.fullmatch(name) or not upload.is_file():
            raise _Refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        match request.method:
            case "PATCH":
                self._check_range(request, upload)
                await _append(request, upload)
                return self._accepted(target, upload)
            case "PUT":
                return await self._finish(request, target, upload)
            case "DELETE":
                upload.unlink()
                return self._plain(204)
            case _:
                size = upload.stat().st_size
                return self._plain(204, Range=f"0-{max(size - 1, 0)}", Docker_Upload_UUID=name)

    @staticmethod
    def _check_range(request: web.BaseRequest, upload: Path) -> None:
        """A chunk must begin where the last one ended."""
        match = re.fullmatch(r"(?:bytes )?(\d+)-(\d+).*", request.headers.get("Content-Range", ""))
        if match is not None and int(match[1]) != upload.stat().st_size:
            raise _Refused(416, "RANGE_INVALID", f"the next byte is {upload.stat().st_size}")

    async def _finish(
        self, request: web.BaseRequest, target: _Target, upload: Path
    ) -> web.Response:
        digest = request.query.get("digest", "")
        if not _DIGEST.fullmatch(digest):
            raise _Refused(400, "DIGEST_INVALID", f"{digest!r} is no sha256 digest")
        await _append(request, upload)
        found = await asyncio.to_thread(self._blobs.adopt, upload, digest)
        if found != digest:
            await asyncio.to_thread(upload.unlink, missing_ok=True)
            raise _Refused(400, "DIGEST_INVALID", f"the content's digest is {found}")
        return self._uploaded(target, digest)

    def _accepted(self, target: _Target, upload: Path) -> web.Response:
        size = upload.stat().st_size
        return self._plain(
            202,
            Location=f"/v2/{target.name}/blobs/uploads/{upload.name}",
            Docker_Upload_UUID=upload.name,
            Range=f"0-{max(size - 1, 0)}",
        )

    def _uploaded(self, target: _Target, digest: str) -> web.Response:
        where = f"/v2/{target.name}/blobs/{digest}"
        return self._plain(201, Location=where, Docker_Content_Digest=digest)


async def _append(request: web.BaseRequest, upload: Path) -> None:
    """Append the request's body to an upload; a broken connection leaves whole parts."""
    with upload.open("ab") as file:
        async for part in request.content.iter_chunked(_PART_BYTES):
            file.write(part)


def _in_the_bucket(request: web.BaseRequest, target: _Target) -> bool:
    """Whether a blob is fetched from S3. On the loopback no client knows S3's name."""
    return not target.public and not hosts.on_loopback(request.transport)


def _basic_token(header: str) -> str:
    """The password of user ``AWS``. Raises AwsError ``Unauthorized``."""
    scheme, _, value = header.partition(" ")
    try:
        user, _, token = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        user, token = "", ""
    if scheme.lower() != "basic" or user != "AWS" or not token:
        raise AwsError("Unauthorized", "Not Authorized", status=401)
    return token
