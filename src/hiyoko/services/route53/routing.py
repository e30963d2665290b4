"""The routing members of a record set: which policy, and whether its parts fit together.   (pure)

The messages follow Route 53's pattern: what was expected, what was found, where.
https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.api import unsupported
from hiyoko.services.route53 import errors
from hiyoko.services.route53.geo_locations import CONTINENTS, COUNTRIES, SUBDIVISIONS
from hiyoko.services.route53.model import CidrRouting, GeoLocation, GeoProximity

SIMPLE_ONLY_TYPES = frozenset({"NS", "SOA", "DS"})
DEFAULT_COUNTRY = "*"
_REGIONS = """
    us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 ca-west-1 mx-central-1 sa-east-1
    eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2
    af-south-1 il-central-1 me-central-1 me-south-1 ap-south-1 ap-south-2 ap-east-1 ap-east-2
    ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 ap-southeast-2 ap-southeast-3
    ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 cn-north-1 cn-northwest-1
    us-gov-east-1 us-gov-west-1 eusc-de-east-1
"""
PROXIMITY_REGIONS = frozenset(_REGIONS.split())
"""Regions that a resource may be in: Route 53's own list for latency."""

_REFUSED = ("TrafficPolicyInstanceId", "AZAffinity")
_POLICIES = (
    "Weight",
    "Region",
    "Failover",
    "GeoLocation",
    "MultiValueAnswer",
    "GeoProximityLocation",
    "CidrRoutingConfig",
)
_EXPECTED = (
    "Weight, Region, Failover, GeoLocation, MultiValueAnswer, GeoProximityLocation,"
    " or CidrRoutingConfig"
)


def parse_routing(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The routing fields of a ``model.RecordSet``; ``where`` ends a message. Raises AwsError."""
    for member in _REFUSED:
        if given.get(member) is not None:
            raise unsupported(member)
    found = [member for member in _POLICIES if given.get(member) is not None]
    if not given.get("MultiValueAnswer"):
        found = [member for member in found if member != "MultiValueAnswer"]
    set_id = given.get("SetIdentifier")
    check_id = given.get("HealthCheckId")
    if not set_id:
        if found or check_id:
            raise _invalid(f"Missing field 'SetIdentifier' in Change with {where}")
        return {}
    if len(found) != 1:
        many = "more than one" if found else "none"
        raise _invalid(
            f"Expected exactly one of [{_EXPECTED}], but found {many} in Change with {where}"
        )
    _check_fits(where, found[0], given)
    geo, cidr = given.get("GeoLocation"), given.get("CidrRoutingConfig")
    return {
        "set_id": set_id,
        "weight": int(given["Weight"]) if given.get("Weight") is not None else None,
        "latency_region": given.get("Region"),
        "failover": given.get("Failover"),
        "geo": None if geo is None else parse_place(geo),
        "proximity": parse_proximity(given.get("GeoProximityLocation")),
        "multivalue": bool(given.get("MultiValueAnswer")),
        "health_check_id": check_id,
        "cidr": cidr and CidrRouting(cidr["CollectionId"], cidr["LocationName"]),
    }


def _check_fits(where: str, policy: str, given: Mapping[str, Any]) -> None:
    kind, alias = given["Type"], given.get("AliasTarget")
    if kind in SIMPLE_ONLY_TYPES:
        raise _invalid(f"{policy} is not allowed for type {kind} in Change with {where}")
    if policy == "MultiValueAnswer" and (kind == "CNAME" or alias):
        what = "an alias" if alias else "type CNAME"
        raise _invalid(f"MultiValueAnswer is not allowed for {what} in Change with {where}")
    watched = given.get("HealthCheckId") or (alias and alias.get("EvaluateTargetHealth"))
    if given.get("Failover") == "PRIMARY" and not watched:
        # Nobody would ever fail over to the secondary.
        raise _invalid(f"Missing field 'HealthCheckId' in Change with {where}")


def parse_place(given: Mapping[str, Any]) -> GeoLocation:
    """A GeoLocation. A continent stands alone; a subdivision needs its country."""
    continent, country = given.get("ContinentCode"), given.get("CountryCode")
    subdivision = given.get("SubdivisionCode")
    if bool(continent) == bool(country) or (continent and subdivision):
        raise _invalid("Expected exactly one of [ContinentCode, CountryCode] in GeoLocation")
    if continent and continent not in CONTINENTS:
        raise _invalid(f"{continent} is not a valid ContinentCode")
    if country and country not in COUNTRIES:
        raise _invalid(f"{country} is not a valid CountryCode")
    known = SUBDIVISIONS.get(country or "")
    if subdivision and known is None:
        raise unsupported("GeoLocation.SubdivisionCode with CountryCode", country)
    if subdivision and known is not None and subdivision not in known:
        raise _invalid(f"{subdivision} is not a valid SubdivisionCode of {country}")
    return GeoLocation(continent, country, subdivision)


def parse_proximity(given: Mapping[str, Any] | None) -> GeoProximity | None:
    """A GeoProximityLocation: a Region or coordinates."""
    if given is None:
        return None
    if given.get("LocalZoneGroup"):
        raise unsupported("GeoProximityLocation.LocalZoneGroup")
    region, coordinates = given.get("AWSRegion"), given.get("Coordinates") or {}
    if bool(region) == bool(coordinates):
        raise _invalid(
            "Expected exactly one of [AWSRegion, LocalZoneGroup, Coordinates] in"
            " GeoProximityLocation"
        )
    bias = int(given.get("Bias") or 0)
    if region:
        if region not in PROXIMITY_REGIONS:
            raise _invalid(f"{region} is not a valid AWSRegion")
        return GeoProximity(region=region, bias=bias)
    latitude, longitude = str(coordinates["Latitude"]), str(coordinates["Longitude"])
    if abs(float(latitude)) > 90 or abs(float(longitude)) > 180:
        raise _invalid(f"{latitude}, {longitude} are not valid Coordinates")
    return GeoProximity(latitude=latitude, longitude=longitude, bias=bias)


def _invalid(text: str) -> Exception:
    return errors.invalid_input(f"Invalid request: {text}")
