"""CloudFormation's interface endpoints."""

from __future__ import annotations

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
    "PrivateDnsEnabled",
    "IpAddressType",
)


def _create(handle: Handle) -> Made:
    request = {
        # CloudFormation itself enables no private DNS unless it is asked to.
        "PrivateDnsEnabled": False,
        "TagSpecifications": [{"ResourceType": "vpc-endpoint", "Tags": handle.tags()}],
        **handle.given(*_GIVEN),
    }
    answer = handle.invoke("ec2", "CreateVpcEndpoint", request)
    return Made(str(answer["VpcEndpoint"]["VpcEndpointId"]))


def _update(handle: Handle) -> None:
    request: dict[str, Any] = {}
    for name, add, remove in (
        ("SubnetIds", "AddSubnetIds", "RemoveSubnetIds"),
        ("SecurityGroupIds", "AddSecurityGroupIds", "RemoveSecurityGroupIds"),
    ):
        old, new = handle.old.get(name, []), handle.properties.get(name, [])
        request[add] = [value for value in new if value not in old]
        request[remove] = [value for value in old if value not in new]
    if handle.changed("PrivateDnsEnabled"):
        request["PrivateDnsEnabled"] = handle.properties.get("PrivateDnsEnabled", False)
    if any(value not in ([], None) for value in request.values()):
        request["VpcEndpointId"] = handle.physical_id
        handle.invoke("ec2", "ModifyVpcEndpoint", request)
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


register(
    ResourceType(
        "AWS::EC2::VPCEndpoint",
        {
            **in_place("SubnetIds", "SecurityGroupIds", "PrivateDnsEnabled", "Tags"),
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
    )
)
