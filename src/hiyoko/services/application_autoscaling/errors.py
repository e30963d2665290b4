"""Application Auto Scaling's errors, in AWS's words.

https://docs.aws.amazon.com/autoscaling/application/APIReference/CommonErrors.html
"""

from __future__ import annotations

from hiyoko.api import AwsError
from hiyoko.services.application_autoscaling.model import DIMENSION


def validation(message: str) -> AwsError:
    """A parameter is wrong."""
    return AwsError("ValidationException", message)


def not_found(what: str, resource_id: str, more: str = "") -> AwsError:
    """No scalable target, policy or action of this service; ``more`` names which."""
    return AwsError(
        "ObjectNotFoundException",
        f"No {what} for service namespace: ecs, resource ID: {resource_id}, scalable dimension:"
        f" {DIMENSION}{more}",
    )


def no_resource(arn: str) -> AwsError:
    """No scalable target with this ARN."""
    return AwsError(
        "ResourceNotFoundException",
        f"The specified resource doesn't exist: {arn}",
        fields={"ResourceName": arn},
    )


def invalid_next_token() -> AwsError:
    """A token that no earlier answer gave."""
    return AwsError("InvalidNextTokenException", "The next token supplied was invalid.")


def too_many(what: str) -> AwsError:
    """A quota is used up."""
    return AwsError("LimitExceededException", f"The maximum number of {what} was reached.")
