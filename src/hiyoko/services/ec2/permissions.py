"""Permissions in both directions: request to rules, rules to answer.

A permission is AWS's bundle of one protocol and port range with many peers; a rule is one peer.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hiyoko.api import AwsError, Call, Request, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.cidr import read_cidr
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.model import (
    ALL_PROTOCOLS,
    PROTOCOL_NUMBERS,
    SecurityGroup,
    SecurityGroupRule,
)

Permission = Mapping[str, Any]
PORT_MAX = 65535


def read_protocol(text: str) -> str:
    """``tcp`` for tcp and 6, other numbers as they are, ``-1`` for all."""
    text = text.lower()
    if text in (ALL_PROTOCOLS, "all"):
        return ALL_PROTOCOLS
    if text in PROTOCOL_NUMBERS:
        return text
    if text.isdecimal() and int(text) <= 255:
        names = {number: name for name, number in PROTOCOL_NUMBERS.items()}
        return names.get(int(text), str(int(text)))
    raise AwsError("InvalidPermission.Malformed", f'Unsupported IP protocol "{text}" ')


def read_ports(protocol: str, low: int | None, high: int | None) -> tuple[int, int]:
    """The ports, or ICMP type and code; -1 where they do not count."""
    match protocol:
        case "tcp" | "udp":
            if low is None or high is None:
                raise errors.bad_value(f"Must specify both from and to ports with {protocol}.")
            if not (0 <= low <= high <= PORT_MAX):
                raise errors.bad_value(f"Invalid TCP/UDP port range ({low}:{high})")
            return low, high
        case "icmp":
            kind, code = (-1 if low is None else low), (-1 if high is None else high)
            if not (-1 <= kind <= 255 and -1 <= code <= 255):
                raise errors.bad_value(f"ICMP code ({code}) out of range")
            return kind, -1 if kind == -1 else code
        case "icmpv6":
            raise unsupported("IpProtocol", protocol)
        case _:
            return -1, -1


def read_peer_group(call: Call, group: SecurityGroup, pair: Mapping[str, Any]) -> str:
    """The id of the group that a rule names; it must be of the same VPC."""
    if pair.get("VpcPeeringConnectionId"):
        raise unsupported("VpcPeeringConnectionId")
    if pair.get("UserId") not in (None, "", call.account):
        raise unsupported("UserId", pair["UserId"])
    if pair.get("GroupId"):
        peer = rows.get_group(call, pair["GroupId"])
    else:
        peer = find_by_name(call, group.vpc_id, pair.get("GroupName") or "")
    if peer.vpc_id != group.vpc_id:
        raise AwsError(
            "InvalidGroup.NotFound",
            "You have specified two resources that belong to different networks.",
        )
    return peer.group_id


def find_by_name(call: Call, vpc_id: str, name: str) -> SecurityGroup:
    """The VPC's group of this name. Raises InvalidGroup.NotFound."""
    for group in rows.GROUPS.list(call, vpc_id=vpc_id):
        if group.name == name:
            return group
    raise AwsError(
        "InvalidGroup.NotFound",
        f"The security group '{name}' does not exist in VPC '{vpc_id}'",
    )


