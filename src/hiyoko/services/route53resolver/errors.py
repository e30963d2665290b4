"""Route 53 Resolver's error codes, in AWS's words where they are known.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_Operations_Amazon_Route_53_Resolver.html
"""

from __future__ import annotations

from collections.abc import Iterable

from hiyoko.api import AwsError


def invalid_parameter(message: str, field: str = "") -> AwsError:
    """A parameter does not fit."""
    fields = {"FieldName": field} if field else None
    return AwsError("InvalidParameterException", message, fields=fields)


def invalid_request(message: str) -> AwsError:
    """The request does not fit to what there is."""
    return AwsError("InvalidRequestException", message)


def invalid_next_token() -> AwsError:
    """No answer gave out this token."""
    return AwsError("InvalidNextTokenException", "The value of NextToken is not valid.")


def not_found(what: str, resource_id: str) -> AwsError:
    """The account has none with this id."""
    return AwsError("ResourceNotFoundException", f"{what} with ID '{resource_id}' does not exist.")


def no_association(rule_id: str, vpc_id: str) -> AwsError:
    """The rule is not associated with the VPC."""
    return AwsError(
        "ResourceNotFoundException",
        f"Resolver Rule Association between Resolver Rule '{rule_id}' and VPC '{vpc_id}' does not "
        "exist",
    )


def no_such_resource(arn: str) -> AwsError:
    """Nothing that can have tags has this ARN."""
    return AwsError("ResourceNotFoundException", f"The resource '{arn}' does not exist.")


def exists(message: str) -> AwsError:
    """It is there already."""
    return AwsError("ResourceExistsException", message)


def made_already(what: str, creator: str) -> AwsError:
    """An earlier request with this CreatorRequestId made one."""
    return exists(f"{what} with creator request ID '{creator}' already exists")


def in_use(message: str) -> AwsError:
    """Something still uses it."""
    return AwsError("ResourceInUseException", message)


def limit_exceeded(account: str, limit: str) -> AwsError:
    """A quota is used up."""
    return AwsError("LimitExceededException", f"Account '{account}' has exceeded '{limit}'")


def endpoint_in_use(rule_ids: Iterable[str]) -> AwsError:
    """Rules send questions through the endpoint."""
    return invalid_request(
        "Cannot delete resolver endpoint unless its related resolver rules are deleted.  The "
        "following rules still exist for this resolver endpoint:  " + ",".join(rule_ids)
    )


def no_vpc(vpc_id: str) -> AwsError:
    """The account has no such VPC in the Region."""
    return invalid_parameter(f"The vpc ID '{vpc_id}' does not exist", "VPCId")


def no_subnet(subnet_id: str) -> AwsError:
    """The account has no such subnet in the Region."""
    return invalid_parameter(f"The subnet ID '{subnet_id}' does not exist", "SubnetId")


def of_ec2(error: AwsError, subnet_id: str, ip: str) -> AwsError:
    """EC2's refusal of an endpoint's interface, as this service tells it."""
    match error.code:
        case "InvalidIPAddress.InUse":
            return exists(f"The IP address '{ip}' in subnet '{subnet_id}' is already in use")
        case "InvalidParameterValue" if ip:
            return invalid_request(
                f"IP address '{ip}' is either not in subnet '{subnet_id}' CIDR range or is reserved"
            )
        case "InvalidGroup.NotFound":
            return AwsError("ResourceNotFoundException", error.message)
        case "InvalidGroupId.Malformed":
            return invalid_parameter(error.message, "SecurityGroupIds")
        case _:
            return invalid_request(error.message)
