"""Network interfaces of the account, and a view of those that services manage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, describe, truth
from hiyoko.services.ec2.making_interfaces import checked_groups, make_interface, unmake_interface
from hiyoko.services.ec2.model import NetworkInterface
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.tags import shown, wanted_tags
from hiyoko.services.ec2.zones import private_dns_name, public_dns_name


def _association(call: Call, interface: NetworkInterface) -> dict[str, Any] | None:
    address = rows.find_address_of(call, interface.eni_id)
    public_ip = address.public_ip if address else interface.public_ip
    if not public_ip:
        return None
    owner = interface.requester_id if interface.requester_id == "amazon-elb" else "amazon"
    view = {"PublicIp": public_ip, "IpOwnerId": owner}
    if address:
        view |= {
            "IpOwnerId": address.account,
            "AllocationId": address.allocation_id,
            "AssociationId": address.association_id,
        }
    if _named(call, interface):
        view["PublicDnsName"] = public_dns_name(interface.region, public_ip)
    return view


def _named(call: Call, interface: NetworkInterface) -> bool:
    vpc = rows.get_vpc(call, interface.vpc_id)
    return vpc.dns_support and vpc.dns_hostnames


def _attachment(interface: NetworkInterface) -> dict[str, Any]:
    return {
        "AttachmentId": interface.attachment_id,
        "AttachTime": interface.attached_at,
        "DeleteOnTermination": False,
        "DeviceIndex": 1,
        "NetworkCardIndex": 0,
        "InstanceOwnerId": interface.requester_id,
        "Status": "attached",
    }


def _groups(call: Call, interface: NetworkInterface) -> list[dict[str, str]]:
    found = [rows.get_group(call, group_id) for group_id in interface.groups or ()]
    return [{"GroupId": group.group_id, "GroupName": group.name} for group in found]


def _view(call: Call, interface: NetworkInterface) -> dict[str, Any]:
    private: dict[str, Any] = {"PrivateIpAddress": interface.private_ip, "Primary": True}
    view: dict[str, Any] = {
        "NetworkInterfaceId": interface.eni_id,
        "VpcId": interface.vpc_id,
        "SubnetId": interface.subnet_id,
        "AvailabilityZone": interface.zone,
        "OwnerId": interface.account,
        "Description": interface.description,
        "Groups": _groups(call, interface),
        "InterfaceType": interface.interface_type,
        "MacAddress": interface.mac,
        "PrivateIpAddress": interface.private_ip,
        "Ipv6Addresses": [],
        "RequesterManaged": bool(interface.requester_id),
        "SourceDestCheck": interface.source_dest_check,
        "Status": interface.status,
        "TagSet": shown(interface.tags),
    }
    if _named(call, interface):
        name = private_dns_name(interface.region, interface.private_ip)
        view["PrivateDnsName"] = private["PrivateDnsName"] = name
    if interface.requester_id:
        view["RequesterId"] = interface.requester_id
    if interface.attachment_id:
        view["Attachment"] = _attachment(interface)
    if association := _association(call, interface):
        view["Association"] = private["Association"] = association
    return view | {"PrivateIpAddresses": [private]}


@operation(
    "CreateNetworkInterface", "SubnetId", "Description", "Groups", "PrivateIpAddress",
    "InterfaceType", "TagSpecifications", "ClientToken",
)  # fmt: skip
def create_network_interface(call: Call, request: Request) -> Response:
    """Record an interface that nothing is attached to (there are no instances here)."""
    subnet = rows.get_subnet(call, request["SubnetId"])
    if request.get("InterfaceType", "interface") != "interface":
        raise unsupported("InterfaceType", request["InterfaceType"])
    interface = make_interface(
        call,
        subnet,
        checked_groups(call, subnet.vpc_id, request.get("Groups") or ()),
        description=request.get("Description", ""),
        private_ip=request.get("PrivateIpAddress") or "",
        tags=wanted_tags(request, "network-interface"),
    )
    response = {"NetworkInterface": {**_view(call, interface), "Status": "pending"}}
    if request.get("ClientToken"):
        response["ClientToken"] = request["ClientToken"]
    return response


def _filters(call: Call) -> Filters[NetworkInterface]:
    def association(interface: NetworkInterface, member: str) -> Iterable[str]:
        view = _association(call, interface) or {}
        return [view[member]] if member in view else []

    return {
        "association.allocation-id": lambda i: association(i, "AllocationId"),
        "association.association-id": lambda i: association(i, "AssociationId"),
        "association.ip-owner-id": lambda i: association(i, "IpOwnerId"),
        "association.public-ip": lambda i: association(i, "PublicIp"),
        "addresses.association.public-ip": lambda i: association(i, "PublicIp"),
        "addresses.private-ip-address": lambda i: i.private_ip,
        "attachment.attachment-id": lambda i: i.attachment_id or [],
        "attachment.instance-owner-id": lambda i: i.requester_id or [],
        "attachment.status": lambda i: "attached" if i.attachment_id else [],
        "availability-zone": lambda i: i.zone,
        "description": lambda i: i.description,
        "group-id": lambda i: i.groups or (),
        "group-name": lambda i: [g["GroupName"] for g in _groups(call, i)],
        "interface-type": lambda i: i.interface_type,
        "mac-address": lambda i: i.mac,
        "network-interface-id": lambda i: i.eni_id,
        "owner-id": lambda i: i.account,
        "private-dns-name": lambda i: private_dns_name(i.region, i.private_ip),
        "private-ip-address": lambda i: i.private_ip,
        "requester-id": lambda i: i.requester_id or [],
        "requester-managed": lambda i: truth(bool(i.requester_id)),
        "source-dest-check": lambda i: truth(i.source_dest_check),
        "status": lambda i: i.status,
        "subnet-id": lambda i: i.subnet_id,
        "vpc-id": lambda i: i.vpc_id,
    }


@operation("DescribeNetworkInterfaces", "NetworkInterfaceIds", "Filters", "MaxResults", "NextToken")
def describe_network_interfaces(call: Call, request: Request) -> Response:
    """Interfaces by id or filter, managed ones too."""
    return describe(
        call,
        rows.INTERFACES,
        request,
        _view,
        _filters(call),
        ids="NetworkInterfaceIds",
        answer="NetworkInterfaces",
    )


@operation("DeleteNetworkInterface", "NetworkInterfaceId")
def delete_network_interface(call: Call, request: Request) -> Response:
    """Delete an interface that isn't attached."""
    interface = rows.INTERFACES.get(call, request["NetworkInterfaceId"])
    if interface.attachment_id:
        raise errors.bad_value(f"Network interface '{interface.eni_id}' is currently in use.")
    unmake_interface(call, interface)
    return {}


