"""IAM's tables."""

from __future__ import annotations

from hiyoko.services.iam.errors import NoSuchEntity
from hiyoko.services.iam.model import Policy, Role
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

_roles = Table("iam_role", Role, key=("account", "name"))
_policies = Table("iam_policy", Policy, key=("arn",), index=("account",))


def find_role(tx: Transaction, account: str, name: str) -> Role | None:
    """The role, or None. Names differ by more than case (IAM's own rule)."""
    return _roles.find(tx, account=account, name=name)


def get_role(tx: Transaction, account: str, name: str) -> Role:
    """The role. Raises NoSuchEntity."""
    role = find_role(tx, account, name)
    if role is None:
        raise NoSuchEntity(f"The role with name {name} cannot be found.")
    return role


def find_role_by_arn(tx: Transaction, arn: str) -> Role | None:
    """The role of an ARN, or None: for services that are handed a role."""
    head, _, path = arn.partition(":role/")
    account = head.rpartition(":")[2]
    role = find_role(tx, account, path.rpartition("/")[2])
    return role if role is not None and role.arn == arn else None


def list_roles(tx: Transaction, account: str) -> list[Role]:
    """All roles of an account, by name."""
    return _roles.list(tx, account=account)


def put_role(tx: Transaction, role: Role) -> None:
    """Add or replace a role."""
    _roles.put(tx, role)


def delete_role(tx: Transaction, role: Role) -> None:
    """Delete a role."""
    _roles.delete(tx, account=role.account, name=role.name)


def find_policy(tx: Transaction, arn: str) -> Policy | None:
    """The customer-managed policy, or None."""
    return _policies.find(tx, arn=arn)


def get_policy(tx: Transaction, arn: str) -> Policy:
    """The customer-managed policy. Raises NoSuchEntity."""
    policy = find_policy(tx, arn)
    if policy is None:
        raise NoSuchEntity(f"Policy {arn} was not found.")
    return policy


def list_policies(tx: Transaction, account: str) -> list[Policy]:
    """All customer-managed policies of an account."""
    return _policies.list(tx, account=account)


def put_policy(tx: Transaction, policy: Policy) -> None:
    """Add or replace a policy."""
    _policies.put(tx, policy)


def delete_policy(tx: Transaction, policy: Policy) -> None:
    """Delete a policy."""
    _policies.delete(tx, arn=policy.arn)
