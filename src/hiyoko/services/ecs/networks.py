"""awsvpc networks: parsed, checked against ec2, and an interface for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hiyoko.api import AwsError, Call
from hiyoko.services.ecs.errors import ClientException, InvalidParameter, NoAddressLeft
from hiyoko.services.ecs.model import Network, Task


@dataclass(frozen=True, slots=True)
class Subnet:
    """What a choice between subnets needs to know."""

    id: str
    vpc: str
    zone: str


def network_in(call: Call, request: Mapping[str, Any]) -> tuple[Network, tuple[Subnet, ...]]:
    """The ``networkConfiguration`` of a request, its subnets and groups looked up in ec2."""
    config = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if not config:
        raise InvalidParameter(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    network = Network(
        tuple(config.get("subnets") or ()),
        tuple(config.get("securityGroups") or ()),
        config.get("assignPublicIp") == "ENABLED",
    )
    if not network.subnets:
        raise InvalidParameter("subnets can not be empty.")
    if len(network.subnets) > 16:
        raise InvalidParameter("subnets can have at most 16 items.")
    if len(network.groups) > 5:
        raise InvalidParameter("securityGroups can have at most 5 items.")
    subnets = find_subnets(call, network.subnets)
    vpcs = {subnet.vpc for subnet in subnets}
    if len(vpcs) > 1:
        raise InvalidParameter("All subnets must be in the same VPC.")
    _check_groups(call, network.groups, vpcs)
    return network, subnets


def find_subnets(call: Call, ids: Iterable[str]) -> tuple[Subnet, ...]:
    """The subnets with these ids, in the order of the request."""
    found = []
    for subnet_id in ids:
        try:
            answer = call.invoke("ec2", "DescribeSubnets", {"SubnetIds": [subnet_id]})
        except AwsError as error:
            raise InvalidParameter(
                f"Error retrieving subnet information for [{subnet_id}]: {error.message}"
                f" (ErrorCode: {error.code})"
            ) from error
        one = answer["Subnets"][0]
        found.append(Subnet(one["SubnetId"], one["VpcId"], one["AvailabilityZone"]))
    return tuple(found)


def _check_groups(call: Call, groups: tuple[str, ...], vpcs: set[str]) -> None:
    for group_id in groups:
        try:
            answer = call.invoke("ec2", "DescribeSecurityGroups", {"GroupIds": [group_id]})
        except AwsError as error:
            raise InvalidParameter(
                f"Error retrieving security group information for [{group_id}]: {error.message}"
                f" (ErrorCode: {error.code})"
            ) from error
        if answer["SecurityGroups"][0]["VpcId"] not in vpcs:
            raise InvalidParameter(
                f"The security group {group_id} does not belong to the VPC of the subnets."
            )


@dataclass(slots=True)
class Spread:
    """How many tasks that nobody wishes to end are where: of each group in each zone and subnet.

    Kept in step with the tasks; see :meth:`hiyoko.store.table.Table.derived`.
    """

    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, row: Task) -> None:
        """The task is there."""
        self._note(row, 1)

    def remove(self, row: Task) -> None:
        """It is not, or is another one now."""
        self._note(row, -1)

    def _note(self, row: Task, one: int) -> None:
        for place in (row.zone, row.subnet_id) if row.stop is None else ():
            key = row.cluster, row.group, place
            self._counts[key] += one
            if not self._counts[key]:
                del self._counts[key]

    def choose_subnet(self, subnets: Iterable[Subnet], cluster: str, group: str) -> Subnet:
        """The subnet in the zone with the fewest of a group's tasks, then with the fewest itself.

        ``cluster`` is its ARN.
        """

        def load(subnet: Subnet) -> tuple[int, int]:
            zone, itself = (cluster, group, subnet.zone), (cluster, group, subnet.id)
            return self._counts[zone], self._counts[itself]

        return min(subnets, key=load)


def create_interface(
    call: Call, network: Network, subnet: Subnet, attachment_id: str
) -> Mapping[str, Any]:
    """The task's interface, in this transaction; NoAddressLeft when the subnet is full."""
    wanted = {
        "SubnetId": subnet.id,
        "Groups": list(network.groups),
        "Description": call.arn("ecs", f"attachment/{attachment_id}"),
        "RequesterId": "amazon-ecs",
        "InterfaceType": "interface",
        "AssociatePublicIp": network.public_ip,
    }
    try:
        return call.invoke("ec2", "_CreateManagedInterface", wanted)
    except AwsError as error:
        full = error.code == "InsufficientFreeAddressesInSubnet"
        raise (NoAddressLeft if full else ClientException)(
            f"Unexpected EC2 error while attempting to Create Network Interface in subnet"
            f" '{subnet.id}': {error.code}"
        ) from error
