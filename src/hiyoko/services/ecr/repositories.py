"""Repositories: made, shown, deleted."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ecr import rows, views
from hiyoko.services.ecr.errors import RepositoryAlreadyExists, RepositoryNotEmpty
from hiyoko.services.ecr.model import Repository
from hiyoko.services.ecr.pages import page


def own_registry(call: Call, request: Request) -> None:
    """Refuse the registry of another account: there is no sharing between accounts here."""
    if request.get("registryId", call.account) != call.account:
        raise unsupported("registryId", request["registryId"])


def _immutable(request: Request) -> bool:
    value = request.get("imageTagMutability", "MUTABLE")
    if value not in ("MUTABLE", "IMMUTABLE"):
        raise unsupported("imageTagMutability", value)
    if request.get("imageTagMutabilityExclusionFilters"):
        raise unsupported("imageTagMutabilityExclusionFilters")
    return bool(value == "IMMUTABLE")


@operation("CreateRepository")
def create_repository(call: Call, request: Request) -> Response:
    """Record the repository."""
    own_registry(call, request)
    name = request["repositoryName"]
    if rows.find_repository(call.tx, call.account, call.region, name) is not None:
        raise RepositoryAlreadyExists(name, call.account)
    if request.get("imageScanningConfiguration", {}).get("scanOnPush"):
        raise unsupported("imageScanningConfiguration.scanOnPush", True)
    encryption = request.get("encryptionConfiguration", {})
    if encryption.get("encryptionType", "AES256") != "AES256":
        raise unsupported("encryptionConfiguration.encryptionType", encryption["encryptionType"])
    repository = Repository(
        account=call.account,
        region=call.region,
        name=name,
        arn=call.arn("ecr", f"repository/{name}"),
        created_at=call.now,
        immutable=_immutable(request),
        tags=tuple((tag["Key"], tag.get("Value", "")) for tag in request.get("tags", ())),
    )
    rows.insert_repository(call.tx, repository)
    return {"repository": views.repository(repository)}


@operation("DescribeRepositories")
def describe_repositories(call: Call, request: Request) -> Response:
    """The named repositories, or all of them. Raises RepositoryNotFound."""
    own_registry(call, request)
    names = request.get("repositoryNames")
    if names:
        found = [rows.get_repository(call.tx, call.account, call.region, name) for name in names]
        return {"repositories": [views.repository(row) for row in found]}
    shown, token = page(request, rows.list_repositories(call.tx, call.account, call.region))
    response: Response = {"repositories": [views.repository(row) for row in shown]}
    return response | ({"nextToken": token} if token else {})


@operation("DeleteRepository")
def delete_repository(call: Call, request: Request) -> Response:
    """Delete the repository; with images in it only by force."""
    own_registry(call, request)
    name = request["repositoryName"]
    repository = rows.get_repository(call.tx, call.account, call.region, name)
    if rows.list_images(call.tx, repository) and not request.get("force"):
        raise RepositoryNotEmpty(name, call.account)
    rows.delete_repository(call.tx, repository)
    return {"repository": views.repository(repository)}


@operation("PutImageTagMutability")
def put_image_tag_mutability(call: Call, request: Request) -> Response:
    """Whether a tag may be moved from now on."""
    own_registry(call, request)
    repository = rows.get_repository(call.tx, call.account, call.region, request["repositoryName"])
    changed = replace(repository, immutable=_immutable(request))
    rows.put_repository(call.tx, changed)
    return {
        "registryId": call.account,
        "repositoryName": changed.name,
        "imageTagMutability": request["imageTagMutability"],
    }
