"""CloudWatch Logs's errors, in AWS's words.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from hiyoko.api import AwsError


class ResourceNotFound(AwsError):
    """No such group, stream or resource."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceNotFoundException", message)


class AlreadyExists(AwsError):
    """The name is taken."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceAlreadyExistsException", message)


class InvalidParameter(AwsError):
    """A parameter is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__("InvalidParameterException", message)


def group_not_found() -> ResourceNotFound:
    """The text that also ends up in a task's stopped reason."""
    return ResourceNotFound("The specified log group does not exist.")


def stream_not_found() -> ResourceNotFound:
    """No stream of this name in the group."""
    return ResourceNotFound("The specified log stream does not exist.")
