"""Traffic policies, their versions, and the instances that answer by them.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/traffic-flow.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.route53 import errors, names, rows
from hiyoko.services.route53.model import GLOBAL, TrafficPolicy, TrafficPolicyInstance
from hiyoko.services.route53.pages import page_size
from hiyoko.services.route53.seen import SERVED_SEEN
from hiyoko.services.route53.traffic_documents import parse_document

POLICIES_MAX, VERSIONS_MAX, INSTANCES_MAX = 50, 1000, 5
_ROOT = "https://route53.amazonaws.com/2013-04-01/"


@operation("CreateTrafficPolicy")
def create_traffic_policy(call: Call, request: Request) -> Response:
    """The first version of a policy."""
    newest = _newest(call)
    if any(policy.name == request["Name"] for policy in newest):
        raise errors.traffic_policy_exists(request["Name"])
    if len(newest) >= POLICIES_MAX:
        raise errors.too_many("TrafficPolicies", POLICIES_MAX)
    kind, start = parse_document(request["Document"])
    policy = TrafficPolicy(
        account=call.account,
        region=GLOBAL,
        policy_id=call.ids.uuid(),
        version=1,
        name=request["Name"],
        type=kind,
        document=request["Document"],
        start=start,
        comment=request.get("Comment"),
    )
    rows.TRAFFIC_POLICIES.insert(call.tx, policy)
    return _created(policy)


@operation("CreateTrafficPolicyVersion")
def create_traffic_policy_version(call: Call, request: Request) -> Response:
    """A further version; instances stay with the version that they were given."""
    versions = _versions(call, request["Id"])
    if len(versions) >= VERSIONS_MAX:
        raise errors.too_many("TrafficPolicyVersionsForCurrentPolicy", VERSIONS_MAX)
    kind, start = parse_document(request["Document"])
    policy = replace(
        versions[-1],
        version=versions[-1].version + 1,
        type=kind,
        document=request["Document"],
        start=start,
        comment=request.get("Comment"),
    )
    rows.TRAFFIC_POLICIES.insert(call.tx, policy)
    return _created(policy)


def _created(policy: TrafficPolicy) -> Response:
    location = f"{_ROOT}trafficpolicy/{policy.policy_id}/{policy.version}"
    return {"TrafficPolicy": _policy(policy), "Location": location}


@operation("GetTrafficPolicy")
def get_traffic_policy(call: Call, request: Request) -> Response:
    """One version."""
    found = rows.get_policy(call.tx, call.account, request["Id"], int(request["Version"]))
    return {"TrafficPolicy": _policy(found)}


@operation("UpdateTrafficPolicyComment")
def update_traffic_policy_comment(call: Call, request: Request) -> Response:
    """Replace a version's comment."""
    found = rows.get_policy(call.tx, call.account, request["Id"], int(request["Version"]))
    found = replace(found, comment=request["Comment"])
    rows.TRAFFIC_POLICIES.put(call.tx, found)
    return {"TrafficPolicy": _policy(found)}


@operation("DeleteTrafficPolicy")
def delete_traffic_policy(call: Call, request: Request) -> Response:
    """Delete a version that no instance goes by."""
    found = rows.get_policy(call.tx, call.account, request["Id"], int(request["Version"]))
    for instance in _instances(call):
        if (instance.policy_id, instance.policy_version) == (found.policy_id, found.version):
            raise errors.traffic_policy_in_use(found.policy_id)
    rows.TRAFFIC_POLICIES.delete(call.tx, policy_id=found.policy_id, version=found.version)
    return {}


@operation("ListTrafficPolicies")
def list_traffic_policies(call: Call, request: Request) -> Response:
    """The newest version of each policy, a page at a time."""
    marker, size = request.get("TrafficPolicyIdMarker") or "", page_size(request)
    found = [policy for policy in _newest(call) if policy.policy_id >= marker]
    response: Response = {
        "TrafficPolicySummaries": [
            {
                "Id": policy.policy_id,
                "Name": policy.name,
                "Type": policy.type,
                "LatestVersion": policy.version,
                "TrafficPolicyCount": len(_versions(call, policy.policy_id)),
            }
            for policy in found[:size]
        ],
        "IsTruncated": len(found) > size,
        "MaxItems": str(size),
    }
    if len(found) > size:
        response["TrafficPolicyIdMarker"] = found[size].policy_id
    return response


