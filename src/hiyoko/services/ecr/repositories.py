"""Repositories: made, shown, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ecr import rows, views
from hiyoko.services.ecr.errors import RepositoryAlreadyExists, RepositoryNotEmpty, invalid
from hiyoko.services.ecr.model import CreationTemplate, Repository
from hiyoko.services.ecr.pages import page

EXCLUSIONS_MAX = 5
"""https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html"""


def own_registry(call: Call, request: Request) -> None:
    """Refuse the registry of another account: there is no sharing between accounts here."""
    if request.get("registryId", call.account) != call.account:
        raise unsupported("registryId", request["registryId"])


def get_repository(call: Call, request: Request) -> Repository:
    """The repository that a request names. Raises RepositoryNotFound."""
    own_registry(call, request)
    return rows.get_repository(call.tx, call.account, call.region, request["repositoryName"])


def mutability(request: Request) -> tuple[str, tuple[str, ...]]:
    """Whether tags may move, and the patterns of those for which it is the other way round."""
    value = request.get("imageTagMutability", "MUTABLE")
    filters = request.get("imageTagMutabilityExclusionFilters", ())
    name = "imageTagMutabilityExclusionFilters"
    if bool(filters) != value.endswith("_WITH_EXCLUSION"):
        raise invalid(name, f"must be given with a mutability with exclusion, and not with {value}")
    if len(filters) > EXCLUSIONS_MAX:
        raise invalid(name, f"member must have length less than or equal to {EXCLUSIONS_MAX}")
    return value, tuple(one["filter"] for one in filters)


def check_encryption(configuration: Mapping[str, str]) -> None:
    """Refuse by name what is not AES256: there is no key of the user's own here."""
    if configuration.get("encryptionType", "AES256") != "AES256":
        raise unsupported("encryptionConfiguration.encryptionType", configuration["encryptionType"])


@operation("CreateRepository")
def create_repository(call: Call, request: Request) -> Response:
    """Record the repository. ``scanOnPush`` is a record: nothing here scans."""
    own_registry(call, request)
    name = request["repositoryName"]
    if rows.find_repository(call.tx, call.account, call.region, name) is not None:
        raise RepositoryAlreadyExists(name, call.account)
    check_encryption(request.get("encryptionConfiguration", {}))
    value, exclusions = mutability(request)
    repository = Repository(
        account=call.account,
        region=call.region,
        name=name,
        arn=call.arn("ecr", f"repository/{name}"),
        created_at=call.now,
        mutability=value,
        exclusions=exclusions,
        scan_on_push=request.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        tags=tuple((tag["Key"], tag.get("Value", "")) for tag in request.get("tags", ())),
    )
    rows.insert_repository(call.tx, repository)
    return {"repository": views.repository(repository)}


def create_from_template(call: Call, name: str, template: CreationTemplate | None) -> Repository:
    """A repository that nobody created by hand, as the template wants it."""
    template = template or CreationTemplate(call.account, call.region, "", (), 0.0, 0.0)
    repository = Repository(
        account=call.account,
        region=call.region,
        name=name,
        arn=call.arn("ecr", f"repository/{name}"),
        created_at=call.now,
        mutability=template.mutability,
        exclusions=template.exclusions,
        policy=template.policy,
        access_policy=template.access_policy,
        tags=template.tags,
    )
    rows.insert_repository(call.tx, repository)
    return repository


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
    repository = get_repository(call, request)
    if rows.list_images(call.tx, repository) and not request.get("force"):
        raise RepositoryNotEmpty(repository.name, call.account)
    rows.delete_repository(call.tx, repository)
    return {"repository": views.repository(repository)}


@operation("PutImageTagMutability")
def put_image_tag_mutability(call: Call, request: Request) -> Response:
    """Whether a tag may be moved from now on."""
    repository = get_repository(call, request)
    value, exclusions = mutability(request)
    changed = replace(repository, mutability=value, exclusions=exclusions)
    rows.put_repository(call.tx, changed)
    return {
        "registryId": call.account,
        "repositoryName": changed.name,
        **views.mutability(value, exclusions),
    }


@operation("PutImageScanningConfiguration")
def put_image_scanning_configuration(call: Call, request: Request) -> Response:
    """Record whether a push shall be scanned; nothing here scans."""
    repository = get_repository(call, request)
    wanted = request["imageScanningConfiguration"].get("scanOnPush", False)
    rows.put_repository(call.tx, replace(repository, scan_on_push=wanted))
    return {
        "registryId": call.account,
        "repositoryName": repository.name,
        "imageScanningConfiguration": {"scanOnPush": wanted},
    }


@operation("BatchGetRepositoryScanningConfiguration")
def batch_get_repository_scanning_configuration(call: Call, request: Request) -> Response:
    """The records of several repositories; unknown ones are failures."""
    found: list[Response] = []
    failures: list[Response] = []
    for name in request["repositoryNames"]:
        repository = rows.find_repository(call.tx, call.account, call.region, name)
        if repository is None:
            failures.append(
                {
                    "repositoryName": name,
                    "failureCode": "REPOSITORY_NOT_FOUND",
                    "failureReason": f"Repository '{name}' not found",
                }
            )
            continue
        found.append(
            {
                "repositoryArn": repository.arn,
                "repositoryName": name,
                "scanOnPush": repository.scan_on_push,
                "scanFrequency": "SCAN_ON_PUSH" if repository.scan_on_push else "MANUAL",
                "appliedScanFilters": [],
            }
        )
    return {"scanningConfigurations": found, "failures": failures}
