"""What clients ask: where does a service answer?"""

from __future__ import annotations

from collections.abc import Mapping

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.route53.seen import HEALTH_CHECKS_SEEN
from hiyoko.services.servicediscovery import errors, rows
from hiyoko.services.servicediscovery.model import Instance, Namespace, Service

RESULTS = 100
HEALTHY_SHARE = 0.18
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html"""


def health(call: Call, service: Service, instance: Instance) -> str:
    """HEALTHY or UNHEALTHY as a check or somebody says; UNKNOWN where nobody is asked."""
    if service.custom_health:
        return instance.told_health
    if not instance.check_id:
        return "UNKNOWN"
    seen = HEALTH_CHECKS_SEEN.find(call.tx, check_id=instance.check_id)
    if seen is None or not seen.checkers:
        return "UNKNOWN"
    # Route 53's rule: healthy while more than 18 % of the checkers say so.
    good = sum(1 for one in seen.checkers if one.healthy)
    return "HEALTHY" if good > HEALTHY_SHARE * len(seen.checkers) else "UNHEALTHY"


@operation("DiscoverInstances")
def discover_instances(call: Call, request: Request) -> Response:
    """A service's instances by names: the healthy ones, or all when none is, unless asked else."""
    namespace, service = _find(call, request)
    found = [
        (one, health(call, service, one))
        for one in rows.list_instances(call.tx, service.service_id)
        if _matches(one, request.get("QueryParameters") or {})
    ]
    match request.get("HealthStatus") or "HEALTHY_OR_ELSE_ALL":
        case "HEALTHY":
            found = [pair for pair in found if pair[1] != "UNHEALTHY"]
        case "UNHEALTHY":
            found = [pair for pair in found if pair[1] == "UNHEALTHY"]
        case "HEALTHY_OR_ELSE_ALL":
            found = [pair for pair in found if pair[1] != "UNHEALTHY"] or found
    preferred = request.get("OptionalParameters") or {}
    found = [pair for pair in found if _matches(pair[0], preferred)] or found
    shown = [
        {
            "InstanceId": one.instance_id,
            "NamespaceName": namespace.name,
            "ServiceName": service.name,
            "HealthStatus": status,
            "Attributes": dict(one.attributes),
        }
        for one, status in found[: request.get("MaxResults") or RESULTS]
    ]
    return {"Instances": shown, "InstancesRevision": service.revision}


def _matches(one: Instance, wanted: Mapping[str, str]) -> bool:
    return all(one.attribute(key) == value for key, value in wanted.items())


@operation("DiscoverInstancesRevision")
def discover_instances_revision(call: Call, request: Request) -> Response:
    """A number that grows with each change of a service's instances."""
    _, service = _find(call, request)
    return {"InstancesRevision": service.revision}


def _find(call: Call, request: Request) -> tuple[Namespace, Service]:
    if request.get("OwnerAccount") not in (None, call.account):
        raise unsupported("OwnerAccount", request["OwnerAccount"])
    name = request["NamespaceName"].rstrip(".")
    namespaces = [
        one for one in rows.list_namespaces(call.tx, call.account, call.region) if one.name == name
    ]
    if not namespaces:
        raise errors.namespace_not_found(name)
    for namespace in namespaces:
        found = rows.list_services(call.tx, call.account, call.region, namespace.namespace_id)
        for service in found:
            if service.name == request["ServiceName"]:
                return namespace, service
    raise errors.service_not_found(request["ServiceName"])
