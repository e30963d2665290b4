"""Making and unmaking interfaces: the account's own, and those that services manage."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from hiyoko.api import AwsError, Call
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.cidr import RESERVED_HEAD, RESERVED_TAIL
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.model import Address, FormerInterface, NetworkInterface, Subnet, Tags
from hiyoko.services.ec2.taken_addresses import TakenAddresses, bits_of, lowest_free

GROUPS_PER_INTERFACE_MAX = 5


def make_interface(
    call: Call,
    subnet: Subnet,
    groups: tuple[str, ...] | None,
    *,
    description: str = "",
    private_ip: str = "",
    interface_type: str = "interface",
    requester_id: str = "",
    public_ip: str = "",
    tags: Tags = (),
) -> NetworkInterface:
    """An interface with the asked-for or the lowest free address; a managed one is attached."""
    eni_id = new_id(call, "eni")
    interface = NetworkInterface(
        account=call.account,
        region=call.region,
        eni_id=eni_id,
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.subnet_id,
        zone=subnet.zone,
        private_ip=_private_address(call, subnet, private_ip),
        mac=mac_address(eni_id),
        groups=groups,
        description=description,
        interface_type=interface_type,
        requester_id=requester_id,
        attachment_id=new_id(call, "eni-attach") if requester_id else "",
        attached_at=call.now if requester_id else 0.0,
        public_ip=public_ip,
        source_dest_check=interface_type != "nat_gateway",
        tags=tags,
    )
    return rows.INTERFACES.put(call, interface)


def mac_address(eni_id: str) -> str:
    """A locally administered address (IEEE 802) that follows from the id."""
    digest = hashlib.sha256(eni_id.encode()).hexdigest()
    return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])


def _private_address(call: Call, subnet: Subnet, wanted: str) -> str:
    network = IPv4Network(subnet.cidr)
    taken = rows.INTERFACES.table.derived(call.tx, TakenAddresses).of(subnet.subnet_id)
    taken |= bits_of(_still_standing(call, subnet))
    if not wanted:
        free = lowest_free(network, taken)
        if free is None:
            raise AwsError(
                "InsufficientFreeAddressesInSubnet",
                "The specified subnet does not have enough free addresses to satisfy the request.",
            )
        return str(IPv4Address(free))
    try:
        offset = int(IPv4Address(wanted)) - int(network.network_address)
    except ValueError:
        offset = -1
    if not RESERVED_HEAD <= offset < network.num_addresses - RESERVED_TAIL:
        raise errors.bad_value(f"Address {wanted} does not fall within the subnet's address range")
    if taken & bits_of([wanted]):
        raise AwsError("InvalidIPAddress.InUse", f"Address {wanted} is in use.")
    return wanted


def _still_standing(call: Call, subnet: Subnet) -> set[str]:
    """Addresses of deleted interfaces that are still being taken down."""
    addresses = set()
    for former in rows.FORMER_INTERFACES.list(call.tx, subnet_id=subnet.subnet_id):
        if rows.interface_seen(call, former.eni_id):
            addresses.add(former.private_ip)
        else:
            rows.FORMER_INTERFACES.delete(
                call.tx, account=former.account, region=former.region, eni_id=former.eni_id
            )
    return addresses


def checked_groups(call: Call, vpc_id: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """The groups of an interface in this VPC; its default group when none is named."""
    if not wanted:
        return (rows.default_group(call, vpc_id).group_id,)
    groups = [rows.get_group(call, group_id) for group_id in dict.fromkeys(wanted)]
    if any(group.vpc_id != vpc_id for group in groups):
        raise errors.different_networks()
    if len(groups) > GROUPS_PER_INTERFACE_MAX:
        raise AwsError(
            "SecurityGroupsPerInterfaceLimitExceeded",
            "The maximum number of security groups per interface has been reached.",
        )
    return tuple(group.group_id for group in groups)


def unmake_interface(call: Call, interface: NetworkInterface) -> None:
    """Delete the interface; an elastic address mapped to it stays the account's."""
    address = rows.find_address_of(call, interface.eni_id)
    if address is not None:
        unmap(call, address)
    former = FormerInterface(
        account=interface.account,
        region=interface.region,
        eni_id=interface.eni_id,
        subnet_id=interface.subnet_id,
        private_ip=interface.private_ip,
    )
    rows.FORMER_INTERFACES.put(call.tx, former)
    rows.INTERFACES.delete(call, interface)


def map_address(call: Call, address: Address, interface: NetworkInterface) -> Address:
    """Map the elastic address to the interface, in place of an address of Amazon's pool."""
    if interface.public_ip:
        rows.INTERFACES.put(call, replace(interface, public_ip=""))
    return rows.ADDRESSES.put(
        call,
        replace(
            address,
            association_id=new_id(call, "eipassoc"),
            eni_id=interface.eni_id,
            private_ip=interface.private_ip,
        ),
    )


def unmap(call: Call, address: Address) -> None:
    """Leave the elastic address without an interface."""
    rows.ADDRESSES.put(call, replace(address, association_id="", eni_id="", private_ip=""))
