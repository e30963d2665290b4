"""CloudFormation's types of Route 53 Resolver's query logging."""

from __future__ import annotations

from typing import Any

from hiyoko.template.resource_type import (
    Handle,
    Made,
    Progress,
    ResourceType,
    register,
    replaces,
)

Shown = dict[str, Any]

_NOT_FOUND = frozenset({"ResourceNotFoundException"})
_CONFIG = frozenset(
    {
        "Arn",
        "AssociationCount",
        "CreationTime",
        "CreatorRequestId",
        "Id",
        "OwnerId",
        "ShareStatus",
        "Status",
    }
)
_ASSOCIATION = frozenset({"CreationTime", "Error", "ErrorMessage", "Id", "Status"})


def _call(handle: Handle, operation: str, **request: Any) -> Shown:
    return handle.invoke("route53resolver", operation, request)


def _create(handle: Handle) -> Made:
    answer = _call(
        handle,
        "CreateResolverQueryLogConfig",
        Name=handle.properties.get("Name") or handle.name(64),
        DestinationArn=handle.properties["DestinationArn"],
        CreatorRequestId=f"{handle.logical_id}-{handle.token}"[-255:],
    )
    return Made(answer["ResolverQueryLogConfig"]["Id"])


def _read(handle: Handle) -> Shown:
    where = {"ResolverQueryLogConfigId": handle.physical_id}
    found = _call(handle, "GetResolverQueryLogConfig", **where)["ResolverQueryLogConfig"]
    return {name: found[name] for name in _CONFIG}


def _delete(handle: Handle) -> None:
    where = {"ResolverQueryLogConfigId": handle.physical_id}
    _call(handle, "DeleteResolverQueryLogConfig", **where)


def _pair(handle: Handle) -> Shown:
    return handle.given("ResolverQueryLogConfigId", "ResourceId")


def _associate(handle: Handle) -> Made:
    answer = _call(handle, "AssociateResolverQueryLogConfig", **_pair(handle))
    return Made(answer["ResolverQueryLogConfigAssociation"]["Id"])


def _association(handle: Handle) -> Shown:
    where = {"ResolverQueryLogConfigAssociationId": handle.physical_id}
    answer = _call(handle, "GetResolverQueryLogConfigAssociation", **where)
    return dict(answer["ResolverQueryLogConfigAssociation"])


def _stable(handle: Handle) -> Progress:
    return Progress.WAITING if _association(handle)["Status"] == "CREATING" else Progress.DONE


def _read_association(handle: Handle) -> Shown:
    found = _association(handle)
    return {name: found[name] for name in _ASSOCIATION}


def _disassociate(handle: Handle) -> None:
    _call(handle, "DisassociateResolverQueryLogConfig", **_pair(handle))


register(
    ResourceType(
        "AWS::Route53Resolver::ResolverQueryLoggingConfig",
        replaces("DestinationArn", "Name"),
        _create,
        _delete,
        read=_read,
        required=frozenset({"DestinationArn"}),
        attributes=_CONFIG,
        missing=_NOT_FOUND,
    ),
    ResourceType(
        "AWS::Route53Resolver::ResolverQueryLoggingConfigAssociation",
        replaces("ResolverQueryLogConfigId", "ResourceId"),
        _associate,
        _disassociate,
        stable=_stable,
        read=_read_association,
        required=frozenset({"ResolverQueryLogConfigId", "ResourceId"}),
        attributes=_ASSOCIATION,
        missing=_NOT_FOUND,
    ),
)
