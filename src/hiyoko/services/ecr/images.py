"""Images: listed, described, deleted; and what the registry's HTTP side calls."""

from __future__ import annotations

from collections import defaultdict

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecr import rows, views
from hiyoko.services.ecr.errors import ImageNotFound, TagAlreadyExists
from hiyoko.services.ecr.lifecycle import expire
from hiyoko.services.ecr.model import Image, ImageTag, Repository
from hiyoko.services.ecr.pages import page
from hiyoko.services.ecr.repositories import own_registry


def _repository(call: Call, request: Request) -> Repository:
    own_registry(call, request)
    return rows.get_repository(call.tx, call.account, call.region, request["repositoryName"])


def _tags_by_digest(call: Call, repository: Repository) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for tag in rows.list_tags(call.tx, repository):
        found[tag.digest].append(tag.tag)
    return found


def _find(call: Call, repository: Repository, image_id: Request) -> Image | None:
    """The image that an ImageIdentifier names."""
    digest = image_id.get("imageDigest")
    if image_id.get("imageTag"):
        tag = rows.find_tag(call.tx, repository, image_id["imageTag"])
        if tag is None or (digest and digest != tag.digest):
            return None
        digest = tag.digest
    return rows.find_image(call.tx, repository, digest) if digest else None


@operation("ListImages")
def list_images(call: Call, request: Request) -> Response:
    """Every tag with its digest, and the digests without a tag."""
    repository = _repository(call, request)
    status = request.get("filter", {}).get("tagStatus", "ANY")
    tags = _tags_by_digest(call, repository)
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
    repository = _repository(call, request)
    tags = _tags_by_digest(call, repository)
    if request.get("imageIds"):
        found: list[Image] = []
        for image_id in request["imageIds"]:
            image = _find(call, repository, image_id)
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
    status = request.get("filter", {}).get("tagStatus", "ANY")
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
    repository = _repository(call, request)
    found: list[Response] = []
    failures: list[Response] = []
    for image_id in request["imageIds"]:
        image = _find(call, repository, image_id)
        if image is None:
            failures.append(_failure(image_id))
            continue
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
    repository = _repository(call, request)
    deleted: list[Response] = []
    failures: list[Response] = []
    for image_id in request["imageIds"]:
        image = _find(call, repository, image_id)
        if image is None:
            failures.append(_failure(image_id))
            continue
        tags = _tags_by_digest(call, repository)[image.digest]
        name = image_id.get("imageTag")
        if name and len(tags) > 1:
            rows.delete_tag(
                call.tx,
                ImageTag(call.account, call.region, repository.name, name, image.digest),
            )
            deleted.append({"imageDigest": image.digest, "imageTag": name})
            continue
        if any(image.digest in other.members for other in rows.list_images(call.tx, repository)):
            failures.append(_referenced(image_id))
            continue
        rows.delete_image(call.tx, image)
        deleted += [{"imageDigest": image.digest, "imageTag": tag} for tag in tags] or [
            {"imageDigest": image.digest}
        ]
    return {"imageIds": deleted, "failures": failures}


def _failure(image_id: Request) -> Response:
    if not image_id.get("imageTag") and not image_id.get("imageDigest"):
        code = "MissingDigestAndTag"
        reason = "Invalid request parameters: both tag and digest cannot be null"
    else:
        code, reason = "ImageNotFound", "Requested image not found"
    return {"imageId": dict(image_id), "failureCode": code, "failureReason": reason}


def _referenced(image_id: Request) -> Response:
    return {
        "imageId": dict(image_id),
        "failureCode": "ImageReferencedByManifestList",
        "failureReason": "Requested image referenced by manifest list",
    }


@operation("_FindManifest")
def find_manifest(call: Call, request: Request) -> Response:
    """The registry's question: what a tag or digest leads to. Raises ImageNotFound."""
    repository = _repository(call, request)
    reference = request["reference"]
    is_digest = reference.startswith("sha256:")
    image = _find(call, repository, {"imageDigest" if is_digest else "imageTag": reference})
    if image is None:
        raise ImageNotFound(
            repository.name,
            call.account,
            reference if is_digest else None,
            None if is_digest else reference,
        )
    return {"digest": image.digest, "mediaType": image.media_type, "size": image.size}


@operation("_PutManifest")
def put_manifest(call: Call, request: Request) -> Response:
    """A push's last step: the image is there, and its tag leads to it.

    Raises TagAlreadyExists in an immutable repository.
    """
    repository = _repository(call, request)
    tag = request.get("tag")
    if tag:
        known = rows.find_tag(call.tx, repository, tag)
        if known is not None and repository.immutable:
            if known.digest == request["digest"]:
                return {}
            raise TagAlreadyExists(tag, repository.name)
    rows.insert_image(
        call.tx,
        Image(
            account=call.account,
            region=call.region,
            repository=repository.name,
            digest=request["digest"],
            media_type=request["mediaType"],
            size=request["size"],
            pushed_at=call.now,
            manifest=request["manifest"],
            members=tuple(request.get("members", ())),
        ),
    )
    if tag:
        rows.put_tag(
            call.tx,
            ImageTag(call.account, call.region, repository.name, tag, request["digest"]),
        )
    expire(call.tx, repository)
    return {}


@operation("_ListTags")
def list_tags(call: Call, request: Request) -> Response:
    """The registry's tag list."""
    repository = _repository(call, request)
    return {"tags": [tag.tag for tag in rows.list_tags(call.tx, repository)]}
