"""What a role may do: inline policies and attached ones."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.iam import rows
from hiyoko.services.iam.documents import checked, encoded
from hiyoko.services.iam.errors import NoSuchEntity
from hiyoko.services.iam.model import InlinePolicy, Role
from hiyoko.services.iam.pages import page

# AWS's own policies exist without a record: nobody evaluates them here.
AWS_MANAGED = "arn:aws:iam::aws:policy/"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_ATTACHED_MAX = 10


def _role(call: Call, request: Request) -> Role:
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    if role.path.startswith("/aws-service-role/"):
        raise AwsError(
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{role.name}' - this role is only"
            " modifiable by AWS",
        )
    return role


@operation("PutRolePolicy")
def put_role_policy(call: Call, request: Request) -> Response:
    """Write an inline policy into a role."""
    role = _role(call, request)
    policy = InlinePolicy(request["PolicyName"], checked(request["PolicyDocument"]))
    others = tuple(p for p in role.inline if p.name != policy.name)
    rows.put_role(call.tx, replace(role, inline=(*others, policy)))
    return {}


@operation("GetRolePolicy")
def get_role_policy(call: Call, request: Request) -> Response:
    """One inline policy."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    policy = _inline(role, request["PolicyName"])
    return {
        "RoleName": role.name,
        "PolicyName": policy.name,
        "PolicyDocument": encoded(policy.document),
    }


@operation("ListRolePolicies")
def list_role_policies(call: Call, request: Request) -> Response:
    """The names of a role's inline policies."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    shown, more = page(sorted(policy.name for policy in role.inline), request)
    return {"PolicyNames": shown, **more}


@operation("DeleteRolePolicy")
def delete_role_policy(call: Call, request: Request) -> Response:
    """Remove an inline policy."""
    role = _role(call, request)
    policy = _inline(role, request["PolicyName"])
    kept = tuple(other for other in role.inline if other != policy)
    rows.put_role(call.tx, replace(role, inline=kept))
    return {}


def _inline(role: Role, name: str) -> InlinePolicy:
    for policy in role.inline:
        if policy.name == name:
            return policy
    raise NoSuchEntity(f"The role policy with name {name} cannot be found.")


@operation("AttachRolePolicy")
def attach_role_policy(call: Call, request: Request) -> Response:
    """Attach a managed policy; attaching it twice is once."""
    role, arn = _role(call, request), request["PolicyArn"]
    if not arn.startswith(AWS_MANAGED) and rows.find_policy(call.tx, arn) is None:
        raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
    if arn not in role.attached:
        if len(role.attached) >= _ATTACHED_MAX:
            raise AwsError(
                "LimitExceeded",
                f"Cannot exceed quota for PoliciesPerRole: {_ATTACHED_MAX}",
                status=409,
            )
        rows.put_role(call.tx, replace(role, attached=(*role.attached, arn)))
    return {}


@operation("DetachRolePolicy")
def detach_role_policy(call: Call, request: Request) -> Response:
    """Detach a managed policy."""
    role, arn = _role(call, request), request["PolicyArn"]
    if arn not in role.attached:
        raise NoSuchEntity(f"Policy {arn} was not found.")
    kept = tuple(other for other in role.attached if other != arn)
    rows.put_role(call.tx, replace(role, attached=kept))
    return {}


@operation("ListAttachedRolePolicies")
def list_attached_role_policies(call: Call, request: Request) -> Response:
    """The managed policies of a role."""
    role = rows.get_role(call.tx, call.account, request["RoleName"])
    prefix = request.get("PathPrefix", "/")
    arns = [arn for arn in role.attached if _path(arn).startswith(prefix)]
    shown, more = page(arns, request)
    views = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in shown]
    return {"AttachedPolicies": views, **more}


def _path(arn: str) -> str:
    resource = arn.partition(":policy")[2]
    return resource[: resource.rfind("/") + 1]
