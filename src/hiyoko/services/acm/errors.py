"""ACM's error codes with its wording.

https://docs.aws.amazon.com/acm/latest/APIReference/CommonErrors.html and each operation's page.
"""

from __future__ import annotations

from hiyoko.api import AwsError


def not_found(arn: str, account: str) -> AwsError:
    """The account has no such certificate in this Region."""
    return AwsError(
        "ResourceNotFoundException",
        f"Could not find certificate {arn} in account {account}.",
    )


def in_use(arn: str, account: str) -> AwsError:
    """A listener still presents the certificate."""
    return AwsError("ResourceInUseException", f"Certificate {arn} in account {account} is in use.")


def validation(message: str) -> AwsError:
    """The request's members do not fit together."""
    return AwsError("ValidationException", message)


def in_progress(arn: str) -> AwsError:
    """The certificate has not been issued yet."""
    return AwsError(
        "RequestInProgressException",
        f"The certificate {arn} has not been issued yet: its validation is under way.",
    )


def limit_exceeded(message: str) -> AwsError:
    """An account's quota is used up."""
    return AwsError("LimitExceededException", message)


def invalid_validation_options(message: str) -> AwsError:
    """A validation domain is no superdomain of its name."""
    return AwsError("InvalidDomainValidationOptionsException", message)


def too_many_tags() -> AwsError:
    """50 tags a certificate."""
    return AwsError("TooManyTagsException", "A certificate can have at most 50 tags.")
