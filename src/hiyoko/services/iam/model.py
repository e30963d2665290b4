"""Roles and policies."""

from __future__ import annotations

import json
from dataclasses import dataclass

REGION = "aws-global"


@dataclass(frozen=True, slots=True)
class InlinePolicy:
    """A policy that is part of a role."""

    name: str
    document: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role, with what is written into it and what is attached to it."""

    account: str
    name: str
    role_id: str
    path: str
    trust_policy: str
    created_at: float
    region: str = REGION
    description: str | None = None
    max_session_s: int = 3600
    boundary_arn: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    inline: tuple[InlinePolicy, ...] = ()
    attached: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        """``arn:aws:iam::ACCOUNT:role/path/name``."""
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"

    def trusts(self, service: str) -> bool:
        """Whether its trust policy names a service (``ecs-tasks.amazonaws.com``), or everybody."""
        statements = json.loads(self.trust_policy)["Statement"]
        listed = statements if isinstance(statements, list) else [statements]
        allowed = [one.get("Principal") for one in listed if one.get("Effect") == "Allow"]
        return any({service, "*"} & _principals(principal) for principal in allowed)


def _principals(principal: object) -> set[str]:
    """Whom a Principal element names: ``"*"``, or names by their kind, one or several."""
    if not isinstance(principal, dict):
        return {str(principal)}
    values = principal.values()
    return {name for one in values for name in ([one] if isinstance(one, str) else one)}


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy: v1, v2 …"""

    number: int
    document: str
    created_at: float

    @property
    def version_id(self) -> str:
        """``v1``."""
        return f"v{self.number}"


@dataclass(frozen=True, slots=True)
class Policy:
    """A customer-managed policy with its versions, the oldest first."""

    account: str
    arn: str
    name: str
    policy_id: str
    path: str
    created_at: float
    updated_at: float
    versions: tuple[PolicyVersion, ...]
    default_version: int = 1
    newest_version: int = 1
    region: str = REGION
    description: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
