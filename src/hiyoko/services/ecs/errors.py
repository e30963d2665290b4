"""ECS's errors, in AWS's words.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from hiyoko.api import AwsError


class ClientException(AwsError):
    """The request cannot be done as it stands."""

    def __init__(self, message: str) -> None:
        super().__init__("ClientException", message)


class NoAddressLeft(ClientException):
    """A subnet is full."""


class RoleNotAssumable(ClientException):
    """A task's role is not there, or does not trust ECS."""

    def __init__(self, arn: str) -> None:
        super().__init__(
            f"ECS was unable to assume the role '{arn}' that was provided for this task. Please"
            " verify that the role being passed has the proper trust relationship and permissions"
            " and that your IAM user has permissions to pass this role."
        )


class InvalidParameter(AwsError):
    """A parameter is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__("InvalidParameterException", message)


class ClusterNotFound(AwsError):
    """No active cluster of this name."""

    def __init__(self) -> None:
        super().__init__("ClusterNotFoundException", "Cluster not found.")


class ServiceNotFound(AwsError):
    """No service of this name."""

    def __init__(self) -> None:
        super().__init__("ServiceNotFoundException", "Service not found.")


class ServiceNotActive(AwsError):
    """The service is being deleted or gone."""

    def __init__(self) -> None:
        super().__init__("ServiceNotActiveException", "Service was not ACTIVE.")


class ServiceDeploymentNotFound(AwsError):
    """No service deployment with this ARN."""

    def __init__(self) -> None:
        super().__init__(
            "ServiceDeploymentNotFoundException", "The specified service deployment was not found."
        )


class TargetNotConnected(AwsError):
    """ECS Exec does not reach the container."""

    def __init__(self) -> None:
        super().__init__(
            "TargetNotConnectedException",
            "The execute command failed due to an internal error. Try again later.",
        )


class Conflict(AwsError):
    """The resource is in a state that the request does not fit."""

    def __init__(self, message: str) -> None:
        super().__init__("ConflictException", message)


class ResourceNotFound(AwsError):
    """No resource with this ARN."""

    def __init__(self, message: str = "The specified resource could not be found.") -> None:
        super().__init__("ResourceNotFoundException", message)
