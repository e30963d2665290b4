"""CloudWatch's codes and words.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from hiyoko.api import AwsError


def invalid_value(message: str) -> AwsError:
    """A parameter has a value that it cannot have."""
    return AwsError("InvalidParameterValue", message)


def invalid_combination(message: str) -> AwsError:
    """Parameters that do not go together."""
    return AwsError("InvalidParameterCombination", message)


def missing(message: str) -> AwsError:
    """A parameter that the others ask for."""
    return AwsError("MissingParameter", message)


def validation(message: str) -> AwsError:
    """A parameter does not fit; the alarm operations say it this way."""
    return AwsError("ValidationError", message)


def not_found(message: str) -> AwsError:
    """There is no alarm of this name."""
    return AwsError("ResourceNotFound", message, status=404)


def limit_exceeded(message: str) -> AwsError:
    """A quota is used up."""
    return AwsError("LimitExceeded", message)


def invalid_next_token() -> AwsError:
    """A token that no answer gave out."""
    return AwsError("InvalidNextToken", "The service could not understand the next token.")
