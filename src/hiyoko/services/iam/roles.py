"""Roles: CreateRole … ListRoleTags, and the roles that services make for themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.iam import rows
from hiyoko.services.iam.documents import checked, encoded
from hiyoko.services.iam.errors import DeleteConflict, EntityAlreadyExists, NoSuchEntity
from hiyoko.services.iam.model import Role
from hiyoko.services.iam.pages import page

_TAGS_MAX = 50
# The roles' names are fixed by the services that use them:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
_LINKED = {
    "ecs.amazonaws.com": "AWSServiceRoleForECS",
    "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing",
    "ecr.amazonaws.com": "AWSServiceRoleForECRReplication",
    "ecs.application-autoscaling.amazonaws.com": (
        "AWSServiceRoleForApplicationAutoScaling_ECSService"
    ),
}
_LINKED_TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
    '"Principal":{"Service":"%s"},"Action":"sts:AssumeRole"}]}'
)


def unique_id(call: Call, prefix: str) -> str:
    """A unique id as IAM makes them: a prefix for the kind, then capitals and digits.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    """
    return prefix + call.ids.hex(17).upper()


def merged_tags(
    old: tuple[tuple[str, str], ...], new: list[dict[str, str]]
) -> tuple[tuple[str, str], ...]:
    """The old tags with the new ones over them."""
    tags = dict(old) | {tag["Key"]: tag["Value"] for tag in new}
    if len(tags) > _TAGS_MAX:
        raise AwsError(
            "LimitExceeded", f"The number of tags has reached the maximum limit of {_TAGS_MAX}.",
            status=409,
        )  # fmt: skip
    return tuple(tags.items())


def tag_list(tags: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Tags as answers carry them."""
    return [{"Key": key, "Value": value} for key, value in tags]


def role_view(role: Role, *, whole: bool = True) -> dict[str, Any]:
    """A role as answers carry it; lists leave out tags and boundary."""
    view: dict[str, Any] = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.role_id,
        "Arn": role.arn,
        "CreateDate": int(role.created_at),
        "AssumeRolePolicyDocument": encoded(role.trust_policy),
        "Description": role.description,
        "MaxSessionDuration": role.max_session_s,
    }
    if whole:
        view["Tags"] = tag_list(role.tags) if role.tags else None
        view["RoleLastUsed"] = {}
        if role.boundary_arn is not None:
            view["PermissionsBoundary"] = {
                "PermissionsBoundaryType": "Policy",
                "PermissionsBoundaryArn": role.boundary_arn,
            }
    return view


@operation("CreateRole")
def create_role(call: Call, request: Request) -> Response:
    """Record a role."""
    name = request["RoleName"]
    path = request.get("Path", "/")
    if path.startswith("/aws-service-role/"):
        raise AwsError("ValidationError", "The specified value for path is reserved.")
    _refuse_taken_name(call, name)
    role = Role(
        account=call.account,
        name=name,
        role_id=unique_id(call, "AROA"),
        path=path,
        trust_policy=checked(request["AssumeRolePolicyDocument"], trust=True),
        created_at=call.now,
        description=request.get("Description"),
        max_session_s=request.get("MaxSessionDuration", 3600),
        boundary_arn=request.get("PermissionsBoundary"),
        tags=merged_tags((), request.get("Tags", [])),
    )
    rows.put_role(call.tx, role)
    return {"Role": role_view(role)}


def _refuse_taken_name(call: Call, name: str) -> None:
    # "Names are not distinguished by case": API_CreateRole.
    taken = {role.name.lower() for role in rows.list_roles(call.tx, call.account)}
    if name.lower() in taken:
        raise EntityAlreadyExists(f"Role with name {name} already exists.")


@operation("GetRole")
def get_role(call: Call, request: Request) -> Response:
    """One role."""
    return {"Role": role_view(rows.get_role(call.tx, call.account, request["RoleName"]))}