@operation("ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", "Groups", "Description")
def modify_network_interface_attribute(call: Call, request: Request) -> Response:
    """Change the groups or the description, one in a call."""
    interface = rows.INTERFACES.get(call, request["NetworkInterfaceId"])
    groups, description = request.get("Groups"), request.get("Description")
    if groups and description is not None:
        raise errors.bad_combination("Fields for multiple attribute types specified")
    if interface.requester_id:
        raise errors.not_yours()
    if groups:
        chosen = checked_groups(call, interface.vpc_id, groups)
        interface = replace(interface, groups=chosen)
    if description is not None:
        interface = replace(interface, description=description.get("Value") or "")
    rows.INTERFACES.put(call, interface)
    return {}


@operation("DescribeNetworkInterfaceAttribute", "NetworkInterfaceId", "Attribute")
def describe_network_interface_attribute(call: Call, request: Request) -> Response:
    """One attribute."""
    interface = rows.INTERFACES.get(call, request["NetworkInterfaceId"])
    response: Response = {"NetworkInterfaceId": interface.eni_id}
    match request.get("Attribute"):
        case "description":
            response["Description"] = {"Value": interface.description}
        case "groupSet":
            response["Groups"] = _groups(call, interface)
        case "sourceDestCheck":
            response["SourceDestCheck"] = {"Value": interface.source_dest_check}
        case "attachment":
            if interface.attachment_id:
                response["Attachment"] = _attachment(interface)
        case other:
            raise unsupported("Attribute", other)
    return response
