"""What requests ask for: domain names, targets, tags."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from hiyoko.api import AwsError, Request, unsupported
from hiyoko.services.route53resolver import errors
from hiyoko.services.route53resolver.model import Tags, TargetAddress

DNS_PORT = 53
NAME_MAX = 255
TARGETS_MAX = 6
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""
TAGS_MAX = 50

_LABEL = re.compile(r"[a-z0-9_*-]{1,63}")


def refuse(request: Request, *members: str) -> None:
    """Refuse by name these members, where they are set."""
    for member in members:
        if request.get(member):
            raise unsupported(member, request[member])


def domain_name(text: str) -> str:
    """The absolute name in lower case; ``.`` is the root. Raises InvalidParameterException."""
    bare = text.lower().removesuffix(".")
    labels = bare.split(".")
    if bare and not (len(bare) < NAME_MAX and all(map(_LABEL.fullmatch, labels))):
        raise errors.invalid_parameter(f"Invalid domain name: '{text}'", "DomainName")
    return f"{bare}."


def targets(given: Sequence[Mapping[str, Any]]) -> tuple[TargetAddress, ...]:
    """A rule's targets. Raises InvalidParameterException, LimitExceededException."""
    found = tuple(_target(one) for one in given)
    if len(found) > TARGETS_MAX:
        raise AwsError(
            "LimitExceededException", f"A rule has at most {TARGETS_MAX} target IP addresses."
        )
    if len(set(found)) < len(found):
        raise errors.invalid_parameter("A target IP address is given twice.", "TargetIps")
    return found


def _target(given: Mapping[str, Any]) -> TargetAddress:
    refuse(given, "Ipv6", "ServerNameIndication")
    if (protocol := given.get("Protocol") or "Do53") != "Do53":
        raise unsupported("Protocol", protocol)
    text = given.get("Ip") or ""
    try:
        address = IPv4Address(text)
    except AddressValueError as error:
        raise errors.invalid_parameter(f"Invalid IP address: '{text}'", "TargetIps") from error
    return TargetAddress(str(address), int(given.get("Port") or DNS_PORT))


def tags_in(request: Request) -> Tags:
    """The ``Tags`` of a request. Raises LimitExceededException."""
    found = {one["Key"]: one["Value"] for one in request.get("Tags") or ()}
    if len(found) > TAGS_MAX:
        raise AwsError("LimitExceededException", f"A resource has at most {TAGS_MAX} tags.")
    return tuple(found.items())
