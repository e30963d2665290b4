"""Availability zones, and names that are made from a region's name.

Pure, and the same for every account: AWS shuffles zone names against ids per account, but tools
may not rely on either order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Tokyo has no 1b for new accounts; its ids are not in the order of its names.
_TOKYO = (("a", 4), ("c", 1), ("d", 2))
_ELSEWHERE = (("a", 1), ("b", 2), ("c", 3))


@dataclass(frozen=True, slots=True)
class Zone:
    """An availability zone."""

    name: str
    zone_id: str


def zones(region: str) -> tuple[Zone, ...]:
    """The region's availability zones, by name."""
    letters = _TOKYO if region == "ap-northeast-1" else _ELSEWHERE
    short = _short_name(region)
    return tuple(Zone(f"{region}{letter}", f"{short}-az{n}") for letter, n in letters)


def _short_name(region: str) -> str:
    """``ap-northeast-1`` is ``apne1``, ``us-east-1`` is ``use1``."""
    area, _, rest = region.partition("-")
    compass = re.findall(r"north|south|east|west|central|gov|iso", rest)
    number = rest.rpartition("-")[2] if rest else ""
    return f"{area}{''.join(part[0] for part in compass)}{number}"


def internal_domain(region: str) -> str:
    """The domain of private host names."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def private_dns_name(region: str, private_ip: str) -> str:
    """``ip-10-0-0-12.ap-northeast-1.compute.internal``."""
    return f"ip-{private_ip.replace('.', '-')}.{internal_domain(region)}"


def public_dns_name(region: str, public_ip: str) -> str:
    """``ec2-198-19-0-1.ap-northeast-1.compute.amazonaws.com``."""
    domain = "compute-1" if region == "us-east-1" else f"{region}.compute"
    return f"ec2-{public_ip.replace('.', '-')}.{domain}.amazonaws.com"
