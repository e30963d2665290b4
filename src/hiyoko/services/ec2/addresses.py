"""Elastic IP addresses."""

from __future__ import annotations

from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, describe
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.making_interfaces import map_address, unmap
from hiyoko.services.ec2.model import Address
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.public_addresses import take_public_address
from hiyoko.services.ec2.tags import shown, wanted_tags


def _view(call: Call, address: Address) -> dict[str, Any]:
    view: dict[str, Any] = {
        "AllocationId": address.allocation_id,
        "PublicIp": address.public_ip,
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": address.region,
        "Domain": "vpc",
    }
    if address.association_id:
        view |= {
            "AssociationId": address.association_id,
            "NetworkInterfaceId": address.eni_id,
            "NetworkInterfaceOwnerId": call.account,
            "PrivateIpAddress": address.private_ip,
        }
    if address.tags:
        view["Tags"] = shown(address.tags)
    return view


@operation("AllocateAddress", "Domain", "NetworkBorderGroup", "PublicIpv4Pool", "TagSpecifications")
def allocate_address(call: Call, request: Request) -> Response:
    """Give the account a public address of its own."""
    if request.get("Domain", "vpc") != "vpc":
        raise unsupported("Domain", request["Domain"])
    if request.get("PublicIpv4Pool", "amazon") != "amazon":
        raise unsupported("PublicIpv4Pool", request["PublicIpv4Pool"])
    if request.get("NetworkBorderGroup", call.region) != call.region:
        raise unsupported("NetworkBorderGroup", request["NetworkBorderGroup"])
    address = Address(
        account=call.account,
        region=call.region,
        allocation_id=new_id(call, "eipalloc"),
        public_ip=take_public_address(call),
        tags=wanted_tags(request, "elastic-ip"),
    )
    rows.ADDRESSES.put(call, address)
    view = _view(call, address)
    view.pop("Tags", None)
    return view


_FILTERS: Filters[Address] = {
    "allocation-id": lambda address: address.allocation_id,
    "association-id": lambda address: address.association_id or [],
    "domain": lambda _: "vpc",
    "network-border-group": lambda address: address.region,
    "network-interface-id": lambda address: address.eni_id or [],
    "network-interface-owner-id": lambda address: address.account if address.eni_id else [],
    "private-ip-address": lambda address: address.private_ip or [],
    "public-ip": lambda address: address.public_ip,
}


@operation("DescribeAddresses", "AllocationIds", "PublicIps", "Filters")
def describe_addresses(call: Call, request: Request) -> Response:
    """Elastic addresses by allocation id, address or filter."""
    chosen = None
    if request.get("PublicIps"):
        found = [_by_public_ip(call, ip) for ip in request["PublicIps"]]
        chosen = sorted(found, key=lambda address: address.allocation_id)
    return describe(
        call,
        rows.ADDRESSES,
        request,
        _view,
        _FILTERS,
        ids="AllocationIds",
        answer="Addresses",
        rows=chosen,
    )


def _by_public_ip(call: Call, public_ip: str) -> Address:
    address = next(iter(rows.ADDRESSES.list(call, public_ip=public_ip)), None)
    if address is None:
        raise AwsError("InvalidAddress.NotFound", f"Address '{public_ip}' not found.")
    return address


def _named(call: Call, request: Request) -> Address:
    if request.get("AllocationId"):
        return rows.ADDRESSES.get(call, request["AllocationId"])
    if request.get("PublicIp"):
        return _by_public_ip(call, request["PublicIp"])
    raise errors.missing("allocationId")


@operation("ReleaseAddress", "AllocationId", "PublicIp", "NetworkBorderGroup")
def release_address(call: Call, request: Request) -> Response:
    """Give the address back to the pool."""
    address = _named(call, request)
    if address.association_id:
        raise AwsError(
            "InvalidIPAddress.InUse",
            f"The address with allocation id {address.allocation_id} is in use.",
        )
    rows.ADDRESSES.delete(call, address)
    return {}


@operation(
    "AssociateAddress", "AllocationId", "PublicIp", "NetworkInterfaceId", "PrivateIpAddress",
    "AllowReassociation",
)  # fmt: skip
def associate_address(call: Call, request: Request) -> Response:
    """Map the address to an interface whose VPC has an internet gateway."""
    address = _named(call, request)
    if not request.get("NetworkInterfaceId"):
        raise errors.missing("networkInterfaceId")
    interface = rows.INTERFACES.get(call, request["NetworkInterfaceId"])
    if interface.requester_id or _is_managed(call, address):
        raise errors.not_yours()
    if request.get("PrivateIpAddress", interface.private_ip) != interface.private_ip:
        raise unsupported("PrivateIpAddress", request["PrivateIpAddress"])
    if rows.find_attached_gateway(call, interface.vpc_id) is None:
        raise errors.not_attached(
            f"Network {interface.vpc_id} is not attached to any internet gateway"
        )
    older = rows.find_address_of(call, interface.eni_id)
    if older == address:
        return {"AssociationId": address.association_id}
    # Within a VPC an address moves by default; only an explicit false holds it.
    if address.association_id and request.get("AllowReassociation") is False:
        raise errors.already_associated(
            f"resource {address.allocation_id} is already associated with associate-id"
            f" {address.association_id}"
        )
    if older is not None:
        unmap(call, older)
    return {"AssociationId": map_address(call, address, interface).association_id}


def _is_managed(call: Call, address: Address) -> bool:
    interface = rows.find_interface(call, address.eni_id) if address.eni_id else None
    return interface is not None and bool(interface.requester_id)


@operation("DisassociateAddress", "AssociationId", "PublicIp")
def disassociate_address(call: Call, request: Request) -> Response:
    """Take the address from its interface; twice is fine when it is named by address."""
    if request.get("AssociationId"):
        found = rows.ADDRESSES.list(call, association_id=request["AssociationId"])
        if not found:
            raise AwsError(
                "InvalidAssociationID.NotFound",
                f"The association ID '{request['AssociationId']}' does not exist",
            )
        address = found[0]
    elif request.get("PublicIp"):
        address = _by_public_ip(call, request["PublicIp"])
    else:
        raise errors.missing("associationId")
    if _is_managed(call, address):
        raise errors.not_yours()
    unmap(call, address)
    return {}
