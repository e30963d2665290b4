"""CloudFormation's Route 53 types, made by the operations that clients call.

A zone is deleted with the validation records that ACM's certificates left in it: nobody else can
remove them once the certificate is gone, and they name nothing.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Route53.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.template.resource_type import (
    Handle,
    Made,
    NotStabilizedError,
    Progress,
    ResourceType,
    in_place,
    register,
    replaces,
)

Shown = dict[str, Any]

_SIGNING_KEY = ("HostedZoneId", "KeyManagementServiceArn", "Name", "Status")
_ZONE_OF = ("HostedZoneId", "HostedZoneName")
_RECORD = (
    "Type",
    "TTL",
    "ResourceRecords",
    "AliasTarget",
    "SetIdentifier",
    "Weight",
    "Region",
    "GeoLocation",
    "GeoProximityLocation",
    "Failover",
    "MultiValueAnswer",
    "HealthCheckId",
    "CidrRoutingConfig",
)


def _call(handle: Handle, operation: str, **request: Any) -> Shown:
    return handle.invoke("route53", operation, request)


# Hosted zones


def _create_zone(handle: Handle) -> Made:
    vpcs = handle.properties.get("VPCs", [])
    config = dict(handle.properties.get("HostedZoneConfig", {}))
    request: Shown = {
        "Name": handle.properties["Name"],
        "CallerReference": f"{handle.stack_id}-{handle.logical_id}-{handle.token}",
    }
    if vpcs:
        request["VPC"] = vpcs[0]
        config["PrivateZone"] = True
    if config:
        request["HostedZoneConfig"] = config
    answer = _call(handle, "CreateHostedZone", **request)
    zone_id = str(answer["HostedZone"]["Id"]).removeprefix("/hostedzone/")
    for vpc in vpcs[1:]:
        _call(handle, "AssociateVPCWithHostedZone", HostedZoneId=zone_id, VPC=vpc)
    _retag(handle, "hostedzone", zone_id, "HostedZoneTags")
    _log_queries(handle, zone_id)
    return Made(zone_id, {"ChangeId": answer["ChangeInfo"]["Id"]})


def _retag(handle: Handle, kind: str, resource_id: str, member: str) -> None:
    old, new = handle.old.get(member, []), handle.properties.get(member, [])
    keys = {tag["Key"] for tag in new}
    request: Shown = {
        "AddTags": [tag for tag in new if tag not in old],
        "RemoveTagKeys": [tag["Key"] for tag in old if tag["Key"] not in keys],
    }
    request = {name: value for name, value in request.items() if value}
    if request:
        _call(
            handle,
            "ChangeTagsForResource",
            ResourceType=kind,
            ResourceId=resource_id,
            **request,
        )


def _update_zone(handle: Handle) -> None:
    zone_id = handle.physical_id
    if handle.changed("HostedZoneConfig"):
        comment = handle.properties.get("HostedZoneConfig", {}).get("Comment", "")
        _call(handle, "UpdateHostedZoneComment", Id=zone_id, Comment=comment)
    old, new = handle.old.get("VPCs", []), handle.properties.get("VPCs", [])
    for vpc in (vpc for vpc in new if vpc not in old):
        _call(handle, "AssociateVPCWithHostedZone", HostedZoneId=zone_id, VPC=vpc)
    for vpc in (vpc for vpc in old if vpc not in new):
        _call(handle, "DisassociateVPCFromHostedZone", HostedZoneId=zone_id, VPC=vpc)
    _retag(handle, "hostedzone", zone_id, "HostedZoneTags")
    if handle.changed("QueryLoggingConfig"):
        found = _call(handle, "ListQueryLoggingConfigs", HostedZoneId=zone_id)
        for config in found["QueryLoggingConfigs"]:
            _call(handle, "DeleteQueryLoggingConfig", Id=config["Id"])
        _log_queries(handle, zone_id)


def _log_queries(handle: Handle, zone_id: str) -> None:
    config = handle.properties.get("QueryLoggingConfig")
    if config:
        arn = str(config["CloudWatchLogsLogGroupArn"]).removesuffix(":*")
        _call(
            handle, "CreateQueryLoggingConfig", HostedZoneId=zone_id, CloudWatchLogsLogGroupArn=arn
        )


def _read_zone(handle: Handle) -> Shown:
    answer = _call(handle, "GetHostedZone", Id=handle.physical_id)
    servers = answer.get("DelegationSet", {}).get("NameServers", [])
    return {"Id": handle.physical_id, "NameServers": servers}


def _delete_zone(handle: Handle) -> None:
    zone_id = handle.physical_id
    found = _call(handle, "ListResourceRecordSets", HostedZoneId=zone_id)["ResourceRecordSets"]
    left = [
        {"Action": "DELETE", "ResourceRecordSet": record}
        for record in found
        if record["Type"] == "CNAME"
        and record["Name"].startswith("_")
        and all(".acm-validations." in r["Value"] for r in record.get("ResourceRecords", []))
    ]
    if left:
        _change(handle, zone_id, left)
    _call(handle, "DeleteHostedZone", Id=zone_id)


def _in_sync(handle: Handle) -> Progress:
    change = handle.attributes.get("ChangeId")
    if not change:
        return Progress.DONE
    identifier = str(change).removeprefix("/change/")
    status = _call(handle, "GetChange", Id=identifier)["ChangeInfo"]["Status"]
    return Progress.DONE if status == "INSYNC" else Progress.WAITING


# Record sets


def _zone_id(handle: Handle, properties: Mapping[str, Any]) -> str:
    if "HostedZoneId" in properties:
        return str(properties["HostedZoneId"])
    name = properties.get("HostedZoneName")
    if name is None:
        raise NotStabilizedError("One of HostedZoneId and HostedZoneName must be specified.")
    answer = _call(handle, "ListHostedZonesByName", DNSName=name)
    for zone in answer["HostedZones"]:
        if zone["Name"].rstrip(".") == str(name).rstrip("."):
            return str(zone["Id"]).removeprefix("/hostedzone/")
    raise NotStabilizedError(f"No hosted zones named {name} found")


def _record(properties: Mapping[str, Any]) -> Shown:
    record: Shown = {"Name": properties["Name"]}
    record |= {name: properties[name] for name in _RECORD if name in properties}
    if "ResourceRecords" in record:
        record["ResourceRecords"] = [{"Value": value} for value in record["ResourceRecords"]]
    if "AliasTarget" in record:
        record["AliasTarget"] = {"EvaluateTargetHealth": False, **record["AliasTarget"]}
    if "MultiValueAnswer" in record:
        record["MultiValueAnswer"] = str(record["MultiValueAnswer"]).lower() == "true"
    return record


def _key(properties: Mapping[str, Any]) -> tuple[str, str, str]:
    name = str(properties["Name"]).rstrip(".").lower()
    return name, str(properties["Type"]), str(properties.get("SetIdentifier", ""))


def _change(handle: Handle, zone_id: str, changes: list[Shown], comment: str = "") -> str:
    batch: Shown = {"Changes": changes, **({"Comment": comment} if comment else {})}
    answer = _call(handle, "ChangeResourceRecordSets", HostedZoneId=zone_id, ChangeBatch=batch)
    return str(answer["ChangeInfo"]["Id"])


def _create_record(handle: Handle) -> Made:
    zone_id = _zone_id(handle, handle.properties)
    change = {"Action": "CREATE", "ResourceRecordSet": _record(handle.properties)}
    change_id = _change(handle, zone_id, [change], handle.properties.get("Comment", ""))
    return Made(str(handle.properties["Name"]).rstrip("."), {"ChangeId": change_id})


def _update_record(handle: Handle) -> None:
    zone_id = _zone_id(handle, handle.properties)
    changes = [{"Action": "UPSERT", "ResourceRecordSet": _record(handle.properties)}]
    if _key(handle.old) != _key(handle.properties):
        changes.insert(0, {"Action": "DELETE", "ResourceRecordSet": _record(handle.old)})
    _change(handle, zone_id, changes)


def _delete_record(handle: Handle) -> None:
    zone_id = _zone_id(handle, handle.properties)
    change = {"Action": "DELETE", "ResourceRecordSet": _record(handle.properties)}
    _change(handle, zone_id, [change])


def _members(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(properties.get("RecordSets", []))


def _create_records(handle: Handle) -> Made:
    changes = [
        {"Action": "CREATE", "ResourceRecordSet": _record(item)}
        for item in _members(handle.properties)
    ]
    zone_id = _zone_id(handle, handle.properties)
    change_id = _change(handle, zone_id, changes, handle.properties.get("Comment", ""))
    return Made(handle.name(), {"ChangeId": change_id})


def _update_records(handle: Handle) -> None:
    kept = {_key(item) for item in _members(handle.properties)}
    changes = [
        {"Action": "DELETE", "ResourceRecordSet": _record(item)}
        for item in _members(handle.old)
        if _key(item) not in kept
    ]
    changes += [
        {"Action": "UPSERT", "ResourceRecordSet": _record(item)}
        for item in _members(handle.properties)
    ]
    _change(handle, _zone_id(handle, handle.properties), changes)


def _delete_records(handle: Handle) -> None:
    changes = [
        {"Action": "DELETE", "ResourceRecordSet": _record(item)}
        for item in _members(handle.properties)
    ]
    _change(handle, _zone_id(handle, handle.properties), changes)


# DNSSEC


def _create_signing_key(handle: Handle) -> Made:
    properties = handle.properties
    answer = _call(
        handle,
        "CreateKeySigningKey",
        CallerReference=handle.name(128),
        **{name: properties[name] for name in _SIGNING_KEY},
    )
    made = f"{properties['HostedZoneId']}|{properties['Name']}"
    return Made(made, {"ChangeId": answer["ChangeInfo"]["Id"]})


def _signing_key(handle: Handle) -> Shown:
    zone_id, _, name = handle.physical_id.partition("|")
    return {"HostedZoneId": zone_id, "Name": name}


def _update_signing_key(handle: Handle) -> None:
    active = handle.properties["Status"] == "ACTIVE"
    operation = "ActivateKeySigningKey" if active else "DeactivateKeySigningKey"
    _call(handle, operation, **_signing_key(handle))


def _delete_signing_key(handle: Handle) -> None:
    _call(handle, "DeactivateKeySigningKey", **_signing_key(handle))
    _call(handle, "DeleteKeySigningKey", **_signing_key(handle))


def _enable_dnssec(handle: Handle) -> Made:
    zone_id = str(handle.properties["HostedZoneId"])
    answer = _call(handle, "EnableHostedZoneDNSSEC", HostedZoneId=zone_id)
    return Made(zone_id, {"ChangeId": answer["ChangeInfo"]["Id"]})


def _disable_dnssec(handle: Handle) -> None:
    _call(handle, "DisableHostedZoneDNSSEC", HostedZoneId=handle.physical_id)


# Health checks

_CHECK_FLAGS = ("EnableSNI", "Inverted", "Disabled", "MeasureLatency")
_CHECK_RESET = ("FullyQualifiedDomainName", "Regions", "ResourcePath", "ChildHealthChecks")
_CHECK_FIXED = ("Type", "RequestInterval", "MeasureLatency")


def _check_config(properties: Mapping[str, Any]) -> Shown:
    """The settings; a template may give flags and numbers as text."""
    config = dict(properties["HealthCheckConfig"])
    config |= {name: str(config[name]).lower() == "true" for name in _CHECK_FLAGS if name in config}
    return config


def _create_check(handle: Handle) -> Made:
    answer = _call(
        handle,
        "CreateHealthCheck",
        CallerReference=handle.name(64),
        HealthCheckConfig=_check_config(handle.properties),
    )
    check_id = str(answer["HealthCheck"]["Id"])
    _retag(handle, "healthcheck", check_id, "HealthCheckTags")
    return Made(check_id, {})


def _update_check(handle: Handle) -> None:
    if handle.changed("HealthCheckConfig"):
        old, new = _check_config(handle.old), _check_config(handle.properties)
        for name in _CHECK_FIXED:
            if old.get(name) != new.get(name):
                raise NotStabilizedError(f"{name} of a health check can't be changed.")
        changed = {name: value for name, value in new.items() if name not in _CHECK_FIXED}
        gone = [name for name in _CHECK_RESET if name in old and name not in new]
        if gone:
            changed["ResetElements"] = gone
        _call(handle, "UpdateHealthCheck", HealthCheckId=handle.physical_id, **changed)
    _retag(handle, "healthcheck", handle.physical_id, "HealthCheckTags")


def _delete_check(handle: Handle) -> None:
    _call(handle, "DeleteHealthCheck", HealthCheckId=handle.physical_id)


# CIDR collections


def _create_collection(handle: Handle) -> Made:
    made = _call(
        handle,
        "CreateCidrCollection",
        Name=handle.properties["Name"],
        CallerReference=handle.name(64),
    )["Collection"]
    _put_locations(handle, made["Id"], {}, _locations(handle.properties))
    return Made(made["Id"], {"Arn": made["Arn"], "Id": made["Id"]})


def _locations(properties: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        str(item["LocationName"]): list(item["CidrList"])
        for item in properties.get("Locations", [])
    }


def _put_locations(
    handle: Handle, collection_id: str, old: dict[str, list[str]], new: dict[str, list[str]]
) -> None:
    def change(action: str, name: str, blocks: list[str]) -> Shown:
        return {"LocationName": name, "Action": action, "CidrList": blocks}

    changes = [
        change("DELETE_IF_EXISTS", name, gone)
        for name, blocks in old.items()
        if (gone := [block for block in blocks if block not in new.get(name, [])])
    ]
    changes += [change("PUT", name, blocks) for name, blocks in new.items() if blocks]
    if changes:
        _call(handle, "ChangeCidrCollection", Id=collection_id, Changes=changes)


def _update_collection(handle: Handle) -> None:
    _put_locations(
        handle, handle.physical_id, _locations(handle.old), _locations(handle.properties)
    )


def _delete_collection(handle: Handle) -> None:
    _put_locations(handle, handle.physical_id, _locations(handle.properties), {})
    _call(handle, "DeleteCidrCollection", Id=handle.physical_id)


register(
    ResourceType(
        "AWS::Route53::CidrCollection",
        {**in_place("Locations"), **replaces("Name")},
        _create_collection,
        _delete_collection,
        _update_collection,
        required=frozenset({"Name"}),
        attributes=frozenset({"Arn", "Id"}),
        missing=frozenset({"NoSuchCidrCollectionException"}),
    ),
    ResourceType(
        "AWS::Route53::HealthCheck",
        in_place("HealthCheckConfig", "HealthCheckTags"),
        _create_check,
        _delete_check,
        _update_check,
        read=lambda handle: {"HealthCheckId": handle.physical_id},
        required=frozenset({"HealthCheckConfig"}),
        attributes=frozenset({"HealthCheckId"}),
        missing=frozenset({"NoSuchHealthCheck"}),
    ),
    ResourceType(
        "AWS::Route53::KeySigningKey",
        {**in_place("Status"), **replaces("HostedZoneId", "KeyManagementServiceArn", "Name")},
        _create_signing_key,
        _delete_signing_key,
        _update_signing_key,
        stable=_in_sync,
        required=frozenset(_SIGNING_KEY),
        missing=frozenset({"NoSuchKeySigningKey", "NoSuchHostedZone"}),
    ),
    ResourceType(
        "AWS::Route53::DNSSEC",
        replaces("HostedZoneId"),
        _enable_dnssec,
        _disable_dnssec,
        stable=_in_sync,
        required=frozenset({"HostedZoneId"}),
        missing=frozenset({"DNSSECNotFound", "NoSuchHostedZone"}),
    ),
    ResourceType(
        "AWS::Route53::HostedZone",
        {
            **in_place("HostedZoneConfig", "HostedZoneTags", "QueryLoggingConfig", "VPCs"),
            **replaces("Name"),
        },
        _create_zone,
        _delete_zone,
        _update_zone,
        stable=_in_sync,
        read=_read_zone,
        required=frozenset({"Name"}),
        attributes=frozenset({"Id", "NameServers"}),
    ),
    ResourceType(
        "AWS::Route53::RecordSet",
        {**in_place(*_RECORD, "Comment"), **replaces("Name", *_ZONE_OF)},
        _create_record,
        _delete_record,
        _update_record,
        stable=_in_sync,
        required=frozenset({"Name", "Type"}),
        # A record that someone else deleted or changed does not hold a stack back.
        missing=frozenset({"InvalidChangeBatch"}),
    ),
    ResourceType(
        "AWS::Route53::RecordSetGroup",
        {**in_place("RecordSets", "Comment"), **replaces(*_ZONE_OF)},
        _create_records,
        _delete_records,
        _update_records,
        stable=_in_sync,
        read=lambda handle: {"Id": handle.physical_id},
        attributes=frozenset({"Id"}),
        missing=frozenset({"InvalidChangeBatch"}),
    ),
)
