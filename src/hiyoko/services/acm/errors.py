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


def resource_not_found(what: str) -> AwsError:
    """The account has no such resource in this Region."""
    return AwsError("ResourceNotFoundException", f"Could not find {what}.")


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


def invalid_state(message: str) -> AwsError:
    """The certificate is not in a state in which this can be done."""
    return AwsError("InvalidStateException", message)


def conflict(message: str) -> AwsError:
    """Something else with the same name or token is there, or under way."""
    return AwsError("ConflictException", message)


def invalid_parameter(message: str) -> AwsError:
    """A member's value is none that ACM takes."""
    return AwsError("InvalidParameterException", message)


def limit_exceeded(message: str) -> AwsError:
    """An account's quota is used up."""
    return AwsError("LimitExceededException", message)


def too_many_certificates() -> AwsError:
    """2,500 certificates an account and Region."""
    return limit_exceeded(
        "Cannot request more certificates in this account. Contact Customer Service for details."
    )


def invalid_validation_options(message: str) -> AwsError:
    """A validation domain is no superdomain of its name."""
    return AwsError("InvalidDomainValidationOptionsException", message)


def too_many_tags() -> AwsError:
    """50 tags a certificate."""
    return AwsError("TooManyTagsException", "A certificate can have at most 50 tags.")


def quota_exceeded(message: str) -> AwsError:
    """An account's quota of ACME resources is used up."""
    return AwsError("ServiceQuotaExceededException", message)
