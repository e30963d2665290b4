"""The image registries over HTTP: ECR's for pushing and pulling, the public ones for pulling.

The OCI distribution API (https://github.com/opencontainers/distribution-spec/blob/main/spec.md)
with ECR's particulars: Basic authentication with a token that is checked, no repository that nobody
created (but for what a pull-through cache rule or a creation template covers), blobs that belong to
a repository, tags that an immutable repository keeps. A blob is taken in parts into a file of its
own, its digest compared, and renamed into the store: whole, or not there.

The public registries stand on the simulated internet (``gateway.public_images``). On the loopback,
where there is no name to tell them by, theirs is the first part of a repository's name.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.clock import Clock, SystemClock
from hiyoko.gateway import hosts
from hiyoko.gateway.public_images import DIGEST, HOSTS, Porter, PublicImages, public_host
from hiyoko.plane.containers.blobs import Blobs, Fault, FetchFailed
from hiyoko.plane.containers.uploads import Uploads
from hiyoko.services.ecr.manifest import BYTES_MAX, INDEX_TYPES, read_manifest
from hiyoko.services.ecr.model import read_token
from hiyoko.settings import Settings
from hiyoko.store.database import Store

_ECR_HOST = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com")
_ROUTE = re.compile(
    r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags|referrers)/(?P<rest>[^/]*)"
)
_NAME = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_PART_BYTES = 1 << 18
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CHECK_UPSTREAM_S = 24 * 3600.0
"""How old a cached image may be before its upstream is asked again
(https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html)."""


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
    body: bytes


class _Refused(Exception):
    """An error in the distribution API's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


_ECR_ERRORS = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
    "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
    "LayersNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "ReferencedImagesNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "Denied": (403, "DENIED"),
}


def _refusal(error: AwsError) -> _Refused:
    if error.code == "ImageNotFoundException":
        return _Refused(404, "MANIFEST_UNKNOWN", "Requested image not found")
    status, code = _ECR_ERRORS.get(error.code, (400, "UNSUPPORTED"))
    return _Refused(status, code, error.message)


_FAULTS = {
    Fault.UNREACHABLE: (503, "UNAVAILABLE"),
    Fault.DENIED: (403, "DENIED"),
    Fault.FAILED: (503, "UNAVAILABLE"),
}


