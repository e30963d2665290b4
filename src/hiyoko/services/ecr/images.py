"""Images: listed, described, deleted."""

from __future__ import annotations

import json

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ecr import rows, views
from hiyoko.services.ecr.errors import ImageNotFound
from hiyoko.services.ecr.events import tell_image
from hiyoko.services.ecr.model import Image, ImageTag, Repository
from hiyoko.services.ecr.pages import page
from hiyoko.services.ecr.repositories import get_repository


def find(call: Call, repository: Repository, image_id: Request) -> Image | None:
    """The image that an ImageIdentifier names."""
    digest = image_id.get("imageDigest")
    if image_id.get("imageTag"):
        tag = rows.find_tag(call.tx, repository, image_id["imageTag"])
        if tag is None or (digest and digest != tag.digest):
            return None
        digest = tag.digest
    return rows.find_image(call.tx, repository, digest) if digest else None


def _tag_status(request: Request) -> str:
    """ANY, TAGGED or UNTAGGED. No image here is ever archived."""
    wanted = request.get("filter", {})
    if wanted.get("imageStatus", "ANY") not in ("ANY", "ACTIVE"):
        raise unsupported("filter.imageStatus", wanted["imageStatus"])
    return str(wanted.get("tagStatus", "ANY"))


@operation("ListImages")
def list_images(call: Call, request: Request) -> Response:
    """Every tag with its digest, and the digests without a tag."""
    repository = get_repository(call, request)
    status = _tag_status(request)
    tags = rows.tags_by_digest(call.tx, repository)
    ids: list[Response] = []
    for image in rows.list_images(call.tx, repository):
        names = tags.get(image.digest, [])
        if names and status in ("ANY", "TAGGED"):
            ids += [{"imageDigest": image.digest, "imageTag": name} for name in names]
        elif not names and status in ("ANY", "UNTAGGED"):
            ids.append({"imageDigest": image.digest})
    shown, token = page(request, ids)
    response: Response = {"imageIds": list(shown)}
    return response | ({"nextToken": token} if token else {})


@operation("DescribeImages")
def describe_images(call: Call, request: Request) -> Response:
    """The named images, or all. Raises ImageNotFound."""
    repository = get_repository(call, request)
    tags = rows.tags_by_digest(call.tx, repository)
    if request.get("imageIds"):
        found: list[Image] = []
        for image_id in request["imageIds"]:
            image = find(call, repository, image_id)
            if image is None:
                raise ImageNotFound(
                    repository.name,
                    call.account,
                    image_id.get("imageDigest"),
                    image_id.get("imageTag"),
                )
            if image not in found:
                found.append(image)
        return {"imageDetails": [views.image_detail(i, tags.get(i.digest, [])) for i in found]}
    status = _tag_status(request)
    images = [
        image
        for image in rows.list_images(call.tx, repository)
        if status == "ANY" or (status == "TAGGED") == bool(tags.get(image.digest))
    ]
    shown, token = page(request, images)
    response: Response = {
        "imageDetails": [views.image_detail(i, tags.get(i.digest, [])) for i in shown]
    }
    return response | ({"nextToken": token} if token else {})


@operation("BatchGetImage")
def batch_get_image(call: Call, request: Request) -> Response:
    """The named images' manifests, as they were pushed."""
    repository = get_repository(call, request)
    found: list[Response] = []
    failures: list[Response] = []
    for image_id in request["imageIds"]:
        image = find(call, repository, image_id)
        if image is None:
            failures.append(_failure(call, repository, image_id))
            continue
        rows.note_pull(call.tx, image, call.now)
        shown: Response = {
            "registryId": call.account,
            "repositoryName": repository.name,
            "imageId": {"imageDigest": image.digest} | dict(image_id),
            "imageManifest": image.manifest,
            "imageManifestMediaType": image.media_type,
        }
        found.append(shown)
    return {"images": found, "failures": failures}


@operation("BatchDeleteImage")
def batch_delete_image(call: Call, request: Request) -> Response:
    """By tag: the tag goes, and the image with its last one. By digest: all of it goes."""
    repository = get_repository(call, request)
    deleted: list[Response] = []
    failures: list[Response] = []
    for image_id in request["imageIds"]:
        image = find(call, repository, image_id)
        if image is None:
            failures.append(_failure(call, repository, image_id))
            continue
        tags = rows.tags_by_digest(call.tx, repository).get(image.digest, [])
        name = image_id.get("imageTag")
        if name and len(tags) > 1:
            rows.delete_tag(
                call.tx,
                ImageTag(call.account, call.region, repository.name, name, image.digest),
            )
            tell_image(call, "DELETE", repository.name, image.digest, name)
            deleted.append({"imageDigest": image.digest, "imageTag": name})
            continue
        if any(image.digest in other.members for other in rows.list_images(call.tx, repository)):
            failures.append(_referenced(image_id))
            continue
        rows.delete_image(call.tx, image)
        for tag in tags or [""]:
            tell_image(call, "DELETE", repository.name, image.digest, tag)
        deleted += [{"imageDigest": image.digest, "imageTag": tag} for tag in tags] or [
            {"imageDigest": image.digest}
        ]
    return {"imageIds": deleted, "failures": failures}


def _failure(call: Call, repository: Repository, image_id: Request) -> Response:
    tag, digest = image_id.get("imageTag"), image_id.get("imageDigest")
    if not tag and not digest:
        code = "MissingDigestAndTag"
        reason = "Invalid request parameters: both tag and digest cannot be null"
    elif digest and not digest.startswith("sha256:"):
        code = "InvalidImageDigest"
        reason = "Invalid request parameters: image digest should satisfy the regex"
        reason += " '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
    elif digest and tag and rows.find_tag(call.tx, repository, tag) is not None:
        code, reason = "ImageTagDoesNotMatchDigest", "Image tag does not match the image digest"
    else:
        code, reason = "ImageNotFound", "Requested image not found"
    return {"imageId": dict(image_id), "failureCode": code, "failureReason": reason}


def _referenced(image_id: Request) -> Response:
    return {
        "imageId": dict(image_id),
        "failureCode": "ImageReferencedByManifestList",
        "failureReason": "Requested image referenced by manifest list",
    }


@operation("ListImageReferrers")
def list_image_referrers(call: Call, request: Request) -> Response:
    """What refers to an image: signatures, attestations and other artifacts."""
    repository = get_repository(call, request)
    types = request.get("filter", {}).get("artifactTypes")
    found = [
        _referrer(image)
        for image in rows.list_images(call.tx, repository)
        if image.subject == request["subjectId"]["imageDigest"]
        if not types or image.artifact_type in types
    ]
    shown, token = page(request, found)
    response: Response = {"referrers": list(shown)}
    return response | ({"nextToken": token} if token else {})


def _referrer(image: Image) -> Response:
    shown: Response = {
        "digest": image.digest,
        "mediaType": image.media_type,
        "size": len(image.manifest.encode()),
        "artifactStatus": "ACTIVE",
    }
    if image.artifact_type:
        shown["artifactType"] = image.artifact_type
    annotations = json.loads(image.manifest).get("annotations")
    return shown | ({"annotations": annotations} if annotations else {})
