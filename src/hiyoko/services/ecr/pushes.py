"""The last step of a push, through the API or the registry's HTTP side; and what a pull asks."""

from __future__ import annotations

import json

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.errors import (
    ImageAlreadyExists,
    ImageNotFound,
    LayersNotPushed,
    ReferencedImagesNotFound,
    TagAlreadyExists,
    invalid,
)
from hiyoko.services.ecr.events import tell_image
from hiyoko.services.ecr.images import find
from hiyoko.services.ecr.layer_store import layer_store
from hiyoko.services.ecr.lifecycle import expire
from hiyoko.services.ecr.manifest import Manifest, read_manifest
from hiyoko.services.ecr.model import Image, ImageTag, Repository
from hiyoko.services.ecr.repositories import get_repository


@operation("PutImage")
def put_image(call: Call, request: Request) -> Response:
    """Add an image whose layers were pushed. Raises ImageAlreadyExists for the same once more."""
    repository, text = get_repository(call, request), request["imageManifest"]
    try:
        manifest = read_manifest(text, request.get("imageManifestMediaType", ""))
    except ValueError as error:
        raise invalid("ImageManifest", f"Invalid JSON syntax: {error}") from error
    if request.get("imageDigest", manifest.digest) != manifest.digest:
        raise AwsError(
            "ImageDigestDoesNotMatchException",
            f"Image with digest '{request['imageDigest']}' does not match calculated digest"
            f" '{manifest.digest}'",
        )
    tag = request.get("imageTag", "")
    if _is_there(call, repository, manifest.digest, tag):
        raise ImageAlreadyExists(manifest.digest, tag, repository.name, call.account)
    check_links(call, repository, manifest)
    _put(call, repository, manifest, text, tag)
    layer_store().add(text.encode())
    shown = {"imageDigest": manifest.digest} | ({"imageTag": tag} if tag else {})
    return {
        "image": {
            "registryId": call.account,
            "repositoryName": repository.name,
            "imageId": shown,
            "imageManifest": text,
            "imageManifestMediaType": manifest.media_type,
        }
    }


def _is_there(call: Call, repository: Repository, digest: str, tag: str) -> bool:
    if rows.find_image(call.tx, repository, digest) is None:
        return False
    known = rows.find_tag(call.tx, repository, tag) if tag else None
    return not tag or (known is not None and known.digest == digest)


def check_links(call: Call, repository: Repository, manifest: Manifest) -> None:
    """Everything that a manifest leads to was pushed to its repository before."""
    missing = [
        digest for digest in manifest.layers if rows.find_layer(call.tx, repository, digest) is None
    ]
    if missing:
        raise LayersNotPushed(missing, repository.name, call.account)
    missing = [
        digest
        for digest in manifest.members
        if rows.find_image(call.tx, repository, digest) is None
    ]
    if missing:
        raise ReferencedImagesNotFound(missing, repository.name, call.account)


@operation("_PushManifest")
def push_manifest(call: Call, request: Request) -> Response:
    """A push over HTTP: ``{repositoryName, mediaType, manifest, tag}``; the manifest's digest."""
    repository = get_repository(call, request)
    manifest = read_manifest(request["manifest"], request["mediaType"])
    check_links(call, repository, manifest)
    _put(call, repository, manifest, request["manifest"], request.get("tag") or "")
    return {"digest": manifest.digest}


@operation("_PutManifest")
def put_manifest(call: Call, request: Request) -> Response:
    """An image that came in by another door than a push: imported, or fetched from upstream.

    ``{repositoryName, digest, mediaType, size, manifest, tag, members, checked}``.
    """
    repository = get_repository(call, request)
    manifest = Manifest(
        request["digest"],
        request["mediaType"],
        request["size"],
        members=tuple(request.get("members", ())),
    )
    _put(call, repository, manifest, request["manifest"], request.get("tag") or "")
    if request.get("checked"):
        rows.note_check(call.tx, repository, manifest.digest, call.now)
    return {}


def _put(call: Call, repository: Repository, manifest: Manifest, text: str, tag: str) -> None:
    """The image is there, and its tag leads to it. Raises TagAlreadyExists for a fixed tag."""
    known = rows.find_tag(call.tx, repository, tag) if tag else None
    if known is not None and repository.is_fixed(tag):
        if known.digest == manifest.digest:
            return
        raise TagAlreadyExists(tag, repository.name)
    rows.insert_image(
        call.tx,
        Image(
            account=call.account,
            region=call.region,
            repository=repository.name,
            digest=manifest.digest,
            media_type=manifest.media_type,
            size=manifest.size,
            pushed_at=call.now,
            manifest=text,
            members=manifest.members,
            artifact_type=manifest.artifact_type,
            subject=manifest.subject,
        ),
    )
    if tag:
        rows.put_tag(
            call.tx,
            ImageTag(call.account, call.region, repository.name, tag, manifest.digest),
        )
    tell_image(call, "PUSH", repository.name, manifest.digest, tag)
    expire(call, repository)


@operation("_FindManifest")
def find_manifest(call: Call, request: Request) -> Response:
    """A pull's question: what a tag or digest leads to. Raises ImageNotFound.

    ``{repositoryName, reference, quiet}``: a quiet question is no pull.
    """
    repository, reference = get_repository(call, request), request["reference"]
    is_digest = reference.startswith("sha256:")
    image = find(call, repository, {"imageDigest" if is_digest else "imageTag": reference})
    if image is None:
        raise ImageNotFound(
            repository.name,
            call.account,
            reference if is_digest else None,
            None if is_digest else reference,
        )
    if not request.get("quiet"):
        rows.note_pull(call.tx, image, call.now)
    return {
        "digest": image.digest,
        "mediaType": image.media_type,
        "size": image.size,
        "manifest": image.manifest,
        "checkedAt": image.checked_at,
    }


@operation("_ListTags")
def list_tags(call: Call, request: Request) -> Response:
    """The registry's tag list."""
    repository = get_repository(call, request)
    return {"tags": [tag.tag for tag in rows.list_tags(call.tx, repository)]}


@operation("_ListReferrers")
def list_referrers(call: Call, request: Request) -> Response:
    """The registry's list of what refers to a digest, as an OCI image index has it."""
    answer = call.invoke(
        "ecr",
        "ListImageReferrers",
        {
            "repositoryName": request["repositoryName"],
            "subjectId": {"imageDigest": request["digest"]},
        },
    )
    manifests = [
        {name: value for name, value in one.items() if name != "artifactStatus"}
        for one in answer["referrers"]
    ]
    return {"manifests": json.dumps(manifests)}


@operation("_ForgetPublicImages")
def forget_public_images(call: Call, request: Request) -> Response:
    """Images of the public registries that neither a tag nor a deployment leads to; ``{Tags}``."""
    for tag in request["Tags"]:
        rows.PUBLIC_IMAGES.delete(call.tx, tag=tag)
    return {}