@operation("ListTrafficPolicyVersions")
def list_traffic_policy_versions(call: Call, request: Request) -> Response:
    """Every version of a policy, the newest first."""
    found = list(reversed(_versions(call, request["Id"])))
    marker, size = request.get("TrafficPolicyVersionMarker"), page_size(request)
    if marker:
        found = [policy for policy in found if policy.version <= int(marker)]
    response: Response = {
        "TrafficPolicies": [_policy(policy) for policy in found[:size]],
        "IsTruncated": len(found) > size,
        "TrafficPolicyVersionMarker": "",
        "MaxItems": str(size),
    }
    if len(found) > size:
        response["TrafficPolicyVersionMarker"] = str(found[size].version)
    return response


@operation("CreateTrafficPolicyInstance")
def create_traffic_policy_instance(call: Call, request: Request) -> Response:
    """Let a policy answer for a name of a zone."""
    zone = rows.get_own_zone(call.tx, call.account, request["HostedZoneId"])
    policy = rows.get_policy(
        call.tx,
        call.account,
        request["TrafficPolicyId"],
        int(request["TrafficPolicyVersion"]),
    )
    try:
        name = names.stored_name(request["Name"])
    except names.BadName as error:
        raise errors.invalid_input(str(error)) from error
    if not names.is_within(name, zone.name):
        raise errors.invalid_input(
            f"RRSet with DNS name {name} is not permitted in zone {zone.name}"
        )
    mine = _instances(call)
    for other in mine:
        if (other.zone_id, other.name, other.type) == (zone.zone_id, name, policy.type):
            raise errors.traffic_policy_instance_exists(name, policy.type)
    if len(mine) >= INSTANCES_MAX:
        raise errors.too_many("TrafficPolicyInstances", INSTANCES_MAX)
    for record in rows.list_records(call.tx, zone.zone_id):
        clash = record.type == policy.type or "CNAME" in (record.type, policy.type)
        if record.name == name and clash:
            raise errors.invalid_input(
                f"A record set with DNS name {name}, type {record.type} already exists."
            )
    instance = TrafficPolicyInstance(
        account=call.account,
        region=GLOBAL,
        instance_id=call.ids.uuid(),
        zone_id=zone.zone_id,
        name=name,
        ttl_s=int(request["TTL"]),
        policy_id=policy.policy_id,
        policy_version=policy.version,
        type=policy.type,
        revision=call.tx.revision,
    )
    rows.TRAFFIC_INSTANCES.insert(call.tx, instance)
    location = f"{_ROOT}trafficpolicyinstance/{instance.instance_id}"
    return {"TrafficPolicyInstance": _instance(call, instance), "Location": location}


@operation("UpdateTrafficPolicyInstance")
def update_traffic_policy_instance(call: Call, request: Request) -> Response:
    """Another version, another policy of the same type, or another TTL."""
    found = rows.get_instance(call.tx, call.account, request["Id"])
    policy = rows.get_policy(
        call.tx,
        call.account,
        request["TrafficPolicyId"],
        int(request["TrafficPolicyVersion"]),
    )
    if policy.type != found.type:
        raise errors.conflicting_types(found.type, policy.type)
    found = replace(
        found,
        ttl_s=int(request["TTL"]),
        policy_id=policy.policy_id,
        policy_version=policy.version,
        revision=call.tx.revision,
    )
    rows.TRAFFIC_INSTANCES.put(call.tx, found)
    return {"TrafficPolicyInstance": _instance(call, found)}


@operation("DeleteTrafficPolicyInstance")
def delete_traffic_policy_instance(call: Call, request: Request) -> Response:
    """The name has no answer any more."""
    found = rows.get_instance(call.tx, call.account, request["Id"])
    rows.TRAFFIC_INSTANCES.delete(call.tx, instance_id=found.instance_id)
    return {}


@operation("GetTrafficPolicyInstance")
def get_traffic_policy_instance(call: Call, request: Request) -> Response:
    """One instance; Applied once the name servers were seen to answer by it."""
    found = rows.get_instance(call.tx, call.account, request["Id"])
    return {"TrafficPolicyInstance": _instance(call, found)}


