"""Network ACLs, their entries, and which subnet has which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.cidr import read_cidr
from hiyoko.services.ec2.filters import Filters, describe, truth
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.model import (
    ACL_IMPLIED_ENTRY,
    ALL_PROTOCOLS,
    ANYWHERE,
    PROTOCOL_NUMBERS,
    AclEntry,
    Association,
    NetworkAcl,
)
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.permissions import PORT_MAX
from hiyoko.services.ec2.tags import shown, wanted_tags

_WITH_PORTS = {str(PROTOCOL_NUMBERS["tcp"]), str(PROTOCOL_NUMBERS["udp"])}
_ICMP = str(PROTOCOL_NUMBERS["icmp"])


def _shown_entries(acl: NetworkAcl) -> list[AclEntry]:
    """The entries with the two that deny the rest, egress first, by number."""
    implied = [
        AclEntry(ACL_IMPLIED_ENTRY, egress, ALL_PROTOCOLS, allow=False, cidr=ANYWHERE)
        for egress in (True, False)
    ]
    return sorted((*acl.entries, *implied), key=lambda e: (not e.egress, e.number))


def _view(_: Call, acl: NetworkAcl) -> dict[str, Any]:
    return {
        "NetworkAclId": acl.acl_id,
        "VpcId": acl.vpc_id,
        "OwnerId": acl.account,
        "IsDefault": acl.is_default,
        "Entries": [_entry_view(entry) for entry in _shown_entries(acl)],
        "Associations": [
            {
                "NetworkAclAssociationId": a.association_id,
                "NetworkAclId": acl.acl_id,
                "SubnetId": a.subnet_id,
            }
            for a in acl.associations
        ],
        "Tags": shown(acl.tags),
    }


def _action(entry: AclEntry) -> str:
    return "allow" if entry.allow else "deny"


def _entry_view(entry: AclEntry) -> dict[str, Any]:
    view: dict[str, Any] = {
        "RuleNumber": entry.number,
        "Egress": entry.egress,
        "Protocol": entry.protocol,
        "RuleAction": _action(entry),
        "CidrBlock": entry.cidr,
    }
    if entry.protocol in _WITH_PORTS:
        view["PortRange"] = {"From": entry.low, "To": entry.high}
    if entry.protocol == _ICMP:
        view["IcmpTypeCode"] = {"Type": entry.low, "Code": entry.high}
    return view


@operation("CreateNetworkAcl", "VpcId", "TagSpecifications", "ClientToken")
def create_network_acl(call: Call, request: Request) -> Response:
    """Record an ACL that lets nothing through."""
    vpc = rows.get_vpc(call, request["VpcId"])
    acl = NetworkAcl(
        account=call.account,
        region=call.region,
        acl_id=new_id(call, "acl"),
        vpc_id=vpc.vpc_id,
        tags=wanted_tags(request, "network-acl"),
    )
    rows.ACLS.put(call, acl)
    return {"NetworkAcl": _view(call, acl)}


_FILTERS: Filters[NetworkAcl] = {
    "association.association-id": lambda acl: [a.association_id for a in acl.associations],
    "association.network-acl-id": lambda acl: acl.acl_id if acl.associations else [],
    "association.subnet-id": lambda acl: [a.subnet_id for a in acl.associations],
    "default": lambda acl: truth(acl.is_default),
    "entry.cidr": lambda acl: [e.cidr for e in _shown_entries(acl)],
    "entry.egress": lambda acl: [truth(e.egress) for e in _shown_entries(acl)],
    "entry.protocol": lambda acl: [e.protocol for e in _shown_entries(acl)],
    "entry.rule-action": lambda acl: [_action(e) for e in _shown_entries(acl)],
    "entry.rule-number": lambda acl: [str(e.number) for e in _shown_entries(acl)],
    "network-acl-id": lambda acl: acl.acl_id,
    "owner-id": lambda acl: acl.account,
    "vpc-id": lambda acl: acl.vpc_id,
}


@operation("DescribeNetworkAcls", "NetworkAclIds", "Filters", "MaxResults", "NextToken")
def describe_network_acls(call: Call, request: Request) -> Response:
    """Network ACLs by id or filter."""
    return describe(
        call, rows.ACLS, request, _view, _FILTERS, ids="NetworkAclIds", answer="NetworkAcls"
    )


@operation("DeleteNetworkAcl", "NetworkAclId")
def delete_network_acl(call: Call, request: Request) -> Response:
    """Delete an ACL that no subnet has and that isn't the default one."""
    acl = rows.ACLS.get(call, request["NetworkAclId"])
    if acl.is_default:
        raise errors.bad_value(f"cannot delete default network ACL {acl.acl_id}")
    if acl.associations:
        raise errors.has_dependencies("networkAcl", acl.acl_id)
    rows.ACLS.delete(call, acl)
    return {}


ENTRY_MEMBERS = (
    "NetworkAclId", "RuleNumber", "Protocol", "RuleAction", "Egress", "CidrBlock", "PortRange",
    "IcmpTypeCode",
)  # fmt: skip


