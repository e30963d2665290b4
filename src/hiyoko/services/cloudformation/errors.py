"""AWS's errors with AWS's wording.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from hiyoko.api import AwsError


class ValidationError(AwsError):
    """Nearly every fault of a caller has this code."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationError", message)


class AlreadyExists(AwsError):
    """The name is taken by a living stack."""

    def __init__(self, name: str) -> None:
        super().__init__("AlreadyExistsException", f"Stack [{name}] already exists")


class InsufficientCapabilities(AwsError):
    """The template makes IAM resources and the caller did not acknowledge it."""

    def __init__(self, capability: str) -> None:
        super().__init__(
            "InsufficientCapabilitiesException", f"Requires capabilities : [{capability}]"
        )


class ChangeSetNotFound(AwsError):
    """No such change set."""

    def __init__(self, name: str) -> None:
        super().__init__("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", status=404)


class ChangeSetAlreadyExists(AwsError):
    """The stack has a change set of this name."""

    def __init__(self, name: str, stack: str) -> None:
        super().__init__(
            "AlreadyExistsException", f"ChangeSet {name} already exists for the stack {stack}"
        )


class InvalidChangeSetStatus(AwsError):
    """The change set cannot be executed."""

    def __init__(self, change_set_id: str, status: str) -> None:
        super().__init__(
            "InvalidChangeSetStatus",
            f"ChangeSet [{change_set_id}] cannot be executed in its current status of [{status}]",
        )


class PropertyFaultError(Exception):
    """A resource's properties are not what its type takes; found before anything is made."""
