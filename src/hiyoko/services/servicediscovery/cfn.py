"""CloudFormation's Cloud Map types, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ServiceDiscovery.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.template.resource_type import (
    Create,
    Handle,
    Made,
    NotStabilizedError,
    Progress,
    ResourceType,
    in_place,
    register,
    replaces,
)
from hiyoko.template.tagging import own_tags, tag_keys_to_drop, tags_to_write

Shown = dict[str, Any]

_SERVICE = (
    "Description",
    "DnsConfig",
    "HealthCheckConfig",
    "HealthCheckCustomConfig",
    "Name",
    "NamespaceId",
    "Type",
)


def _call(handle: Handle, operation: str, **request: Any) -> Shown:
    return handle.invoke("servicediscovery", operation, request)


def _tags(handle: Handle) -> Shown:
    return {"Tags": own_tags(handle)} if own_tags(handle) else {}


def _retag(handle: Handle, arn: str) -> None:
    if drop := tag_keys_to_drop(handle):
        _call(handle, "UntagResource", ResourceARN=arn, TagKeys=drop)
    if write := tags_to_write(handle):
        _call(handle, "TagResource", ResourceARN=arn, Tags=write)


def _operation(handle: Handle, operation_id: str) -> Shown:
    return dict(_call(handle, "GetOperation", OperationId=operation_id)["Operation"])


# Namespaces


def _create_namespace(kind: str, *properties: str) -> Create:
    def create(handle: Handle) -> Made:
        given = handle.given("Name", "Description", *properties)
        if "Properties" in given:
            given["Properties"] = _numbers(given["Properties"])
        answer = _call(
            handle,
            f"Create{kind}Namespace",
            CreatorRequestId=f"{handle.logical_id}-{handle.token}"[-64:],
            **given,
            **_tags(handle),
        )
        begun = _operation(handle, answer["OperationId"])
        return Made(begun["Targets"]["NAMESPACE"], {"Operation": answer["OperationId"]})

    return create


def _numbers(properties: Shown) -> Shown:
    ttl = properties.get("DnsProperties", {}).get("SOA", {}).get("TTL")
    return {"DnsProperties": {"SOA": {"TTL": int(ttl)}}} if ttl is not None else {}


def _update_namespace(kind: str) -> Any:
    def update(handle: Handle) -> None:
        namespace = _namespace(handle)
        change: Shown = {}
        if handle.changed("Description"):
            change["Description"] = handle.properties.get("Description", "")
        if handle.changed("Properties"):
            change["Properties"] = _numbers(handle.properties.get("Properties", {}))
        if change:
            _call(handle, f"Update{kind}Namespace", Id=handle.physical_id, Namespace=change)
        _retag(handle, namespace["Arn"])

    return update


def _namespace(handle: Handle) -> Shown:
    return dict(_call(handle, "GetNamespace", Id=handle.physical_id)["Namespace"])


def _namespace_stable(handle: Handle) -> Progress:
    operation = _operation(handle, handle.attributes["Operation"])
    if operation["Status"] == "FAIL":
        raise NotStabilizedError(f"{operation['ErrorCode']}: {operation['ErrorMessage']}")
    return Progress.DONE if operation["Status"] == "SUCCESS" else Progress.WAITING


def _read_namespace(handle: Handle) -> Shown:
    found = _namespace(handle)
    zone = found["Properties"].get("DnsProperties", {}).get("HostedZoneId")
    told = {"Arn": found["Arn"], "Id": found["Id"]}
    return told | ({"HostedZoneId": zone} if zone else {})


def _delete_namespace(handle: Handle) -> None:
    _call(handle, "DeleteNamespace", Id=handle.physical_id)


def _namespace_type(kind: str, updated: tuple[str, ...], *fixed: str) -> ResourceType:
    dns = frozenset({"HostedZoneId"}) if kind != "Http" else frozenset()
    return ResourceType(
        f"AWS::ServiceDiscovery::{kind}Namespace",
        {**in_place("Description", "Tags", *updated), **replaces("Name", *fixed)},
        _create_namespace(kind, *updated, *fixed),
        _delete_namespace,
        _update_namespace(kind),
        stable=_namespace_stable,
        read=_read_namespace,
        required=frozenset({"Name", *fixed}),
        attributes=frozenset({"Arn", "Id"}) | dns,
        tags=True,
        missing=frozenset({"NamespaceNotFound"}),
        busy=frozenset({"ResourceInUse"}),
    )


# Services


def _create_service(handle: Handle) -> Made:
    given = {"Name": handle.name(64), **handle.given(*_SERVICE)}
    given = _config_numbers(given)
    creator = f"{handle.logical_id}-{handle.token}"[-64:]
    answer = _call(handle, "CreateService", CreatorRequestId=creator, **given, **_tags(handle))
    made = answer["Service"]
    _set_attributes(handle, made["Id"])
    return Made(made["Id"], {"Arn": made["Arn"], "Id": made["Id"], "Name": made["Name"]})


def _config_numbers(given: Shown) -> Shown:
    """Templates may write numbers as text."""
    found = dict(given)
    if "DnsConfig" in found:
        records = [one | {"TTL": int(one["TTL"])} for one in found["DnsConfig"]["DnsRecords"]]
        found["DnsConfig"] = found["DnsConfig"] | {"DnsRecords": records}
    for member in ("HealthCheckConfig", "HealthCheckCustomConfig"):
        threshold = found.get(member, {}).get("FailureThreshold")
        if threshold is not None:
            found[member] = found[member] | {"FailureThreshold": int(threshold)}
    return found


def _set_attributes(handle: Handle, service_id: str) -> None:
    old = handle.old.get("ServiceAttributes", {})
    new = handle.properties.get("ServiceAttributes", {})
    if gone := [name for name in old if name not in new]:
        _call(handle, "DeleteServiceAttributes", ServiceId=service_id, Attributes=gone)
    if new and new != old:
        _call(handle, "UpdateServiceAttributes", ServiceId=service_id, Attributes=new)


def _update_service(handle: Handle) -> None:
    if handle.changed("Description", "DnsConfig", "HealthCheckConfig"):
        given = _config_numbers(handle.given("Description", "DnsConfig", "HealthCheckConfig"))
        change: Shown = {"Description": given.get("Description", "")}
        if "DnsConfig" in given:
            change["DnsConfig"] = {"DnsRecords": given["DnsConfig"]["DnsRecords"]}
        if "HealthCheckConfig" in given:
            change["HealthCheckConfig"] = given["HealthCheckConfig"]
        _call(handle, "UpdateService", Id=handle.physical_id, Service=change)
    _set_attributes(handle, handle.physical_id)
    _retag(handle, handle.attributes["Arn"])


def _delete_service(handle: Handle) -> None:
    _call(handle, "DeleteService", Id=handle.physical_id)


# Instances


def _register(handle: Handle) -> Made:
    instance = handle.properties.get("InstanceId") or handle.name(64)
    attributes = {
        name: str(value) for name, value in handle.properties["InstanceAttributes"].items()
    }
    service = handle.properties["ServiceId"]
    answer = _call(
        handle,
        "RegisterInstance",
        ServiceId=service,
        InstanceId=instance,
        Attributes=attributes,
    )
    return Made(instance, {"Operation": answer["OperationId"]})


def _register_again(handle: Handle) -> None:
    attributes = {
        name: str(value) for name, value in handle.properties["InstanceAttributes"].items()
    }
    where = {"ServiceId": handle.properties["ServiceId"], "InstanceId": handle.physical_id}
    _call(handle, "RegisterInstance", **where, Attributes=attributes)


def _deregister(handle: Handle) -> None:
    where = {"ServiceId": handle.properties["ServiceId"], "InstanceId": handle.physical_id}
    _call(handle, "DeregisterInstance", **where)


register(
    _namespace_type("PrivateDns", ("Properties",), "Vpc"),
    _namespace_type("PublicDns", ("Properties",)),
    _namespace_type("Http", ()),
    ResourceType(
        "AWS::ServiceDiscovery::Service",
        {
            **in_place(
                "Description", "DnsConfig", "HealthCheckConfig", "ServiceAttributes", "Tags"
            ),
            **replaces("HealthCheckCustomConfig", "Name", "NamespaceId", "Type"),
        },
        _create_service,
        _delete_service,
        _update_service,
        attributes=frozenset({"Arn", "Id", "Name"}),
        tags=True,
        missing=frozenset({"ServiceNotFound"}),
        busy=frozenset({"ResourceInUse"}),
    ),
    ResourceType(
        "AWS::ServiceDiscovery::Instance",
        {
            **in_place("InstanceAttributes"),
            **replaces("InstanceId", "ServiceId"),
        },
        _register,
        _deregister,
        _register_again,
        stable=_namespace_stable,
        required=frozenset({"InstanceAttributes", "ServiceId"}),
        missing=frozenset({"InstanceNotFound", "ServiceNotFound"}),
    ),
)
