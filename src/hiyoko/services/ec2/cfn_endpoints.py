"""CloudFormation's VPC endpoints and prefix lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hiyoko.template.resource_type import (
    Handle,
    Made,
    Progress,
    ResourceType,
    in_place,
    register,
    replaces,
)
from hiyoko.template.tagging import tag_keys_to_drop, tags_to_write

_GIVEN = (
    "VpcId",
    "ServiceName",
    "VpcEndpointType",
    "SubnetIds",
    "SecurityGroupIds",
    "RouteTableIds",
    "PrivateDnsEnabled",
    "IpAddressType",
)
_LISTS = ("SubnetIds", "SecurityGroupIds", "RouteTableIds")


def _policy(handle: Handle) -> dict[str, Any]:
    """The policy as the API takes it: a template has it as an object, or as JSON in a string."""
    policy = handle.properties.get("PolicyDocument")
    if not policy:
        return {}
    return {"PolicyDocument": policy if isinstance(policy, str) else json.dumps(policy)}


def _create(handle: Handle) -> Made:
    request = {
        # CloudFormation itself enables no private DNS unless it is asked to.
        "PrivateDnsEnabled": False,
        "TagSpecifications": [{"ResourceType": "vpc-endpoint", "Tags": handle.tags()}],
        **handle.given(*_GIVEN),
        **_policy(handle),
    }
    answer = handle.invoke("ec2", "CreateVpcEndpoint", request)
    return Made(str(answer["VpcEndpoint"]["VpcEndpointId"]))


def _update(handle: Handle) -> None:
    request: dict[str, Any] = {}
    for name in _LISTS:
        old, new = handle.old.get(name, []), handle.properties.get(name, [])
        request[f"Add{name}"] = [value for value in new if value not in old]
        request[f"Remove{name}"] = [value for value in old if value not in new]
    if handle.changed("PrivateDnsEnabled"):
        request["PrivateDnsEnabled"] = handle.properties.get("PrivateDnsEnabled", False)
    if handle.changed("PolicyDocument"):
        request |= _policy(handle) or {"ResetPolicy": True}
    if any(value not in ([], None) for value in request.values()):
        request["VpcEndpointId"] = handle.physical_id
        handle.invoke("ec2", "ModifyVpcEndpoint", request)
    _retag(handle)


def _retag(handle: Handle) -> None:
    target = [handle.physical_id]
    if drop := tag_keys_to_drop(handle):
        tags = [{"Key": key} for key in drop]
        handle.invoke("ec2", "DeleteTags", {"Resources": target, "Tags": tags})
    if write := tags_to_write(handle):
        handle.invoke("ec2", "CreateTags", {"Resources": target, "Tags": write})


def _delete(handle: Handle) -> None:
    handle.invoke("ec2", "DeleteVpcEndpoints", {"VpcEndpointIds": [handle.physical_id]})


def _find(handle: Handle) -> Mapping[str, Any] | None:
    only = [{"Name": "vpc-endpoint-id", "Values": [handle.physical_id]}]
    found = handle.invoke("ec2", "DescribeVpcEndpoints", {"Filters": only})["VpcEndpoints"]
    return next(iter(found), None)


def _stable(handle: Handle) -> Progress:
    endpoint = _find(handle)
    ready = endpoint is not None and endpoint["State"] == "available"
    return Progress.DONE if ready else Progress.WAITING


def _gone(handle: Handle) -> Progress:
    return Progress.DONE if _find(handle) is None else Progress.WAITING


def _read(handle: Handle) -> Mapping[str, Any]:
    endpoint = _find(handle) or {}
    entries = endpoint.get("DnsEntries", [])
    return {
        "Id": handle.physical_id,
        "DnsEntries": [f"{entry['HostedZoneId']}:{entry['DnsName']}" for entry in entries],
        "NetworkInterfaceIds": list(endpoint.get("NetworkInterfaceIds", [])),
    }


def _create_list(handle: Handle) -> Made:
    request = {
        "TagSpecifications": [{"ResourceType": "prefix-list", "Tags": handle.tags()}],
        **handle.given("PrefixListName", "AddressFamily", "MaxEntries", "Entries"),
    }
    answer = handle.invoke("ec2", "CreateManagedPrefixList", request)
    return Made(str(answer["PrefixList"]["PrefixListId"]))


def _find_list(handle: Handle) -> Mapping[str, Any]:
    request = {"PrefixListIds": [handle.physical_id]}
    found = handle.invoke("ec2", "DescribeManagedPrefixLists", request)["PrefixLists"]
    return dict(found[0])


def _update_list(handle: Handle) -> None:
    old, new = handle.old.get("Entries", []), handle.properties.get("Entries", [])
    kept = {entry["Cidr"] for entry in new}
    request = {
        "PrefixListId": handle.physical_id,
        "CurrentVersion": _find_list(handle)["Version"],
        "AddEntries": [entry for entry in new if entry not in old],
        "RemoveEntries": [{"Cidr": e["Cidr"]} for e in old if e["Cidr"] not in kept],
        **handle.given("PrefixListName", "MaxEntries"),
    }
    handle.invoke("ec2", "ModifyManagedPrefixList", request)
    _retag(handle)


def _delete_list(handle: Handle) -> None:
    handle.invoke("ec2", "DeleteManagedPrefixList", {"PrefixListId": handle.physical_id})


def _read_list(handle: Handle) -> Mapping[str, Any]:
    found = _find_list(handle)
    return {
        "PrefixListId": handle.physical_id,
        "Arn": found["PrefixListArn"],
        "OwnerId": found["OwnerId"],
        "Version": found["Version"],
    }


register(
    ResourceType(
        "AWS::EC2::VPCEndpoint",
        {
            **in_place(*_LISTS, "PrivateDnsEnabled", "PolicyDocument", "Tags"),
            **replaces("VpcId", "ServiceName", "VpcEndpointType", "IpAddressType"),
        },
        _create,
        _delete,
        _update,
        stable=_stable,
        gone=_gone,
        read=_read,
        required=frozenset({"VpcId", "ServiceName"}),
        attributes=frozenset({"Id", "DnsEntries", "NetworkInterfaceIds"}),
        tags=True,
        missing=frozenset({"InvalidVpcEndpointId.NotFound"}),
    ),
    ResourceType(
        "AWS::EC2::PrefixList",
        {
            **in_place("PrefixListName", "MaxEntries", "Entries", "Tags"),
            **replaces("AddressFamily"),
        },
        _create_list,
        _delete_list,
        _update_list,
        read=_read_list,
        required=frozenset({"PrefixListName", "AddressFamily"}),
        attributes=frozenset({"PrefixListId", "Arn", "OwnerId", "Version"}),
        tags=True,
        missing=frozenset({"InvalidPrefixListID.NotFound"}),
    ),
)
