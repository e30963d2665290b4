"""CloudFormation's types of the registry: cache rules, creation templates, the policy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ECR.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.services.ecr.cfn_values import document, lower, mutability
from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces

_RULE = (
    *("EcrRepositoryPrefix", "UpstreamRegistryUrl", "UpstreamRegistry"),
    *("UpstreamRepositoryPrefix", "CredentialArn", "CustomRoleArn"),
)


def _create_rule(handle: Handle) -> Made:
    request = lower(handle.given(*_RULE))
    answer = handle.invoke("ecr", "CreatePullThroughCacheRule", request)
    return Made(answer["ecrRepositoryPrefix"])


def _delete_rule(handle: Handle) -> None:
    request = {"ecrRepositoryPrefix": handle.physical_id}
    handle.invoke("ecr", "DeletePullThroughCacheRule", request)


def _template(handle: Handle) -> dict[str, Any]:
    plain = handle.given("AppliedFor", "Description", "EncryptionConfiguration", "CustomRoleArn")
    request: dict[str, Any] = lower(plain) | mutability(handle)
    for name in ("LifecyclePolicy", "RepositoryPolicy"):
        if name in handle.properties:
            request |= lower({name: document(handle.properties[name])})
    if "ResourceTags" in handle.properties:
        request["resourceTags"] = handle.properties["ResourceTags"]
    return request | {"prefix": handle.properties["Prefix"]}


def _create_template(handle: Handle) -> Made:
    answer = handle.invoke("ecr", "CreateRepositoryCreationTemplate", _template(handle))
    made = answer["repositoryCreationTemplate"]
    return Made(made["prefix"], {"CreatedAt": made["createdAt"], "UpdatedAt": made["updatedAt"]})


def _update_template(handle: Handle) -> None:
    handle.invoke("ecr", "UpdateRepositoryCreationTemplate", _template(handle))


def _delete_template(handle: Handle) -> None:
    handle.invoke("ecr", "DeleteRepositoryCreationTemplate", {"prefix": handle.physical_id})


def _put_policy(handle: Handle) -> Made:
    request = {"policyText": document(handle.properties["PolicyText"])}
    registry = handle.invoke("ecr", "PutRegistryPolicy", request)["registryId"]
    return Made(registry, {"RegistryId": registry})


def _update_policy(handle: Handle) -> None:
    _put_policy(handle)


def _delete_policy(handle: Handle) -> None:
    handle.invoke("ecr", "DeleteRegistryPolicy", {})


register(
    ResourceType(
        "AWS::ECR::PullThroughCacheRule",
        replaces(*_RULE),
        _create_rule,
        _delete_rule,
        required=frozenset({"EcrRepositoryPrefix", "UpstreamRegistryUrl"}),
        named="EcrRepositoryPrefix",
        missing=frozenset({"PullThroughCacheRuleNotFoundException"}),
    ),
    ResourceType(
        "AWS::ECR::RepositoryCreationTemplate",
        {
            **in_place("AppliedFor", "Description", "EncryptionConfiguration", "CustomRoleArn"),
            **in_place("ImageTagMutability", "ImageTagMutabilityExclusionFilters"),
            **in_place("LifecyclePolicy", "RepositoryPolicy", "ResourceTags"),
            **replaces("Prefix"),
        },
        _create_template,
        _delete_template,
        _update_template,
        required=frozenset({"Prefix", "AppliedFor"}),
        attributes=frozenset({"CreatedAt", "UpdatedAt"}),
        named="Prefix",
        missing=frozenset({"TemplateNotFoundException"}),
    ),
    ResourceType(
        "AWS::ECR::RegistryPolicy",
        in_place("PolicyText"),
        _put_policy,
        _delete_policy,
        _update_policy,
        required=frozenset({"PolicyText"}),
        attributes=frozenset({"RegistryId"}),
        missing=frozenset({"RegistryPolicyNotFoundException"}),
    ),
)
