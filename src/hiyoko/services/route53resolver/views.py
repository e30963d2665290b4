"""Models as Route 53 Resolver shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hiyoko.services.route53resolver.model import (
    RECURSIVE,
    EndpointAddress,
    QueryLogAssociation,
    QueryLogConfig,
    ResolverEndpoint,
    ResolverRule,
    RuleAssociation,
    Switch,
)

Shown = dict[str, Any]

INTERNET_RULE = "rslvr-autodefined-rr-internet-resolver"
_ENDPOINT_MESSAGES = {
    "CREATING": "Creating the Resolver Endpoint",
    "OPERATIONAL": "This Resolver Endpoint is operational.",
    "UPDATING": "Updating the Resolver Endpoint",
    "DELETING": "Deleting the Resolver Endpoint",
}
_ADDRESS_MESSAGES = {
    "CREATING": "This IP address is being created.",
    "ATTACHING": "This IP address is being attached.",
    "ATTACHED": "This IP address is operational.",
    "DETACHING": "This IP address is being detached.",
}


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _named(name: str) -> Shown:
    return {"Name": name} if name else {}


def endpoint(one: ResolverEndpoint, status: str) -> Shown:
    """A ResolverEndpoint."""
    return {
        "Id": one.endpoint_id,
        "CreatorRequestId": one.creator,
        "Arn": one.arn,
        **_named(one.name),
        "SecurityGroupIds": list(one.groups),
        "Direction": one.direction,
        "IpAddressCount": len([each for each in one.addresses if not each.leaving]),
        "HostVPCId": one.vpc_id,
        "Status": status,
        "StatusMessage": _ENDPOINT_MESSAGES[status],
        "CreationTime": _time(one.created_at),
        "ModificationTime": _time(one.modified_at),
        "ResolverEndpointType": "IPV4",
        "Protocols": ["Do53"],
    }


def address(one: EndpointAddress, status: str) -> Shown:
    """An IpAddressResponse."""
    return {
        "IpId": one.ip_id,
        "SubnetId": one.subnet_id,
        "Ip": one.ip,
        "Status": status,
        "StatusMessage": _ADDRESS_MESSAGES[status],
        "CreationTime": _time(one.created_at),
        "ModificationTime": _time(one.created_at),
    }


def rule(one: ResolverRule, status: str) -> Shown:
    """A ResolverRule."""
    shown: Shown = {
        "Id": one.rule_id,
        "CreatorRequestId": one.creator,
        "Arn": one.arn,
        "DomainName": one.domain,
        "Status": status,
        "StatusMessage": "",
        "RuleType": one.type,
        **_named(one.name),
        "OwnerId": one.account,
        "ShareStatus": "NOT_SHARED",
        "CreationTime": _time(one.created_at),
        "ModificationTime": _time(one.modified_at),
    }
    if one.targets:
        shown["TargetIps"] = [
            {"Ip": each.ip, "Port": each.port, "Protocol": "Do53"} for each in one.targets
        ]
        shown["ResolverEndpointId"] = one.endpoint_id
    return shown


def internet_rule(region: str) -> Shown:
    """The rule that every VPC has from the beginning: what nothing else is for, the internet is."""
    return {
        "Id": INTERNET_RULE,
        "CreatorRequestId": "",
        "Arn": f"arn:aws:route53resolver:{region}::autodefined-rule/{INTERNET_RULE}",
        "DomainName": ".",
        "Status": "COMPLETE",
        "RuleType": RECURSIVE,
        "Name": "Internet Resolver",
        "OwnerId": "Route 53 Resolver",
        "ShareStatus": "NOT_SHARED",
    }


def association(one: RuleAssociation, status: str) -> Shown:
    """A ResolverRuleAssociation."""
    return {
        "Id": one.association_id,
        "ResolverRuleId": one.rule_id,
        **_named(one.name),
        "VPCId": one.vpc_id,
        "Status": status,
        "StatusMessage": "",
    }


def internet_association(vpc_id: str) -> Shown:
    """The association of a VPC with the rule that every VPC has."""
    return {
        "Id": f"rslvr-autodefined-assoc-{vpc_id}-internet-resolver",
        "ResolverRuleId": INTERNET_RULE,
        "Name": "System Rule Association",
        "VPCId": vpc_id,
        "Status": "COMPLETE",
        "StatusMessage": "",
    }


def switch(one: Switch, member: str, served: int) -> Shown:
    """A ResolverDnssecConfig or a ResolverConfig: ``member`` has its status."""
    return {
        "Id": one.config_id,
        "OwnerId": one.account,
        "ResourceId": one.vpc_id,
        member: one.status(served),
    }


def query_log_config(one: QueryLogConfig, associations: int) -> Shown:
    """A ResolverQueryLogConfig."""
    return {
        "Id": one.config_id,
        "OwnerId": one.account,
        "Status": "CREATED",
        "ShareStatus": "NOT_SHARED",
        "AssociationCount": associations,
        "Arn": one.arn,
        "Name": one.name,
        "DestinationArn": one.destination,
        "CreatorRequestId": one.creator,
        "CreationTime": _time(one.created_at),
    }


def query_log_association(one: QueryLogAssociation, status: str, error: str) -> Shown:
    """A ResolverQueryLogConfigAssociation."""
    return {
        "Id": one.association_id,
        "ResolverQueryLogConfigId": one.config_id,
        "ResourceId": one.vpc_id,
        "Status": status,
        "Error": error,
        "ErrorMessage": "",
        "CreationTime": _time(one.created_at),
    }
