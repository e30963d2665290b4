"""Layers through the API: what a client does that pushes without the registry's HTTP side.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_InitiateLayerUpload.html
"""

from __future__ import annotations

import re

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.errors import InvalidLayerPart, UploadNotFound
from hiyoko.services.ecr.layer_store import layer_store
from hiyoko.services.ecr.model import Layer, Repository
from hiyoko.services.ecr.repositories import get_repository

PART_BYTES = 10 << 20
"""What a client is told to send at once."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MEDIA_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@operation("BatchCheckLayerAvailability")
def batch_check_layer_availability(call: Call, request: Request) -> Response:
    """Which layers the repository has; what is no digest is a failure."""
    repository = get_repository(call, request)
    layers: list[Response] = []
    failures: list[Response] = []
    for digest in request["layerDigests"]:
        if not _DIGEST.fullmatch(digest):
            code = "InvalidLayerDigest" if digest else "MissingLayerDigest"
            reason = f"Invalid layer digest: '{digest}'"
            failures.append({"layerDigest": digest, "failureCode": code, "failureReason": reason})
            continue
        size = layer_size(call, repository, digest)
        if size is None:
            layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
        else:
            layers.append(
                {
                    "layerDigest": digest,
                    "layerAvailability": "AVAILABLE",
                    "layerSize": size,
                    "mediaType": _MEDIA_TYPE,
                }
            )
    return {"layers": layers, "failures": failures}


def layer_size(call: Call, repository: Repository, digest: str) -> int | None:
    """A layer's bytes, when the repository has it and it is on disk."""
    if rows.find_layer(call.tx, repository, digest) is None:
        return None
    return layer_store().size(digest)


@operation("InitiateLayerUpload")
def initiate_layer_upload(call: Call, request: Request) -> Response:
    """Begin an upload."""
    get_repository(call, request)
    return {"uploadId": layer_store().begin(), "partSize": PART_BYTES}


def _received(call: Call, repository: Repository, upload: str) -> int:
    received = layer_store().received(upload)
    if received is None:
        raise UploadNotFound(upload, repository.name, call.account)
    return received


@operation("UploadLayerPart")
def upload_layer_part(call: Call, request: Request) -> Response:
    """Add a part, which must begin where the last one ended. Raises InvalidLayerPart."""
    repository, upload = get_repository(call, request), request["uploadId"]
    received = _received(call, repository, upload)
    data = bytes(request["layerPartBlob"])
    first, last = request["partFirstByte"], request["partLastByte"]
    if first != received or last - first + 1 != len(data):
        raise InvalidLayerPart(upload, repository.name, call.account, received)
    layer_store().append(upload, data)
    return {
        "registryId": call.account,
        "repositoryName": repository.name,
        "uploadId": upload,
        "lastByteReceived": last,
    }


@operation("CompleteLayerUpload")
def complete_layer_upload(call: Call, request: Request) -> Response:
    """End an upload: the layer is the repository's when its digest is the one given."""
    repository, upload = get_repository(call, request), request["uploadId"]
    if _received(call, repository, upload) == 0:
        raise AwsError(
            "EmptyUploadException",
            f"The upload with upload id '{upload}' does not contain any parts",
        )
    digest = request["layerDigests"][0]
    if _DIGEST.fullmatch(digest) and layer_size(call, repository, digest) is not None:
        raise AwsError(
            "LayerAlreadyExistsException",
            f"Layer with digest '{digest}' already exists in the repository with name"
            f" '{repository.name}' in the registry with id '{call.account}'",
        )
    found = layer_store().finish(upload, digest)
    if found != digest:
        raise AwsError(
            "InvalidLayerException",
            f"Layer digest '{digest}' does not match the digest of the layer '{found}'",
        )
    note_layer(call, repository, digest)
    return {
        "registryId": call.account,
        "repositoryName": repository.name,
        "uploadId": upload,
        "layerDigest": digest,
    }


def note_layer(call: Call, repository: Repository, digest: str) -> None:
    """The repository has this blob from now on."""
    size = layer_store().size(digest) or 0
    rows.LAYERS.put(
        call.tx,
        Layer(call.account, call.region, repository.name, digest, size, call.now),
    )


@operation("_NoteLayer")
def note_pushed_layer(call: Call, request: Request) -> Response:
    """The registry's word: a blob was pushed; ``{repositoryName, digest}``."""
    note_layer(call, get_repository(call, request), request["digest"])
    return {}


@operation("_FindLayer")
def find_layer(call: Call, request: Request) -> Response:
    """Whether the repository has a blob; ``{repositoryName, digest}``."""
    repository = get_repository(call, request)
    return {"there": rows.find_layer(call.tx, repository, request["digest"]) is not None}


@operation("_MountLayer")
def mount_layer(call: Call, request: Request) -> Response:
    """Take a blob from another repository: ``{repositoryName, digest, from}``.

    Only where the registry's setting allows it, and the other repository has it.
    """
    repository, digest = get_repository(call, request), request["digest"]
    other = rows.find_repository(call.tx, call.account, call.region, request["from"])
    setting = rows.find_registry(call.tx, call.account, call.region).blob_mounting
    mounted = (
        setting == "ENABLED" and other is not None and layer_size(call, other, digest) is not None
    )
    if mounted:
        note_layer(call, repository, digest)
    return {"mounted": mounted}


@operation("_ForgetLayers")
def forget_layers(call: Call, request: Request) -> Response:
    """Layers pushed before ``Before`` (seconds) are had by images, or by nobody."""
    for layer in rows.LAYERS.list(call.tx):
        if layer.pushed_at < request["Before"]:
            where = {"account": layer.account, "region": layer.region}
            rows.LAYERS.delete(call.tx, **where, repository=layer.repository, digest=layer.digest)
    return {}
