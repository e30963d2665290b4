"""Cloud Map's error codes. The texts follow those that its operations' pages describe.

https://docs.aws.amazon.com/cloud-map/latest/api/CommonErrors.html
"""

from __future__ import annotations

from hiyoko.api import AwsError


def invalid_input(message: str) -> AwsError:
    """A parameter does not fit."""
    return AwsError("InvalidInput", message)


def namespace_not_found(namespace: str) -> AwsError:
    """The account has no namespace of this id or name."""
    return AwsError("NamespaceNotFound", f"Namespace not found: {namespace}", status=404)


def service_not_found(service: str) -> AwsError:
    """The account has no service of this id or name."""
    return AwsError("ServiceNotFound", f"Service not found: {service}", status=404)


def instance_not_found(instance: str) -> AwsError:
    """The service has no instance of this id."""
    return AwsError("InstanceNotFound", f"Instance not found: {instance}", status=404)


def operation_not_found(operation: str) -> AwsError:
    """The account began no operation of this id."""
    return AwsError("OperationNotFound", f"Operation not found: {operation}", status=404)


def resource_not_found(arn: str) -> AwsError:
    """Nothing that can have tags has this ARN."""
    return AwsError("ResourceNotFoundException", f"Resource not found: {arn}", status=404)


def resource_in_use(message: str) -> AwsError:
    """Something is still in it."""
    return AwsError("ResourceInUse", message, status=409)


def custom_health_not_found(instance: str) -> AwsError:
    """The service has no custom health check."""
    return AwsError(
        "CustomHealthNotFound",
        f"The service of instance {instance} has no custom health check.",
        status=404,
    )


def namespace_already_exists(namespace_id: str, creator: str) -> AwsError:
    """The name is taken."""
    return AwsError(
        "NamespaceAlreadyExists",
        "The namespace that you're trying to create already exists.",
        fields={"NamespaceId": namespace_id, "CreatorRequestId": creator},
    )


def service_already_exists(service_id: str, arn: str, creator: str) -> AwsError:
    """The namespace has a service of this name."""
    return AwsError(
        "ServiceAlreadyExists",
        "The service already exists.",
        fields={"ServiceId": service_id, "ServiceArn": arn, "CreatorRequestId": creator},
    )


def too_many_tags(arn: str) -> AwsError:
    """Fifty tags at most."""
    return AwsError(
        "TooManyTagsException",
        "The list of tags on the resource is over the limit. The maximum number of tags is 50.",
        fields={"ResourceName": arn},
    )


def too_many_attributes() -> AwsError:
    """Thirty attributes of a service at most."""
    return AwsError(
        "ServiceAttributesLimitExceededException",
        "The attribute can't be added to the service because you've exceeded the quota of 30.",
    )
