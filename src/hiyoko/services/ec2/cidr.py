"""Reading CIDRs as EC2 does: host bits are cleared, sizes are checked."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import IPv4Network

from hiyoko.api import AwsError
from hiyoko.services.ec2 import errors

RESERVED_HEAD = 4
RESERVED_TAIL = 1
"""Of each subnet: network, router, DNS, future use; broadcast.
https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"""


def read_cidr(text: str, parameter: str = "cidrBlock") -> IPv4Network:
    """The network, with host bits cleared. Raises InvalidParameterValue."""
    # ipaddress would also take a bare address and a dotted mask.
    if re.fullmatch(r"[0-9.]+/[0-9]{1,2}", text):
        with suppress(ValueError):
            return IPv4Network(text, strict=False)
    raise errors.bad_value(
        f"Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."
    )


def check_size(network: IPv4Network, code: str) -> IPv4Network:
    """VPCs and subnets are /16 to /28."""
    if not 16 <= network.prefixlen <= 28:
        raise AwsError(code, f"The CIDR '{network}' is invalid.")
    return network