def _read_entry(request: Request) -> AclEntry:
    number = request["RuleNumber"]
    if not 1 <= number < ACL_IMPLIED_ENTRY:
        raise errors.bad_value(
            f"Invalid value '{number}' for ruleNumber. Must be between 1 and 32766."
        )
    if not request.get("CidrBlock"):
        raise errors.missing("cidrBlock")
    protocol = _protocol(request["Protocol"])
    low, high = _span(protocol, request)
    return AclEntry(
        number=number,
        egress=request["Egress"],
        protocol=protocol,
        allow=request["RuleAction"] == "allow",
        cidr=str(read_cidr(request["CidrBlock"])),
        low=low,
        high=high,
    )


def _protocol(text: str) -> str:
    text = text.lower()
    if text in (ALL_PROTOCOLS, "all"):
        return ALL_PROTOCOLS
    if text in PROTOCOL_NUMBERS:
        return str(PROTOCOL_NUMBERS[text])
    if text.isdecimal() and int(text) <= 255:
        return str(int(text))
    raise errors.bad_value(f"Invalid value '{text}' for IP protocol. Unknown protocol.")


def _span(protocol: str, request: Request) -> tuple[int, int]:
    if protocol in _WITH_PORTS:
        ports = request.get("PortRange") or {}
        low, high = ports.get("From"), ports.get("To")
        if low is None or high is None:
            raise errors.missing("portRange")
        if not 0 <= low <= high <= PORT_MAX:
            raise errors.bad_value(f"Invalid TCP/UDP port range ({low}:{high})")
        return low, high
    if protocol == _ICMP:
        icmp = request.get("IcmpTypeCode") or {}
        if icmp.get("Type") is None:
            raise errors.missing("icmpTypeCode")
        kind, code = icmp["Type"], icmp.get("Code")
        return kind, -1 if kind == -1 or code is None else code
    return -1, -1


def _without(acl: NetworkAcl, number: int, *, egress: bool) -> tuple[AclEntry, ...]:
    return tuple(e for e in acl.entries if (e.number, e.egress) != (number, egress))


def _no_such_entry() -> AwsError:
    return AwsError(
        "InvalidNetworkAclEntry.NotFound", "The specified network acl entry does not exist"
    )


@operation("CreateNetworkAclEntry", *ENTRY_MEMBERS)
def create_network_acl_entry(call: Call, request: Request) -> Response:
    """Add an entry under a number that is free in its direction."""
    acl = rows.ACLS.get(call, request["NetworkAclId"])
    entry = _read_entry(request)
    if len(_without(acl, entry.number, egress=entry.egress)) != len(acl.entries):
        raise AwsError(
            "NetworkAclEntryAlreadyExists",
            f"The network acl entry identified by {entry.number} already exists.",
        )
    rows.ACLS.put(call, replace(acl, entries=(*acl.entries, entry)))
    return {}


@operation("ReplaceNetworkAclEntry", *ENTRY_MEMBERS)
def replace_network_acl_entry(call: Call, request: Request) -> Response:
    """Give an entry that is there a new content."""
    acl = rows.ACLS.get(call, request["NetworkAclId"])
    entry = _read_entry(request)
    others = _without(acl, entry.number, egress=entry.egress)
    if len(others) == len(acl.entries):
        raise _no_such_entry()
    rows.ACLS.put(call, replace(acl, entries=(*others, entry)))
    return {}


@operation("DeleteNetworkAclEntry", "NetworkAclId", "RuleNumber", "Egress")
def delete_network_acl_entry(call: Call, request: Request) -> Response:
    """Delete an entry."""
    acl = rows.ACLS.get(call, request["NetworkAclId"])
    others = _without(acl, request["RuleNumber"], egress=request["Egress"])
    if len(others) == len(acl.entries):
        raise _no_such_entry()
    rows.ACLS.put(call, replace(acl, entries=others))
    return {}


@operation("ReplaceNetworkAclAssociation", "AssociationId", "NetworkAclId")
def replace_network_acl_association(call: Call, request: Request) -> Response:
    """Give a subnet another ACL; the association's id is new."""
    target = rows.ACLS.get(call, request["NetworkAclId"])
    for acl in rows.ACLS.list(call):
        for association in acl.associations:
            if association.association_id != request["AssociationId"]:
                continue
            if acl.vpc_id != target.vpc_id:
                raise errors.different_networks()
            left = tuple(a for a in acl.associations if a != association)
            rows.ACLS.put(call, replace(acl, associations=left))
            target = rows.ACLS.get(call, target.acl_id)
            tie = Association(new_id(call, "aclassoc"), association.subnet_id)
            rows.ACLS.put(call, replace(target, associations=(*target.associations, tie)))
            return {"NewAssociationId": tie.association_id}
    raise AwsError(
        "InvalidAssociationID.NotFound",
        f"The association ID '{request['AssociationId']}' does not exist",
    )