@operation("ListRoles")
def list_roles(call: Call, request: Request) -> Response:
    """The roles under a path."""
    prefix = request.get("PathPrefix", "/")
    roles = [r for r in rows.list_roles(call.tx, call.account) if r.path.startswith(prefix)]
    shown, more = page(roles, request)
    return {"Roles": [role_view(role, whole=False) for role in shown], **more}


@operation("UpdateRole")
def update_role(call: Call, request: Request) -> Response:
    """Change the description and the longest session."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    role = replace(
        role,
        description=request.get("Description", role.description),
        max_session_s=request.get("MaxSessionDuration", role.max_session_s),
    )
    rows.put_role(call.tx, role)
    return {}


@operation("UpdateRoleDescription")
def update_role_description(call: Call, request: Request) -> Response:
    """Change the description."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    role = replace(role, description=request["Description"])
    rows.put_role(call.tx, role)
    return {"Role": role_view(role)}


@operation("DeleteRole")
def delete_role(call: Call, request: Request) -> Response:
    """Delete a role that nothing hangs on."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    if role.attached:
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if role.inline:
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    rows.delete_role(call.tx, role)
    return {}


@operation("UpdateAssumeRolePolicy")
def update_assume_role_policy(call: Call, request: Request) -> Response:
    """Replace the trust policy."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    document = checked(request["PolicyDocument"], trust=True)
    rows.put_role(call.tx, replace(role, trust_policy=document))
    return {}


@operation("CreateServiceLinkedRole")
def create_service_linked_role(call: Call, request: Request) -> Response:
    """Record the role of a service."""
    service = request["AWSServiceName"]
    if service not in _LINKED:
        raise AwsError(
            "InvalidInput", f"Service Name {service} is not valid or does not support a service"
            "-linked role here."
        )  # fmt: skip
    name = _LINKED[service]
    if "CustomSuffix" in request:
        raise AwsError("InvalidInput", f"Custom suffix is not allowed for {service}")
    if rows.find_role(call.tx, call.account, name) is not None:
        raise AwsError(
            "InvalidInput",
            f"Service role name {name} has been taken in this account, please try a different"
            " suffix.",
        )
    role = Role(
        account=call.account,
        name=name,
        role_id=unique_id(call, "AROA"),
        path=f"/aws-service-role/{service}/",
        trust_policy=_LINKED_TRUST % service,
        created_at=call.now,
        description=request.get("Description"),
    )
    rows.put_role(call.tx, role)
    return {"Role": role_view(role)}


@operation("DeleteServiceLinkedRole")
def delete_service_linked_role(call: Call, request: Request) -> Response:
    """Delete the role of a service; it is done when the call returns."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    if not role.path.startswith("/aws-service-role/"):
        raise NoSuchEntity(f"Role {role.name} is not a service linked role.")
    rows.delete_role(call.tx, role)
    return {"DeletionTaskId": f"task{role.path}{role.name}/{call.ids.uuid()}"}


@operation("GetServiceLinkedRoleDeletionStatus")
def get_service_linked_role_deletion_status(call: Call, request: Request) -> Response:
    """Whether the role is gone."""
    name = request["DeletionTaskId"].split("/")[-2] if "/" in request["DeletionTaskId"] else ""
    gone = rows.find_role(call.tx, call.account, name) is None
    return {"Status": "SUCCEEDED" if gone else "NOT_STARTED"}


@operation("TagRole")
def tag_role(call: Call, request: Request) -> Response:
    """Add or replace tags."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    rows.put_role(call.tx, replace(role, tags=merged_tags(role.tags, request["Tags"])))
    return {}


@operation("UntagRole")
def untag_role(call: Call, request: Request) -> Response:
    """Remove tags."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    kept = tuple(tag for tag in role.tags if tag[0] not in request["TagKeys"])
    rows.put_role(call.tx, replace(role, tags=kept))
    return {}


@operation("ListRoleTags")
def list_role_tags(call: Call, request: Request) -> Response:
    """The tags of a role."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    shown, more = page(tag_list(role.tags), request)
    return {"Tags": shown, **more}