def requested_permissions(request: Request) -> list[Permission]:
    """``IpPermissions``, or the older members that spell one permission."""
    permissions: list[Permission] = list(request.get("IpPermissions") or ())
    if permissions:
        return permissions
    if not request.get("IpProtocol"):
        raise errors.missing("ipPermissions")
    permission: dict[str, Any] = {
        name: request[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in request
    }
    if request.get("CidrIp"):
        permission["IpRanges"] = [{"CidrIp": request["CidrIp"]}]
    if request.get("SourceSecurityGroupName"):
        pair = {
            "GroupName": request["SourceSecurityGroupName"],
            "UserId": request.get("SourceSecurityGroupOwnerId"),
        }
        permission["UserIdGroupPairs"] = [pair]
    return [permission]


def read_rules(
    call: Call, group: SecurityGroup, permissions: Iterable[Permission], *, egress: bool
) -> Iterator[SecurityGroupRule]:
    """One rule for each peer of each permission, with ids of their own."""
    for permission in permissions:
        if permission.get("Ipv6Ranges"):
            raise unsupported("Ipv6Ranges")
        protocol = read_protocol(permission.get("IpProtocol") or "")
        low, high = read_ports(protocol, permission.get("FromPort"), permission.get("ToPort"))
        peers = list(_peers(call, group, permission))
        if not peers:
            raise errors.missing("ipRanges")
        for peer in peers:
            yield SecurityGroupRule(
                account=call.account,
                region=call.region,
                rule_id=new_id(call, "sgr"),
                group_id=group.group_id,
                egress=egress,
                protocol=protocol,
                from_port=low,
                to_port=high,
                cidr=peer.cidr,
                peer_group=peer.group,
                prefix_list=peer.prefix_list,
                description=peer.description,
            )


@dataclass(frozen=True, slots=True)
class _Peer:
    """One of the three is set."""

    description: str
    cidr: str = ""
    group: str = ""
    prefix_list: str = ""


def _peers(call: Call, group: SecurityGroup, permission: Permission) -> Iterator[_Peer]:
    for item in permission.get("IpRanges") or ():
        network = read_cidr(item.get("CidrIp") or "", "cidrIp")
        yield _Peer(item.get("Description") or "", cidr=str(network))
    for pair in permission.get("UserIdGroupPairs") or ():
        yield _Peer(pair.get("Description") or "", group=read_peer_group(call, group, pair))
    for item in permission.get("PrefixListIds") or ():
        found = rows.get_prefix_list(call, item.get("PrefixListId") or "")
        yield _Peer(item.get("Description") or "", prefix_list=found.prefix_list_id)


def permission_views(rules: Iterable[SecurityGroupRule]) -> list[dict[str, Any]]:
    """Rules of equal protocol and ports in one permission, as describe shows them."""
    views: dict[tuple[str, int, int], dict[str, Any]] = {}
    for rule in rules:
        key = (rule.protocol, rule.from_port, rule.to_port)
        view = views.setdefault(key, _empty_view(rule))
        described = {"Description": rule.description} if rule.description else {}
        if rule.cidr:
            view["IpRanges"].append({"CidrIp": rule.cidr, **described})
        elif rule.prefix_list:
            view["PrefixListIds"].append({"PrefixListId": rule.prefix_list, **described})
        else:
            pair = {"GroupId": rule.peer_group, "UserId": rule.account, **described}
            view["UserIdGroupPairs"].append(pair)
    return list(views.values())


def _empty_view(rule: SecurityGroupRule) -> dict[str, Any]:
    view: dict[str, Any] = {
        "IpProtocol": rule.protocol,
        "IpRanges": [],
        "Ipv6Ranges": [],
        "UserIdGroupPairs": [],
        "PrefixListIds": [],
    }
    if rule.protocol in PROTOCOL_NUMBERS:
        view |= {"FromPort": rule.from_port, "ToPort": rule.to_port}
    return view


def rule_view(rule: SecurityGroupRule) -> dict[str, Any]:
    """One rule, as DescribeSecurityGroupRules shows it."""
    view: dict[str, Any] = {
        "SecurityGroupRuleId": rule.rule_id,
        "SecurityGroupRuleArn": (
            f"arn:aws:ec2:{rule.region}:{rule.account}:security-group-rule/{rule.rule_id}"
        ),
        "GroupId": rule.group_id,
        "GroupOwnerId": rule.account,
        "IsEgress": rule.egress,
        "IpProtocol": rule.protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
        "Tags": [{"Key": key, "Value": value} for key, value in rule.tags],
    }
    if rule.cidr:
        view["CidrIpv4"] = rule.cidr
    elif rule.prefix_list:
        view["PrefixListId"] = rule.prefix_list
    else:
        view["ReferencedGroupInfo"] = {"GroupId": rule.peer_group, "UserId": rule.account}
    if rule.description:
        view["Description"] = rule.description
    return view


def rule_in_words(rule: SecurityGroupRule) -> str:
    """The rule as AWS's error texts write it."""
    peer = rule.cidr or rule.peer_group or rule.prefix_list
    if rule.protocol == ALL_PROTOCOLS:
        return f"peer: {peer}, ALL, ALLOW"
    if rule.protocol in ("tcp", "udp"):
        ports = f"from port: {rule.from_port}, to port: {rule.to_port}"
    elif rule.protocol == "icmp":
        ports = f"type: {rule.from_port}, code: {rule.to_port}"
    else:
        return f"peer: {peer}, {rule.protocol}, ALLOW"
    return f"peer: {peer}, {rule.protocol.upper()}, {ports}, ALLOW"