class RegistryHandler:
    """Answers ``/v2/…`` for every registry of the simulated internet, and on the loopback."""

    def __init__(
        self, store: Store, settings: Settings, porter: Porter, clock: Clock | None = None
    ) -> None:
        self._store = store
        self._blobs = Blobs(settings.image_dir)
        self._uploads = Uploads(settings.image_dir)
        self.public = PublicImages(store, self._blobs, porter)
        self._clock = clock or SystemClock()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answer(request)
        except _Refused as refused:
            return self._shown(refused)
        except FetchFailed as failed:
            return self._shown(self._unfetched(failed))
        except AwsError as error:
            if error.code == "Unauthorized":
                return self._challenge(request)
            return self._shown(_refusal(error))

    def _unfetched(self, failed: FetchFailed) -> _Refused:
        """Why an image of the internet can't be had, and what helps."""
        status, code = _FAULTS[failed.fault]
        if failed.fault is not Fault.UNREACHABLE:
            return _Refused(status, code, str(failed))
        names = ", ".join(self.public.at_hand())
        return _Refused(
            status,
            code,
            f"{failed}. At hand are: {names}. Bring another in with:"
            " hiyoko image import NAME oci-archive:FILE",
        )

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
        match = _ROUTE.fullmatch(request.path)
        base = self._base(request, match["name"] if match else "")
        if request.path.rstrip("/") == "/v2":
            return self._plain(200, b"{}", "application/json")
        if match is None or not _NAME.fullmatch(match["name"]):
            raise _Refused(404, "UNSUPPORTED", f"{request.method} {request.path} is not supported")
        name = match["name"].removeprefix(f"{base.name}/") if base.public else match["name"]
        prefix = f"{base.name}/" if base.public else ""
        target = _Target(f"{prefix}{name}", base.account, base.region)
        if not target.public:
            await self._ensure(request, target, match["kind"], match["rest"])
        return await self._route(request, target, match["kind"], match["rest"])

    async def _ensure(
        self, request: web.BaseRequest, target: _Target, kind: str, rest: str
    ) -> None:
        """A repository that nobody created is unknown to every request, a push's first too.

        Unless a template makes it on a push, or a pull fetches what it lacks from upstream.
        """
        if request.method in ("GET", "HEAD"):
            if kind == "manifests":
                await self._fill(target, rest)
        elif kind == "blobs/uploads" and request.method == "POST":
            self._invoke(target, "_EnsureRepository", {"occasion": "CREATE_ON_PUSH"})
        self._invoke(target, "_ListTags", {})

    async def _fill(self, target: _Target, reference: str) -> None:
        """Fetch from upstream what a pull-through cache rule covers, unless it was of late."""
        upstream = self._invoke(target, "_FindUpstream", {})["name"]
        if not upstream or self._is_cached(target, reference):
            return
        image = await self.public.find(upstream, reference)
        if image is None:
            return
        body = self._blobs.read(image.digest).decode()
        self._invoke(target, "_EnsureRepository", {"occasion": "PULL_THROUGH_CACHE"})
        put = partial(self._invoke, target, "_PutManifest")
        members = []
        for digest, media_type in _members(body) if image.media_type in INDEX_TYPES else ():
            if self._blobs.keep(digest):
                members.append(digest)
                put(_fetched(self._blobs.read(digest).decode(), media_type))
        put(
            {
                "digest": image.digest,
                "mediaType": image.media_type,
                "size": image.size,
                "manifest": body,
                "members": members,
                "tag": None if DIGEST.fullmatch(reference) else reference,
                "checked": True,
            }
        )

    def _is_cached(self, target: _Target, reference: str) -> bool:
        try:
            found = self._invoke(target, "_FindManifest", {"reference": reference, "quiet": True})
        except AwsError:
            return False
        fresh = self._clock.now() - float(found["checkedAt"]) < CHECK_UPSTREAM_S
        return fresh or DIGEST.fullmatch(reference) is not None

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
                found = self._get_blob(target, rest)
                elsewhere = method == "GET" and _in_the_bucket(request, target)
                return self._presigned(target, rest) if elsewhere else found
            case "blobs/uploads", "POST":
                return await self._begin_upload(request, target)
            case "blobs/uploads", "PATCH" | "PUT" | "GET" | "DELETE":
                return await self._upload(request, target, rest)
            case "tags", "GET" if rest == "list":
                return self._list_tags(target)
            case "referrers", "GET" if not target.public:
                return self._list_referrers(target, rest)
            case _:
                raise _Refused(405, "UNSUPPORTED", f"{method} is not supported here")

    def _base(self, request: web.BaseRequest, name: str) -> _Target:
        """Which registry is asked. Raises AwsError ``Unauthorized`` without a good token."""
        host = request.host.partition(":")[0].lower()
        if public := public_host(host):
            return _Target(public)
        match = _ECR_HOST.fullmatch(host)
        first = name.partition("/")[0]
        if match is None and first in HOSTS:
            return _Target(first)
        token = _basic_token(request.headers.get("Authorization", ""))
        if match is not None:
            base = _Target("", match[1], match[2])
        else:
            # On the loopback the registry is the one that the token is for.
            read = read_token(token)
            if read is None:
                raise AwsError("Unauthorized", "Not Authorized", status=401)
            base = _Target("", read.account, read.region)
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
            clock=self._clock,
        )

    async def _find(self, target: _Target, reference: str) -> _Found:
        if not target.public:
            found = self._invoke(target, "_FindManifest", {"reference": reference})
            return _Found(found["digest"], found["mediaType"], found["manifest"].encode())
        image = await self.public.find(target.name, reference)
        if image is None:
            raise _Refused(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return _Found(image.digest, image.media_type, self._blobs.read(image.digest))

    async def _get_manifest(self, target: _Target, reference: str) -> web.Response:
        found = await self._find(target, reference)
        return self._plain(200, found.body, found.media_type, Docker_Content_Digest=found.digest)

    async def _put_manifest(
        self, request: web.BaseRequest, target: _Target, reference: str
    ) -> web.Response:
        body = await request.content.read(BYTES_MAX + 1)
        while len(body) <= BYTES_MAX and (part := await request.content.read(_PART_BYTES)):
            body += part
        if len(body) > BYTES_MAX:
            raise _Refused(413, "SIZE_INVALID", "the manifest is larger than 4 MiB")
        media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
        by_digest = reference.startswith("sha256:")
        try:
            manifest = read_manifest(body.decode(), media_type)
        except ValueError as error:
            raise _Refused(400, "MANIFEST_INVALID", str(error)) from error
        if by_digest and reference != manifest.digest:
            raise _Refused(400, "DIGEST_INVALID", f"the manifest's digest is {manifest.digest}")
        self._blobs.add(body)
        self._invoke(
            target,
            "_PushManifest",
            {
                "tag": None if by_digest else reference,
                "mediaType": manifest.media_type,
                "manifest": body.decode(),
            },
        )
        where = f"/v2/{target.name}/manifests/{manifest.digest}"
        answer = self._plain(201, Location=where, Docker_Content_Digest=manifest.digest)
        if manifest.subject:
            answer.headers["OCI-Subject"] = manifest.subject
        return answer

    def _get_blob(self, target: _Target, digest: str) -> web.StreamResponse:
        if not DIGEST.fullmatch(digest):
            raise _Refused(400, "DIGEST_INVALID", f"{digest!r} is no digest")
        if not self._has_blob(target, digest):
            raise _Refused(404, "BLOB_UNKNOWN", "blob unknown to registry")
        # FileResponse knows HEAD and ranges, and lets the kernel copy where it can.
        return web.FileResponse(
            self._blobs.path(digest),
            headers={"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest},
        )

    def _presigned(self, target: _Target, digest: str) -> web.Response:
        url = self._invoke(target, "_LayerUrl", {"digest": digest})["url"]
        return self._plain(307, Location=url, Docker_Content_Digest=digest)

    def _has_blob(self, target: _Target, digest: str) -> bool:
        """Whether the repository has the blob; it is there for whoever was told so."""
        if target.public:
            known = self.public.has_blob(target.name, digest)
        else:
            known = self._invoke(target, "_FindLayer", {"digest": digest})["there"]
        return known and self._blobs.keep(digest)

    def _list_referrers(self, target: _Target, digest: str) -> web.Response:
        found = self._invoke(target, "_ListReferrers", {"digest": digest})
        index = {
            "schemaVersion": 2,
            "mediaType": _INDEX_TYPE,
            "manifests": json.loads(found["manifests"]),
        }
        return self._plain(200, json.dumps(index).encode(), _INDEX_TYPE)

    def _list_tags(self, target: _Target) -> web.Response:
        tags = (
            self.public.tags(target.name)
            if target.public
            else self._invoke(target, "_ListTags", {})["tags"]
        )
        body = json.dumps({"name": target.name, "tags": tags}).encode()
        return self._plain(200, body, "application/json")

    async def _begin_upload(self, request: web.BaseRequest, target: _Target) -> web.Response:
        mount, other = request.query.get("mount", ""), request.query.get("from", "")
        if DIGEST.fullmatch(mount) and other:
            answer = self._invoke(target, "_MountLayer", {"digest": mount, "from": other})
            if answer["mounted"]:
                return self._uploaded(target, mount)
        upload = self._uploads.begin()
        if "digest" in request.query:
            return await self._finish(request, target, upload)
        return self._accepted(target, upload)

    async def _upload(
        self, request: web.BaseRequest, target: _Target, upload: str
    ) -> web.StreamResponse:
        received = self._uploads.received(upload)
        if received is None:
            raise _Refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        match request.method:
            case "PATCH":
                self._check_range(request, received)
                await self._append(request, upload)
                return self._accepted(target, upload)
            case "PUT":
                return await self._finish(request, target, upload)
            case "DELETE":
                self._uploads.discard(upload)
                return self._plain(204)
            case _:
                return self._plain(
                    204, Range=f"0-{max(received - 1, 0)}", Docker_Upload_UUID=upload
                )

    @staticmethod
    def _check_range(request: web.BaseRequest, received: int) -> None:
        """A chunk must begin where the last one ended."""
        match = re.fullmatch(r"(?:bytes )?(\d+)-(\d+).*", request.headers.get("Content-Range", ""))
        if match is not None and int(match[1]) != received:
            raise _Refused(416, "RANGE_INVALID", f"the next byte is {received}")

    async def _append(self, request: web.BaseRequest, upload: str) -> None:
        """Append the request's body to an upload; a broken connection leaves whole parts."""
        async for part in request.content.iter_chunked(_PART_BYTES):
            self._uploads.append(upload, part)

    async def _finish(self, request: web.BaseRequest, target: _Target, upload: str) -> web.Response:
        digest = request.query.get("digest", "")
        if not DIGEST.fullmatch(digest):
            raise _Refused(400, "DIGEST_INVALID", f"{digest!r} is no sha256 digest")
        await self._append(request, upload)
        found = await asyncio.to_thread(self._uploads.finish, upload, digest)
        if found != digest:
            raise _Refused(400, "DIGEST_INVALID", f"the content's digest is {found}")
        self._invoke(target, "_NoteLayer", {"digest": digest})
        return self._uploaded(target, digest)

    def _accepted(self, target: _Target, upload: str) -> web.Response:
        size = self._uploads.received(upload) or 0
        return self._plain(
            202,
            Location=f"/v2/{target.name}/blobs/uploads/{upload}",
            Docker_Upload_UUID=upload,
            Range=f"0-{max(size - 1, 0)}",
        )

    def _uploaded(self, target: _Target, digest: str) -> web.Response:
        where = f"/v2/{target.name}/blobs/{digest}"
        return self._plain(201, Location=where, Docker_Content_Digest=digest)


def _members(index: str) -> list[tuple[str, str]]:
    """Digest and media type of an index's manifests."""
    return [
        (str(member["digest"]), str(member["mediaType"]))
        for member in json.loads(index)["manifests"]
    ]


def _fetched(text: str, media_type: str) -> dict[str, object]:
    """A manifest that came from upstream, for ECR."""
    manifest = read_manifest(text, media_type)
    return {
        "digest": manifest.digest,
        "mediaType": media_type,
        "size": manifest.size,
        "manifest": text,
    }


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
