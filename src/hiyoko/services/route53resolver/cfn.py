"""CloudFormation's Route 53 Resolver types, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Route53Resolver.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.api import AwsError
from hiyoko.services.route53resolver import cfn_query_logs  # noqa: F401 - registers its types
from hiyoko.template.resource_type import (
    Handle,
    Made,
    Progress,
    ResourceType,
    in_place,
    register,
    replaces,
)
from hiyoko.template.tagging import own_tags, tag_keys_to_drop, tags_to_write

Shown = dict[str, Any]

_NOT_FOUND = "ResourceNotFoundException"


def _call(handle: Handle, operation: str, **request: Any) -> Shown:
    return handle.invoke("route53resolver", operation, request)


def _creator(handle: Handle) -> str:
    return f"{handle.logical_id}-{handle.token}"[-255:]


def _tags(handle: Handle) -> Shown:
    return {"Tags": own_tags(handle)} if own_tags(handle) else {}


def _retag(handle: Handle) -> None:
    arn = handle.attributes["Arn"]
    if drop := tag_keys_to_drop(handle):
        _call(handle, "UntagResource", ResourceArn=arn, TagKeys=drop)
    if write := tags_to_write(handle):
        _call(handle, "TagResource", ResourceArn=arn, Tags=write)


# Endpoints

_ENDPOINT = ("Direction", "Name", "Protocols", "ResolverEndpointType", "SecurityGroupIds")


def _create_endpoint(handle: Handle) -> Made:
    given = handle.given(*_ENDPOINT, "IpAddresses")
    answer = _call(
        handle,
        "CreateResolverEndpoint",
        CreatorRequestId=_creator(handle),
        **given,
        **_tags(handle),
    )
    made = answer["ResolverEndpoint"]
    return Made(made["Id"], {"Arn": made["Arn"]})


def _endpoint(handle: Handle) -> Shown:
    answer = _call(handle, "GetResolverEndpoint", ResolverEndpointId=handle.physical_id)
    return dict(answer["ResolverEndpoint"])


def _endpoint_stable(handle: Handle) -> Progress:
    status = _endpoint(handle)["Status"]
    return Progress.DONE if status == "OPERATIONAL" else Progress.WAITING


def _endpoint_gone(handle: Handle) -> Progress:
    try:
        _endpoint(handle)
    except AwsError as error:
        if error.code != _NOT_FOUND:
            raise
        return Progress.DONE
    return Progress.WAITING


def _read_endpoint(handle: Handle) -> Shown:
    found = _endpoint(handle)
    return {
        "Arn": found["Arn"],
        "Direction": found["Direction"],
        "HostVPCId": found["HostVPCId"],
        "IpAddressCount": str(found["IpAddressCount"]),
        "Name": found.get("Name", ""),
        "ResolverEndpointId": found["Id"],
        "ResolverEndpointType": found["ResolverEndpointType"],
    }


def _update_endpoint(handle: Handle) -> None:
    endpoint = {"ResolverEndpointId": handle.physical_id}
    if handle.changed("Name"):
        _call(handle, "UpdateResolverEndpoint", **endpoint, Name=handle.properties.get("Name", ""))
    old, new = handle.old["IpAddresses"], handle.properties["IpAddresses"]
    for address in (one for one in new if one not in old):
        _call(handle, "AssociateResolverEndpointIpAddress", **endpoint, IpAddress=address)
    for address in (one for one in old if one not in new):
        wanted = _address_of(handle, address)
        _call(handle, "DisassociateResolverEndpointIpAddress", **endpoint, IpAddress=wanted)
    _retag(handle)


def _address_of(handle: Handle, given: Shown) -> Shown:
    """The address that was made for a request which may have named its subnet only."""
    answer = _call(handle, "ListResolverEndpointIpAddresses", ResolverEndpointId=handle.physical_id)
    for one in answer["IpAddresses"]:
        if one["SubnetId"] == given["SubnetId"] and given.get("Ip") in (None, one["Ip"]):
            return {"IpId": one["IpId"]}
    raise AwsError(_NOT_FOUND, f"The endpoint has no address {given}")


def _delete_endpoint(handle: Handle) -> None:
    _call(handle, "DeleteResolverEndpoint", ResolverEndpointId=handle.physical_id)


# Rules

_RULE = ("DomainName", "Name", "ResolverEndpointId", "RuleType")


def _targets(handle: Handle) -> Shown:
    """Templates may write ports as text."""
    given = handle.properties.get("TargetIps")
    if given is None:
        return {}
    ports = [one | ({"Port": int(one["Port"])} if "Port" in one else {}) for one in given]
    return {"TargetIps": ports}


def _create_rule(handle: Handle) -> Made:
    answer = _call(
        handle,
        "CreateResolverRule",
        CreatorRequestId=_creator(handle),
        **handle.given(*_RULE),
        **_targets(handle),
        **_tags(handle),
    )
    made = answer["ResolverRule"]
    return Made(made["Id"], {"Arn": made["Arn"]})


def _rule(handle: Handle) -> Shown:
    answer = _call(handle, "GetResolverRule", ResolverRuleId=handle.physical_id)
    return dict(answer["ResolverRule"])


def _rule_stable(handle: Handle) -> Progress:
    return Progress.DONE if _rule(handle)["Status"] == "COMPLETE" else Progress.WAITING


def _read_rule(handle: Handle) -> Shown:
    found = _rule(handle)
    return {
        "Arn": found["Arn"],
        "DomainName": found["DomainName"],
        "Name": found.get("Name", ""),
        "ResolverEndpointId": found.get("ResolverEndpointId", ""),
        "ResolverRuleId": found["Id"],
        "TargetIps": found.get("TargetIps", []),
    }


def _update_rule(handle: Handle) -> None:
    if handle.changed("Name", "ResolverEndpointId", "TargetIps"):
        config = handle.given("Name", "ResolverEndpointId") | _targets(handle)
        _call(handle, "UpdateResolverRule", ResolverRuleId=handle.physical_id, Config=config)
    _retag(handle)


def _delete_rule(handle: Handle) -> None:
    _call(handle, "DeleteResolverRule", ResolverRuleId=handle.physical_id)


# Associations


def _associate(handle: Handle) -> Made:
    answer = _call(
        handle, "AssociateResolverRule", **handle.given("Name", "ResolverRuleId", "VPCId")
    )
    return Made(answer["ResolverRuleAssociation"]["Id"])


def _association(handle: Handle) -> Shown:
    answer = _call(
        handle, "GetResolverRuleAssociation", ResolverRuleAssociationId=handle.physical_id
    )
    return dict(answer["ResolverRuleAssociation"])


def _association_stable(handle: Handle) -> Progress:
    return Progress.DONE if _association(handle)["Status"] == "COMPLETE" else Progress.WAITING


def _read_association(handle: Handle) -> Shown:
    found = _association(handle)
    return {
        "Name": found.get("Name", ""),
        "ResolverRuleAssociationId": found["Id"],
        "ResolverRuleId": found["ResolverRuleId"],
        "VPCId": found["VPCId"],
    }


def _disassociate(handle: Handle) -> None:
    _call(handle, "DisassociateResolverRule", **handle.given("ResolverRuleId", "VPCId"))


# DNSSEC


def _validate(handle: Handle) -> Made:
    vpc_id = handle.properties["ResourceId"]
    answer = _call(handle, "UpdateResolverDnssecConfig", ResourceId=vpc_id, Validation="ENABLE")
    return Made(answer["ResolverDNSSECConfig"]["Id"])


def _dnssec(handle: Handle) -> Shown:
    vpc_id = handle.properties["ResourceId"]
    answer = _call(handle, "GetResolverDnssecConfig", ResourceId=vpc_id)
    return dict(answer["ResolverDNSSECConfig"])


def _dnssec_stable(handle: Handle) -> Progress:
    status = _dnssec(handle)["ValidationStatus"]
    return Progress.DONE if status == "ENABLED" else Progress.WAITING


def _read_dnssec(handle: Handle) -> Shown:
    found = _dnssec(handle)
    return {name: found[name] for name in ("Id", "OwnerId", "ValidationStatus")}


def _stop_validating(handle: Handle) -> None:
    vpc_id = handle.properties["ResourceId"]
    _call(handle, "UpdateResolverDnssecConfig", ResourceId=vpc_id, Validation="DISABLE")


# Reverse names


def _reverse(handle: Handle, flag: str) -> Shown:
    vpc_id = handle.properties["ResourceId"]
    answer = _call(handle, "UpdateResolverConfig", ResourceId=vpc_id, AutodefinedReverseFlag=flag)
    return dict(answer["ResolverConfig"])


def _switch_reverse(handle: Handle) -> Made:
    return Made(_reverse(handle, handle.properties["AutodefinedReverseFlag"])["Id"])


def _restore_reverse(handle: Handle) -> None:
    _reverse(handle, "ENABLE")


def _read_reverse(handle: Handle) -> Shown:
    vpc_id = handle.properties["ResourceId"]
    found = _call(handle, "GetResolverConfig", ResourceId=vpc_id)["ResolverConfig"]
    return {name: found[name] for name in ("AutodefinedReverse", "Id", "OwnerId")}


def _reverse_stable(handle: Handle) -> Progress:
    status = _read_reverse(handle)["AutodefinedReverse"]
    return Progress.WAITING if status.endswith("ING") else Progress.DONE


register(
    ResourceType(
        "AWS::Route53Resolver::ResolverEndpoint",
        {
            **in_place("IpAddresses", "Name", "Tags"),
            **replaces("Direction", "Protocols", "ResolverEndpointType", "SecurityGroupIds"),
        },
        _create_endpoint,
        _delete_endpoint,
        _update_endpoint,
        stable=_endpoint_stable,
        gone=_endpoint_gone,
        read=_read_endpoint,
        required=frozenset({"Direction", "IpAddresses", "SecurityGroupIds"}),
        attributes=frozenset(
            {
                "Arn",
                "Direction",
                "HostVPCId",
                "IpAddressCount",
                "Name",
                "ResolverEndpointId",
                "ResolverEndpointType",
            }
        ),
        tags=True,
        missing=frozenset({_NOT_FOUND}),
    ),
    ResourceType(
        "AWS::Route53Resolver::ResolverRule",
        {
            **in_place("Name", "ResolverEndpointId", "Tags", "TargetIps"),
            **replaces("DomainName", "RuleType"),
        },
        _create_rule,
        _delete_rule,
        _update_rule,
        stable=_rule_stable,
        read=_read_rule,
        required=frozenset({"RuleType"}),
        attributes=frozenset(
            {"Arn", "DomainName", "Name", "ResolverEndpointId", "ResolverRuleId", "TargetIps"}
        ),
        tags=True,
        missing=frozenset({_NOT_FOUND}),
    ),
    ResourceType(
        "AWS::Route53Resolver::ResolverRuleAssociation",
        replaces("Name", "ResolverRuleId", "VPCId"),
        _associate,
        _disassociate,
        stable=_association_stable,
        read=_read_association,
        required=frozenset({"ResolverRuleId", "VPCId"}),
        attributes=frozenset({"Name", "ResolverRuleAssociationId", "ResolverRuleId", "VPCId"}),
        missing=frozenset({_NOT_FOUND}),
    ),
    ResourceType(
        "AWS::Route53Resolver::ResolverDNSSECConfig",
        replaces("ResourceId"),
        _validate,
        _stop_validating,
        stable=_dnssec_stable,
        read=_read_dnssec,
        required=frozenset({"ResourceId"}),
        attributes=frozenset({"Id", "OwnerId", "ValidationStatus"}),
        missing=frozenset({_NOT_FOUND}),
    ),
    ResourceType(
        "AWS::Route53Resolver::ResolverConfig",
        replaces("AutodefinedReverseFlag", "ResourceId"),
        _switch_reverse,
        _restore_reverse,
        stable=_reverse_stable,
        read=_read_reverse,
        required=frozenset({"AutodefinedReverseFlag", "ResourceId"}),
        attributes=frozenset({"AutodefinedReverse", "Id", "OwnerId"}),
        missing=frozenset({_NOT_FOUND}),
    ),
)
