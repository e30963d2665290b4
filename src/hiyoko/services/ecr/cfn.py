"""CloudFormation's ECR repository, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecr-repository.html
"""

from __future__ import annotations

from hiyoko.services.ecr import cfn_registry  # noqa: F401 - registers its types
from hiyoko.services.ecr.cfn_values import document, lower, mutability
from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces
from hiyoko.template.tagging import own_tags, tag_keys_to_drop, tags_to_write


def _create(handle: Handle) -> Made:
    name = handle.properties.get("RepositoryName") or handle.name(256).lower()
    given = lower(handle.given("ImageScanningConfiguration", "EncryptionConfiguration"))
    request = {"repositoryName": name, "tags": own_tags(handle), **given, **mutability(handle)}
    answer = handle.invoke("ecr", "CreateRepository", request)
    _set_lifecycle(handle, name)
    _set_policy(handle, name)
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


def _set_policy(handle: Handle, name: str) -> None:
    if not handle.changed("RepositoryPolicyText"):
        return
    policy = handle.properties.get("RepositoryPolicyText")
    if policy is None:
        handle.invoke("ecr", "DeleteRepositoryPolicy", {"repositoryName": name})
    else:
        request = {"repositoryName": name, "policyText": document(policy)}
        handle.invoke("ecr", "SetRepositoryPolicy", request)


def _update(handle: Handle) -> None:
    name = handle.physical_id
    _set_lifecycle(handle, name)
    _set_policy(handle, name)
    if handle.changed("ImageTagMutability", "ImageTagMutabilityExclusionFilters"):
        request = {"repositoryName": name, "imageTagMutability": "MUTABLE"} | mutability(handle)
        handle.invoke("ecr", "PutImageTagMutability", request)
    if handle.changed("ImageScanningConfiguration"):
        scanning = lower(handle.properties.get("ImageScanningConfiguration", {}))
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
            **in_place("ImageTagMutabilityExclusionFilters", "RepositoryPolicyText"),
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
