"""Models as Route 53 shows them."""

from __future__ import annotations

from typing import Any

from hiyoko.services.cloudwatch.model import Alarm
from hiyoko.services.route53.model import (
    Change,
    DelegationSet,
    HealthCheck,
    HealthCheckConfig,
    HostedZone,
    RecordSet,
    ZoneVpc,
    server_name,
)


def hosted_zone(zone: HostedZone, record_count: int) -> dict[str, Any]:
    """A HostedZone."""
    config: dict[str, Any] = {"PrivateZone": zone.private}
    if zone.comment:
        config["Comment"] = zone.comment
    shown: dict[str, Any] = {
        "Id": f"/hostedzone/{zone.zone_id}",
        "Name": zone.name,
        "CallerReference": zone.caller_reference,
        "Config": config,
        "ResourceRecordSetCount": record_count,
    }
    if zone.linked:
        principal = "servicediscovery.amazonaws.com"
        shown["LinkedService"] = {"ServicePrincipal": principal, "Description": zone.linked}
    return shown


def delegation_set(zone: HostedZone) -> dict[str, Any]:
    """A DelegationSet: the names without their final dot."""
    return _reusable_of(zone) | {"NameServers": [name.rstrip(".") for name in zone.name_servers]}


def _reusable_of(zone: HostedZone) -> dict[str, Any]:
    return {"Id": f"/delegationset/{zone.delegation_set}"} if zone.delegation_set else {}


def reusable_set(found: DelegationSet) -> dict[str, Any]:
    """A reusable DelegationSet."""
    return {
        "Id": f"/delegationset/{found.set_id}",
        "CallerReference": found.caller_reference,
        "NameServers": [server_name(number).rstrip(".") for number in found.servers],
    }


def vpc(member: ZoneVpc) -> dict[str, str]:
    """A VPC."""
    return {"VPCRegion": member.region, "VPCId": member.vpc_id}


def change_info(change: Change, *, in_sync: bool) -> dict[str, Any]:
    """A ChangeInfo."""
    info: dict[str, Any] = {
        "Id": f"/change/{change.change_id}",
        "Status": "INSYNC" if in_sync else "PENDING",
        "SubmittedAt": change.submitted_at,
    }
    if change.comment:
        info["Comment"] = change.comment
    return info


def record_set(record: RecordSet) -> dict[str, Any]:
    """A ResourceRecordSet."""
    shown: dict[str, Any] = {"Name": record.name, "Type": record.type, **_routing(record)}
    if record.alias is not None:
        shown["AliasTarget"] = {
            "HostedZoneId": record.alias.zone_id,
            "DNSName": record.alias.dns_name,
            "EvaluateTargetHealth": record.alias.evaluate_health,
        }
    else:
        shown["TTL"] = record.ttl_s
        shown["ResourceRecords"] = [{"Value": value} for value in record.values]
    return shown


def _routing(record: RecordSet) -> dict[str, Any]:
    """The members of a set that is one of several."""
    geo = record.geo
    location = geo and {
        "ContinentCode": geo.continent,
        "CountryCode": geo.country,
        "SubdivisionCode": geo.subdivision,
    }
    members = {
        "SetIdentifier": record.set_id or None,
        "Weight": record.weight,
        "Region": record.latency_region,
        "GeoLocation": location and {k: v for k, v in location.items() if v is not None},
        "GeoProximityLocation": _proximity(record),
        "Failover": record.failover,
        "MultiValueAnswer": True if record.multivalue else None,
        "HealthCheckId": record.health_check_id,
        "CidrRoutingConfig": record.cidr
        and {"CollectionId": record.cidr.collection_id, "LocationName": record.cidr.location},
    }
    return {name: value for name, value in members.items() if value is not None}


def _proximity(record: RecordSet) -> dict[str, Any] | None:
    found = record.proximity
    if found is None:
        return None
    shown: dict[str, Any] = {"Bias": found.bias}
    if found.region:
        return shown | {"AWSRegion": found.region}
    return shown | {"Coordinates": {"Latitude": found.latitude, "Longitude": found.longitude}}


def health_check(check: HealthCheck) -> dict[str, Any]:
    """A HealthCheck."""
    shown = {
        "Id": check.check_id,
        "CallerReference": check.caller_reference,
        "HealthCheckConfig": _check_config(check.config),
        "HealthCheckVersion": check.version,
    }
    if check.followed is not None:
        shown["CloudWatchAlarmConfiguration"] = _alarm_configuration(check.followed)
    return shown


def _alarm_configuration(alarm: Alarm) -> dict[str, Any]:
    return {
        "EvaluationPeriods": alarm.evaluation_periods,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison,
        "Period": alarm.period_s,
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "Statistic": alarm.statistic,
        "Dimensions": [{"Name": name, "Value": value} for name, value in alarm.dimensions],
    }


def _check_config(config: HealthCheckConfig) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Type": config.type,
        "IPAddress": config.address,
        "Port": config.port,
        "ResourcePath": config.path,
        "FullyQualifiedDomainName": config.domain,
        "SearchString": config.search,
        "Inverted": config.inverted,
        "Disabled": config.disabled,
    }
    if config.type == "CALCULATED":
        shown["HealthThreshold"] = config.health_threshold
        shown["ChildHealthChecks"] = list(config.children)
    elif config.alarm is not None:
        shown["AlarmIdentifier"] = {"Region": config.alarm.region, "Name": config.alarm.name}
        shown["InsufficientDataHealthStatus"] = config.insufficient_data
    else:
        shown["RequestInterval"] = config.interval_s
        shown["FailureThreshold"] = config.failure_threshold
        shown["MeasureLatency"] = config.measure_latency
        shown["EnableSNI"] = config.sni
        shown["Regions"] = list(config.regions) or None
    return {name: value for name, value in shown.items() if value is not None}


def tags(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """A TagList."""
    return [{"Key": key, "Value": value} for key, value in pairs]
