"""What neighbour services ask of ec2 inside their own transactions: interfaces of their own.

The names start with ``_``: no client can call them.
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response
from hiyoko.services.ec2 import rows
from hiyoko.services.ec2.making_interfaces import checked_groups, make_interface, unmake_interface
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.public_addresses import take_public_address
from hiyoko.services.ec2.zones import private_dns_name


@operation(
    "_CreateManagedInterface",
    "SubnetId", "Groups", "Description", "RequesterId", "InterfaceType", "AssociatePublicIp",
    "PrivateIpAddress",
)  # fmt: skip
def create_managed_interface(call: Call, request: Request) -> Response:
    """An attached interface for the service ``RequesterId``; ``Groups`` None: none guards it."""
    subnet = rows.get_subnet(call, request["SubnetId"])
    groups = request.get("Groups")
    interface = make_interface(
        call,
        subnet,
        None if groups is None else checked_groups(call, subnet.vpc_id, groups),
        description=request.get("Description", ""),
        private_ip=request.get("PrivateIpAddress") or "",
        interface_type=request.get("InterfaceType", "interface"),
        requester_id=request["RequesterId"],
        public_ip=take_public_address(call) if request.get("AssociatePublicIp") else "",
    )
    return {
        "NetworkInterfaceId": interface.eni_id,
        "PrivateIpAddress": interface.private_ip,
        "PublicIp": interface.public_ip or None,
        "MacAddress": interface.mac,
        "PrivateDnsName": private_dns_name(call.region, interface.private_ip),
        "SubnetId": interface.subnet_id,
        "VpcId": interface.vpc_id,
        "AvailabilityZone": interface.zone,
        "Groups": list(interface.groups or ()),
    }


@operation("_DeleteManagedInterface", "NetworkInterfaceId")
def delete_managed_interface(call: Call, request: Request) -> Response:
    """Delete the interface and free its public address; nothing happens when it is gone."""
    interface = rows.find_interface(call, request["NetworkInterfaceId"])
    if interface is not None:
        unmake_interface(call, interface)
    return {}


@operation("_SetInterfaceGroups", "NetworkInterfaceId", "Groups")
def set_interface_groups(call: Call, request: Request) -> Response:
    """Guard the interface by these groups."""
    interface = rows.INTERFACES.get(call, request["NetworkInterfaceId"])
    groups = checked_groups(call, interface.vpc_id, request["Groups"])
    rows.INTERFACES.put(call, replace(interface, groups=groups))
    return {"Groups": list(groups)}
