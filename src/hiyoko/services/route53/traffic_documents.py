"""A traffic policy's document as a tree of rules and endpoints.   (pure)

https://docs.aws.amazon.com/Route53/latest/APIReference/api-policies-traffic-policy-document-format.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hiyoko.api import AwsError, unsupported
from hiyoko.services.route53 import errors
from hiyoko.services.route53.model import (
    GeoLocation,
    GeoProximity,
    TrafficBranch,
    TrafficEndpoint,
    TrafficNode,
)
from hiyoko.services.route53.routing import PROXIMITY_REGIONS, parse_place, parse_proximity
from hiyoko.services.route53.values import BadValue, check_value

VERSIONS = frozenset({"2015-10-01", "2023-05-09"})
RECORD_TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "MX", "NAPTR", "PTR", "SPF", "SRV", "TXT"})
VALUE = "value"
BALANCERS = frozenset({"elastic-load-balancer", "application-load-balancer"})
_NOT_HERE = frozenset({"cloudfront", "s3-website", "network-load-balancer", "elastic-beanstalk"})
_BRANCHES = {
    "geo": ("geolocation", "Locations"),
    "geoproximity": ("geoproximity", "GeoproximityLocations"),
    "latency": ("latency", "Regions"),
    "multivalue": ("multivalue answer", "Items"),
    "weighted": ("weighted", "Items"),
}
_REGION_PREFIX = "aws:route53:"


def parse_document(text: str) -> tuple[str, TrafficNode]:
    """The type of the records, and the tree. Raises InvalidTrafficPolicyDocument."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise errors.invalid_traffic_policy(f"The document is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise errors.invalid_traffic_policy("The document is not a JSON object.")
    version, kind = document.get("AWSPolicyFormatVersion"), document.get("RecordType")
    if version not in VERSIONS:
        raise errors.invalid_traffic_policy(f"AWSPolicyFormatVersion {version} is not valid.")
    if kind not in RECORD_TYPES:
        raise errors.invalid_traffic_policy(f"RecordType {kind} is not valid.")
    reader = _Reader(
        str(kind), _members(document, "Endpoints"), _members(document, "Rules"), frozenset()
    )
    starts = [name for name in ("StartEndpoint", "StartRule") if document.get(name)]
    if len(starts) != 1:
        raise errors.invalid_traffic_policy("Expected exactly one of StartEndpoint, StartRule.")
    name = str(document[starts[0]])
    node = reader.endpoint(name) if starts == ["StartEndpoint"] else reader.rule(name)
    return str(kind), node


def _members(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name) or {}
    if not isinstance(found, dict):
        raise errors.invalid_traffic_policy(f"{name} is not an object.")
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    kind: str
    endpoints: Mapping[str, Any]
    rules: Mapping[str, Any]
    above: frozenset[str]

    def endpoint(self, name: str) -> TrafficNode:
        given = self.endpoints.get(name)
        if not isinstance(given, dict):
            raise errors.invalid_traffic_policy(f"There is no endpoint {name}.")
        kind, value = given.get("Type", VALUE), str(given.get("Value") or "")
        if kind in _NOT_HERE:
            raise unsupported("Endpoints.Type", kind)
        if kind == VALUE:
            try:
                check_value(self.kind, value)
            except BadValue as error:
                raise errors.invalid_traffic_policy(str(error)) from error
        elif kind not in BALANCERS or not value:
            raise errors.invalid_traffic_policy(f"The endpoint {name} is not valid.")
        return TrafficNode("simple", TrafficEndpoint(str(kind), value))

    def rule(self, name: str) -> TrafficNode:
        given = self.rules.get(name)
        if not isinstance(given, dict):
            raise errors.invalid_traffic_policy(f"There is no rule {name}.")
        if name in self.above:
            raise errors.invalid_traffic_policy(f"The rule {name} leads back to itself.")
        below = _Reader(self.kind, self.endpoints, self.rules, self.above | {name})
        kind = given.get("RuleType")
        if kind == "failover":
            branches = tuple(
                below.branch(given.get(part) or {}, {"failover": part.upper()})
                for part in ("Primary", "Secondary")
            )
            return TrafficNode("failover", branches=branches)
        if kind not in _BRANCHES:
            raise errors.invalid_traffic_policy(f"RuleType {kind} of {name} is not valid.")
        policy, member = _BRANCHES[kind]
        items = given.get(member)
        if not isinstance(items, list) or not items:
            raise errors.invalid_traffic_policy(f"The rule {name} has no {member}.")
        return TrafficNode(
            policy, branches=tuple(below.branch(item, _goes_by(policy, item)) for item in items)
        )

    def branch(self, given: Any, goes_by: Mapping[str, Any]) -> TrafficBranch:
        if not isinstance(given, dict):
            raise errors.invalid_traffic_policy("A rule's branch is not an object.")
        endpoint, rule = given.get("EndpointReference"), given.get("RuleReference")
        if bool(endpoint) == bool(rule):
            raise errors.invalid_traffic_policy(
                "Expected exactly one of EndpointReference, RuleReference."
            )
        node = self.endpoint(str(endpoint)) if endpoint else self.rule(str(rule))
        return TrafficBranch(
            node,
            health_check_id=given.get("HealthCheck") or None,
            evaluate_health=_true(given.get("EvaluateTargetHealth")),
            **goes_by,
        )


def _goes_by(policy: str, item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        return {}
    match policy:
        case "weighted":
            return {"weight": _weight(item.get("Weight"))}
        case "latency":
            if item.get("Region") not in PROXIMITY_REGIONS:
                raise errors.invalid_traffic_policy(f"{item.get('Region')} is no Region.")
            return {"latency_region": item["Region"]}
        case "geolocation":
            return {"geo": _place(item)}
        case "geoproximity":
            return {"proximity": _proximity(item)}
        case _:
            return {}


def _weight(given: Any) -> int:
    text = str(given)
    if not text.isdigit() or int(text) > 255:
        raise errors.invalid_traffic_policy(f"Weight {text} is not from 0 to 255.")
    return int(text)


def _place(item: Mapping[str, Any]) -> GeoLocation:
    if _true(item.get("IsDefault")):
        return GeoLocation(country="*")
    try:
        return parse_place(
            {
                "ContinentCode": item.get("Continent"),
                "CountryCode": item.get("Country"),
                "SubdivisionCode": item.get("Subdivision"),
            }
        )
    except AwsError as error:
        raise _as_document(error) from error


def _proximity(item: Mapping[str, Any]) -> GeoProximity | None:
    given: dict[str, Any] = {"Bias": item.get("Bias") or 0}
    region = str(item.get("Region") or "")
    if region:
        given["AWSRegion"] = region.removeprefix(_REGION_PREFIX)
    if item.get("Latitude") is not None:
        given["Coordinates"] = {
            "Latitude": item["Latitude"],
            "Longitude": item.get("Longitude") or "0",
        }
    try:
        return parse_proximity(given)
    except (AwsError, ValueError) as error:
        raise _as_document(error) from error


def _as_document(error: Exception) -> AwsError:
    """What is wrong with a place is wrong with the document; what is not here stays refused."""
    if isinstance(error, AwsError):
        if error.code == "NotImplemented":
            return error
        return errors.invalid_traffic_policy(error.message)
    return errors.invalid_traffic_policy(str(error))


def _true(given: Any) -> bool:
    return given is True or str(given).lower() == "true"
