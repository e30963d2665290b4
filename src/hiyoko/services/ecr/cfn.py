"""CloudFormation's ECR repository, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecr-repository.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces
from hiyoko.template.tagging import own_tags, tag_keys_to_drop, tags_to_write


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _lower(inner) for key, inner in value.items()}
    return value


def _create(handle: Handle) -> Made:
    name = handle.properties.get("RepositoryName") or handle.name(256).lower()
    given = _lower(
        handle.given("ImageScanningConfiguration", "ImageTagMutability", "EncryptionConfiguration")
    )
    request = {"repositoryName": name, "tags": own_tags(handle), **given}
    answer = handle.invoke("ecr", "CreateRepository", request)
    _set_lifecycle(handle, name)
    repository = answer["repository"]
    return Made(
        name,
        {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]},
    )


def _set_lifecycle(handle: Handle, name: str) -> None:
    if not handle.changed("LifecyclePolicy"):
        return
    text = handle.properties.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
    if text is None:
        handle.invoke("ecr", "DeleteLifecyclePolicy", {"repositoryName": name})
    else:
        request = {"repositoryName": name, "lifecyclePolicyText": text}
        handle.invoke("ecr", "PutLifecyclePolicy", request)


def _update(handle: Handle) -> None:
    name = handle.physical_id
    _set_lifecycle(handle, name)
    if handle.changed("ImageTagMutability"):
        value = handle.properties.get("ImageTagMutability", "MUTABLE")
        request = {"repositoryName": name, "imageTagMutability": value}
        handle.invoke("ecr", "PutImageTagMutability", request)
    if handle.changed("ImageScanningConfiguration"):
        scanning = _lower(handle.properties.get("ImageScanningConfiguration", {}))
        request = {"repositoryName": name, "imageScanningConfiguration": scanning}
        handle.invoke("ecr", "PutImageScanningConfiguration", request)
    arn = handle.attributes["Arn"]
    if drop := tag_keys_to_drop(handle):
        handle.invoke("ecr", "UntagResource", {"resourceArn": arn, "tagKeys": drop})
    if write := tags_to_write(handle):
        handle.invoke("ecr", "TagResource", {"resourceArn": arn, "tags": write})


def _delete(handle: Handle) -> None:
    force = handle.properties.get("EmptyOnDelete", False)
    request = {"repositoryName": handle.physical_id, "force": force}
    handle.invoke("ecr", "DeleteRepository", request)


register(
    ResourceType(
        "AWS::ECR::Repository",
        {
            **in_place("EmptyOnDelete", "ImageScanningConfiguration", "ImageTagMutability"),
            **in_place("LifecyclePolicy", "Tags"),
            **replaces("RepositoryName", "EncryptionConfiguration"),
        },
        _create,
        _delete,
        _update,
        attributes=frozenset({"Arn", "RepositoryUri"}),
        named="RepositoryName",
        tags=True,
    )
)
