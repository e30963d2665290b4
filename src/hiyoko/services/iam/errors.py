"""IAM's refusals.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html#API_CreateRole_Errors
"""

from __future__ import annotations

from hiyoko.api import AwsError


class NoSuchEntity(AwsError):
    """What was asked for does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__("NoSuchEntity", message, status=404)


class EntityAlreadyExists(AwsError):
    """The name is taken."""

    def __init__(self, message: str) -> None:
        super().__init__("EntityAlreadyExists", message, status=409)


class DeleteConflict(AwsError):
    """Something still hangs on it."""

    def __init__(self, message: str) -> None:
        super().__init__("DeleteConflict", message, status=409)


class MalformedPolicyDocument(AwsError):
    """The policy is no policy."""

    def __init__(self, message: str) -> None:
        super().__init__("MalformedPolicyDocument", message)
