"""EC2's errors, in AWS's words.

Codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

from hiyoko.api import AwsError


def bad_value(message: str) -> AwsError:
    """A parameter has a value that AWS does not take."""
    return AwsError("InvalidParameterValue", message)


def bad_combination(message: str) -> AwsError:
    """Parameters that do not go together."""
    return AwsError("InvalidParameterCombination", message)


def missing(parameter: str) -> AwsError:
    """A parameter that this use of the operation needs."""
    return AwsError("MissingParameter", f"The request must contain the parameter {parameter}")


def has_dependencies(noun: str, resource_id: str) -> AwsError:
    """Something still uses the resource; AWS does not say what."""
    return AwsError(
        "DependencyViolation",
        f"The {noun} '{resource_id}' has dependencies and cannot be deleted.",
    )


def has_dependent(resource_id: str) -> AwsError:
    """DependencyViolation of a security group."""
    return AwsError("DependencyViolation", f"resource {resource_id} has a dependent object")


def already_associated(message: str) -> AwsError:
    """The resource is tied to something else."""
    return AwsError("Resource.AlreadyAssociated", message)


def not_attached(message: str) -> AwsError:
    """The VPC has no such gateway."""
    return AwsError("Gateway.NotAttached", message)


def different_networks() -> AwsError:
    """Two resources of two VPCs."""
    return bad_value("You have specified two resources that belong to different networks.")


def not_yours() -> AwsError:
    """A resource that another service manages."""
    return AwsError("AuthFailure", "You do not have permission to access the specified resource.")


def dry_run() -> AwsError:
    """The answer to a dry run of a request that would have succeeded."""
    return AwsError(
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
        status=412,
    )
