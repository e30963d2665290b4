"""CloudFormation's IAM roles and policies, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

from __future__ import annotations

import json
from typing import Any

from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces
from hiyoko.template.tagging import own_tags, tag_keys_to_drop, tags_to_write

Shown = dict[str, Any]

_IAM = "CAPABILITY_IAM"


def _call(handle: Handle, operation: str, **request: Any) -> Shown:
    return handle.invoke("iam", operation, request)


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


# Roles


def _create_role(handle: Handle) -> Made:
    name = handle.properties.get("RoleName") or handle.name(64)
    given = handle.given("Path", "Description", "MaxSessionDuration", "PermissionsBoundary")
    if tags := own_tags(handle):
        given["Tags"] = tags
    answer = _call(
        handle,
        "CreateRole",
        RoleName=name,
        AssumeRolePolicyDocument=_text(handle.properties["AssumeRolePolicyDocument"]),
        **given,
    )
    _set_role_policies(handle, name)
    role = answer["Role"]
    return Made(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _set_role_policies(handle: Handle, name: str) -> None:
    old, new = (
        handle.old.get("ManagedPolicyArns", []),
        handle.properties.get("ManagedPolicyArns", []),
    )
    for arn in (arn for arn in old if arn not in new):
        _call(handle, "DetachRolePolicy", RoleName=name, PolicyArn=arn)
    for arn in (arn for arn in new if arn not in old):
        _call(handle, "AttachRolePolicy", RoleName=name, PolicyArn=arn)
    inline = {item["PolicyName"]: item for item in handle.properties.get("Policies", [])}
    before = {item["PolicyName"]: item for item in handle.old.get("Policies", [])}
    for policy in (policy for policy in before if policy not in inline):
        _call(handle, "DeleteRolePolicy", RoleName=name, PolicyName=policy)
    for policy, item in inline.items():
        if before.get(policy) != item:
            document = _text(item["PolicyDocument"])
            _call(
                handle,
                "PutRolePolicy",
                RoleName=name,
                PolicyName=policy,
                PolicyDocument=document,
            )


def _update_role(handle: Handle) -> None:
    name = handle.physical_id
    if handle.changed("AssumeRolePolicyDocument"):
        document = _text(handle.properties["AssumeRolePolicyDocument"])
        _call(handle, "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=document)
    if handle.changed("Description", "MaxSessionDuration"):
        _call(
            handle,
            "UpdateRole",
            RoleName=name,
            Description=handle.properties.get("Description", ""),
            MaxSessionDuration=handle.properties.get("MaxSessionDuration", 3600),
        )
    if handle.changed("PermissionsBoundary"):
        boundary = handle.properties.get("PermissionsBoundary")
        if boundary is None:
            _call(handle, "DeleteRolePermissionsBoundary", RoleName=name)
        else:
            _call(handle, "PutRolePermissionsBoundary", RoleName=name, PermissionsBoundary=boundary)
    _set_role_policies(handle, name)
    if drop := tag_keys_to_drop(handle):
        _call(handle, "UntagRole", RoleName=name, TagKeys=drop)
    if write := tags_to_write(handle):
        _call(handle, "TagRole", RoleName=name, Tags=write)


def _delete_role(handle: Handle) -> None:
    """What the role declared goes with it; what others attached holds it back, as on AWS."""
    name = handle.physical_id
    attached = _call(handle, "ListAttachedRolePolicies", RoleName=name)["AttachedPolicies"]
    mine = handle.properties.get("ManagedPolicyArns", [])
    for policy in attached:
        if policy["PolicyArn"] in mine:
            _call(handle, "DetachRolePolicy", RoleName=name, PolicyArn=policy["PolicyArn"])
    inline = _call(handle, "ListRolePolicies", RoleName=name)["PolicyNames"]
    declared = {item["PolicyName"] for item in handle.properties.get("Policies", [])}
    for policy in inline:
        if policy in declared:
            _call(handle, "DeleteRolePolicy", RoleName=name, PolicyName=policy)
    _call(handle, "DeleteRole", RoleName=name)


# Inline policies as resources of their own


def _put_policy(handle: Handle) -> None:
    old, new = handle.old.get("Roles", []), handle.properties.get("Roles", [])
    before = handle.old.get("PolicyName")
    name = handle.properties["PolicyName"]
    for role in old:
        if role not in new or before != name:
            _call(handle, "DeleteRolePolicy", RoleName=role, PolicyName=before)
    document = _text(handle.properties["PolicyDocument"])
    for role in new:
        _call(handle, "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=document)


def _create_policy(handle: Handle) -> Made:
    _put_policy(handle)
    return Made(handle.name())


def _delete_policy(handle: Handle) -> None:
    name = handle.properties["PolicyName"]
    for role in handle.properties.get("Roles", []):
        _call(handle, "DeleteRolePolicy", RoleName=role, PolicyName=name)


# Managed policies


def _create_managed(handle: Handle) -> Made:
    answer = _call(
        handle,
        "CreatePolicy",
        PolicyName=handle.properties.get("ManagedPolicyName") or handle.name(128),
        PolicyDocument=_text(handle.properties["PolicyDocument"]),
        **handle.given("Path", "Description"),
    )
    arn = str(answer["Policy"]["Arn"])
    _attach_managed(handle, arn)
    return Made(arn)


def _attach_managed(handle: Handle, arn: str) -> None:
    old, new = handle.old.get("Roles", []), handle.properties.get("Roles", [])
    for role in (role for role in old if role not in new):
        _call(handle, "DetachRolePolicy", RoleName=role, PolicyArn=arn)
    for role in (role for role in new if role not in old):
        _call(handle, "AttachRolePolicy", RoleName=role, PolicyArn=arn)


def _update_managed(handle: Handle) -> None:
    if handle.changed("PolicyDocument"):
        _call(
            handle,
            "CreatePolicyVersion",
            PolicyArn=handle.physical_id,
            PolicyDocument=_text(handle.properties["PolicyDocument"]),
            SetAsDefault=True,
        )
        _delete_old_versions(handle)
    _attach_managed(handle, handle.physical_id)


def _delete_old_versions(handle: Handle) -> None:
    # A policy may have five versions only, and is deleted with its last one only.
    answer = _call(handle, "ListPolicyVersions", PolicyArn=handle.physical_id)
    for version in answer["Versions"]:
        if not version["IsDefaultVersion"]:
            _call(
                handle,
                "DeletePolicyVersion",
                PolicyArn=handle.physical_id,
                VersionId=version["VersionId"],
            )


def _delete_managed(handle: Handle) -> None:
    for role in handle.properties.get("Roles", []):
        _call(handle, "DetachRolePolicy", RoleName=role, PolicyArn=handle.physical_id)
    _delete_old_versions(handle)
    _call(handle, "DeletePolicy", PolicyArn=handle.physical_id)


def _read_managed(handle: Handle) -> Shown:
    policy = _call(handle, "GetPolicy", PolicyArn=handle.physical_id)["Policy"]
    return {"PolicyArn": handle.physical_id, "PolicyId": policy["PolicyId"]}


# Service-linked roles


def _create_linked(handle: Handle) -> Made:
    given = handle.given("AWSServiceName", "Description", "CustomSuffix")
    answer = _call(handle, "CreateServiceLinkedRole", **given)
    name = str(answer["Role"]["RoleName"])
    return Made(name, {"RoleName": name})


def _delete_linked(handle: Handle) -> None:
    _call(handle, "DeleteServiceLinkedRole", RoleName=handle.physical_id)


register(
    ResourceType(
        "AWS::IAM::Role",
        {
            **in_place("AssumeRolePolicyDocument", "Description", "ManagedPolicyArns"),
            **in_place("MaxSessionDuration", "PermissionsBoundary", "Policies", "Tags"),
            **replaces("RoleName", "Path"),
        },
        _create_role,
        _delete_role,
        _update_role,
        required=frozenset({"AssumeRolePolicyDocument"}),
        attributes=frozenset({"Arn", "RoleId"}),
        named="RoleName",
        tags=True,
        capability=_IAM,
    ),
    ResourceType(
        "AWS::IAM::Policy",
        in_place("PolicyDocument", "PolicyName", "Roles"),
        _create_policy,
        _delete_policy,
        _put_policy,
        read=lambda handle: {"Id": handle.physical_id},
        required=frozenset({"PolicyDocument", "PolicyName"}),
        attributes=frozenset({"Id"}),
        capability=_IAM,
    ),
    ResourceType(
        "AWS::IAM::ManagedPolicy",
        {
            **in_place("PolicyDocument", "Roles"),
            **replaces("ManagedPolicyName", "Path", "Description"),
        },
        _create_managed,
        _delete_managed,
        _update_managed,
        read=_read_managed,
        required=frozenset({"PolicyDocument"}),
        attributes=frozenset({"PolicyArn", "PolicyId"}),
        named="ManagedPolicyName",
        capability=_IAM,
    ),
    ResourceType(
        "AWS::IAM::ServiceLinkedRole",
        {**in_place("Description"), **replaces("AWSServiceName", "CustomSuffix")},
        _create_linked,
        _delete_linked,
        read=lambda handle: {"RoleName": handle.physical_id},
        required=frozenset({"AWSServiceName"}),
        attributes=frozenset({"RoleName"}),
    ),
)