@operation("GetTrafficPolicyInstanceCount")
def get_traffic_policy_instance_count(call: Call, request: Request) -> Response:
    """How many instances the account has."""
    return {"TrafficPolicyInstanceCount": len(_instances(call))}


@operation("ListTrafficPolicyInstances")
def list_traffic_policy_instances(call: Call, request: Request) -> Response:
    """The account's instances, a page at a time."""
    return _instance_page(call, request, _instances(call), with_zone=True)


@operation("ListTrafficPolicyInstancesByHostedZone")
def list_traffic_policy_instances_by_hosted_zone(call: Call, request: Request) -> Response:
    """A zone's instances."""
    zone = rows.get_zone(call.tx, call.account, request["HostedZoneId"])
    found = [one for one in _instances(call) if one.zone_id == zone.zone_id]
    return _instance_page(call, request, found, with_zone=False)


@operation("ListTrafficPolicyInstancesByPolicy")
def list_traffic_policy_instances_by_policy(call: Call, request: Request) -> Response:
    """The instances of one version of a policy."""
    wanted = (request["TrafficPolicyId"], int(request["TrafficPolicyVersion"]))
    rows.get_policy(call.tx, call.account, *wanted)
    found = [one for one in _instances(call) if (one.policy_id, one.policy_version) == wanted]
    return _instance_page(call, request, found, with_zone=True)


def _instance_page(
    call: Call, request: Request, found: Sequence[TrafficPolicyInstance], *, with_zone: bool
) -> Response:
    size = page_size(request)
    start = (
        request.get("HostedZoneIdMarker") or "",
        request.get("TrafficPolicyInstanceNameMarker") or "",
        request.get("TrafficPolicyInstanceTypeMarker") or "",
    )

    def key(one: TrafficPolicyInstance) -> tuple[str, str, str]:
        return (one.zone_id if with_zone else "", one.name, one.type)

    found = sorted((one for one in found if key(one) >= start), key=key)
    response: Response = {
        "TrafficPolicyInstances": [_instance(call, one) for one in found[:size]],
        "IsTruncated": len(found) > size,
        "MaxItems": str(size),
    }
    if len(found) > size:
        following = found[size]
        response["TrafficPolicyInstanceNameMarker"] = following.name
        response["TrafficPolicyInstanceTypeMarker"] = following.type
        if with_zone:
            response["HostedZoneIdMarker"] = following.zone_id
    return response


def _instances(call: Call) -> list[TrafficPolicyInstance]:
    return rows.TRAFFIC_INSTANCES.list(call.tx, account=call.account)


def _newest(call: Call) -> list[TrafficPolicy]:
    """Each policy's newest version, by id."""
    newest: dict[str, TrafficPolicy] = {}
    for policy in rows.TRAFFIC_POLICIES.list(call.tx, account=call.account):
        known = newest.get(policy.policy_id)
        if known is None or known.version < policy.version:
            newest[policy.policy_id] = policy
    return [newest[policy_id] for policy_id in sorted(newest)]


def _versions(call: Call, policy_id: str) -> list[TrafficPolicy]:
    """A policy's versions, oldest first. Raises NoSuchTrafficPolicy when there are none."""
    found = [
        policy
        for policy in rows.TRAFFIC_POLICIES.list(call.tx, account=call.account)
        if policy.policy_id == policy_id
    ]
    if not found:
        raise errors.no_such_traffic_policy(policy_id)
    return sorted(found, key=lambda policy: policy.version)


def _policy(policy: TrafficPolicy) -> dict[str, Any]:
    shown = {
        "Id": policy.policy_id,
        "Version": policy.version,
        "Name": policy.name,
        "Type": policy.type,
        "Document": policy.document,
        "Comment": policy.comment,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _instance(call: Call, instance: TrafficPolicyInstance) -> dict[str, Any]:
    served = SERVED_SEEN.find(call.tx, key="dns")
    applied = served is not None and served.revision >= instance.revision
    return {
        "Id": instance.instance_id,
        "HostedZoneId": instance.zone_id,
        "Name": instance.name,
        "TTL": instance.ttl_s,
        "State": "Applied" if applied else "Creating",
        "Message": "",
        "TrafficPolicyId": instance.policy_id,
        "TrafficPolicyVersion": instance.policy_version,
        "TrafficPolicyType": instance.type,
    }
