"""Customer-managed policies and their versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.iam import rows
from hiyoko.services.iam.documents import checked, encoded
from hiyoko.services.iam.errors import DeleteConflict, EntityAlreadyExists, NoSuchEntity
from hiyoko.services.iam.model import Policy, PolicyVersion
from hiyoko.services.iam.pages import page
from hiyoko.services.iam.role_policies import AWS_MANAGED
from hiyoko.services.iam.roles import merged_tags, tag_list, unique_id

# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
_VERSIONS_MAX = 5


def _attachments(call: Call, arn: str) -> int:
    return sum(arn in role.attached for role in rows.list_roles(call.tx, call.account))


def _view(call: Call, policy: Policy, *, whole: bool = True) -> dict[str, Any]:
    view: dict[str, Any] = {
        "PolicyName": policy.name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": _attachments(call, policy.arn),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": int(policy.created_at),
        "UpdateDate": int(policy.updated_at),
    }
    if whole:
        view["Description"] = policy.description
        view["Tags"] = tag_list(policy.tags)
    return view


@operation("CreatePolicy")
def create_policy(call: Call, request: Request) -> Response:
    """Record a policy."""
    name, path = request["PolicyName"], request.get("Path", "/")
    arn = f"arn:aws:iam::{call.account}:policy{path}{name}"
    taken = {policy.name.lower() for policy in rows.list_policies(call.tx, call.account)}
    if name.lower() in taken:
        raise EntityAlreadyExists(
            f"A policy called {name} already exists. Duplicate names are not allowed."
        )
    policy = Policy(
        account=call.account,
        arn=arn,
        name=name,
        policy_id=unique_id(call, "ANPA"),
        path=path,
        created_at=call.now,
        updated_at=call.now,
        versions=(PolicyVersion(1, checked(request["PolicyDocument"]), call.now),),
        description=request.get("Description"),
        tags=merged_tags((), request.get("Tags", [])),
    )
    rows.put_policy(call.tx, policy)
    return {"Policy": _view(call, policy)}


@operation("GetPolicy")
def get_policy(call: Call, request: Request) -> Response:
    """One policy. AWS's own are known by name only."""
    arn = request["PolicyArn"]
    if arn.startswith(AWS_MANAGED):
        raise unsupported("PolicyArn", arn)
    return {"Policy": _view(call, rows.get_policy(call.tx, arn))}


def _version_view(policy: Policy, version: PolicyVersion) -> dict[str, Any]:
    return {
        "VersionId": version.version_id,
        "IsDefaultVersion": version.number == policy.default_version,
        "CreateDate": int(version.created_at),
    }


def _version(policy: Policy, version_id: str) -> PolicyVersion:
    for version in policy.versions:
        if version.version_id == version_id:
            return version
    raise NoSuchEntity(
        f"Policy {policy.arn} version {version_id} does not exist or is not attachable."
    )


@operation("CreatePolicyVersion")
def create_policy_version(call: Call, request: Request) -> Response:
    """Add a version, and make it the default when asked."""
    policy = rows.get_policy(call.tx, request["PolicyArn"])
    if len(policy.versions) >= _VERSIONS_MAX:
        raise AwsError(
            "LimitExceeded",
            f"A managed policy can have up to {_VERSIONS_MAX} versions. Before you create a new"
            " version, you must delete an existing version.",
            status=409,
        )
    number = policy.newest_version + 1
    version = PolicyVersion(number, checked(request["PolicyDocument"]), call.now)
    policy = replace(
        policy,
        versions=(*policy.versions, version),
        newest_version=number,
        updated_at=call.now,
        default_version=number if request.get("SetAsDefault") else policy.default_version,
    )
    rows.put_policy(call.tx, policy)
    return {"PolicyVersion": _version_view(policy, version)}


@operation("GetPolicyVersion")
def get_policy_version(call: Call, request: Request) -> Response:
    """The document of a version."""
    arn = request["PolicyArn"]
    if arn.startswith(AWS_MANAGED):
        raise unsupported("PolicyArn", arn)
    policy = rows.get_policy(call.tx, arn)
    version = _version(policy, request["VersionId"])
    document = {"Document": encoded(version.document)}
    return {"PolicyVersion": document | _version_view(policy, version)}


@operation("ListPolicyVersions")
def list_policy_versions(call: Call, request: Request) -> Response:
    """The versions of a policy, the newest first."""
    policy = rows.get_policy(call.tx, request["PolicyArn"])
    shown, more = page(policy.versions[::-1], request)
    return {"Versions": [_version_view(policy, version) for version in shown], **more}


@operation("SetDefaultPolicyVersion")
def set_default_policy_version(call: Call, request: Request) -> Response:
    """Make a version the one that counts."""
    policy = rows.get_policy(call.tx, request["PolicyArn"])
    version = _version(policy, request["VersionId"])
    policy = replace(policy, default_version=version.number, updated_at=call.now)
    rows.put_policy(call.tx, policy)
    return {}


@operation("DeletePolicyVersion")
def delete_policy_version(call: Call, request: Request) -> Response:
    """Delete a version that isn't the default one."""
    policy = rows.get_policy(call.tx, request["PolicyArn"])
    version = _version(policy, request["VersionId"])
    if version.number == policy.default_version:
        raise DeleteConflict("Cannot delete the default version of a policy.")
    kept = tuple(other for other in policy.versions if other != version)
    rows.put_policy(call.tx, replace(policy, versions=kept, updated_at=call.now))
    return {}


@operation("ListPolicies")
def list_policies(call: Call, request: Request) -> Response:
    """The customer-managed policies; AWS's own are not listed."""
    if request.get("Scope") == "AWS":
        raise unsupported("Scope", "AWS")
    if request.get("PolicyUsageFilter", "PermissionsPolicy") != "PermissionsPolicy":
        raise unsupported("PolicyUsageFilter", request["PolicyUsageFilter"])
    prefix = request.get("PathPrefix", "/")
    policies = [
        policy
        for policy in rows.list_policies(call.tx, call.account)
        if policy.path.startswith(prefix)
        and (not request.get("OnlyAttached") or _attachments(call, policy.arn))
    ]
    shown, more = page(policies, request)
    return {"Policies": [_view(call, policy, whole=False) for policy in shown], **more}


@operation("DeletePolicy")
def delete_policy(call: Call, request: Request) -> Response:
    """Delete a policy that is attached to nothing."""
    policy = rows.get_policy(call.tx, request["PolicyArn"])
    if _attachments(call, policy.arn):
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the"
            " policy's versions. The default version is deleted with the policy."
        )
    rows.delete_policy(call.tx, policy)
    return {}
