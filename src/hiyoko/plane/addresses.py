"""Fixed addresses of the world, and the few names that everything agrees on.

The simulated internet is 198.18.0.0/15 (RFC 2544: reserved for tests, so it never meets a real
network): infrastructure in 198.18.0.0/16, addresses given to accounts in 198.19.0.0/16.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

INTERNET = IPv4Network("198.18.0.0/15")
HEALTH_CHECKERS = {
    region: IPv4Address("198.18.0.128") + number
    for number, region in enumerate(
        (
            "us-east-1",
            "us-west-1",
            "us-west-2",
            "eu-west-1",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-northeast-1",
            "sa-east-1",
        )
    )
}
"""Where Route 53's health checkers ask from, by their Region."""
PUBLIC_POOL = IPv4Network("198.19.0.0/16")

ROOT_SERVER = IPv4Address("198.18.0.1")
PARENT_SERVER = IPv4Address("198.18.0.2")
"""Answers for every parent zone: top-level domains and their public suffixes."""
INTERNET_RESOLVER = IPv4Address("198.18.0.53")
AWS_ENDPOINT = IPv4Address("198.18.0.80")
"""AWS's APIs and the image registries, on port 443. S3 and DynamoDB have addresses of their own, a
range for each Region in 198.18.16.0/20 and 198.18.32.0/20 (``blueprint.service_addresses``)."""
AWS_DNS = IPv4Address("198.18.0.54")
"""Answers for amazonaws.com and the other zones of AWS itself."""
CLIENT = IPv4Address("198.18.0.100")
"""Where ``hiyoko run`` and the browser proxy connect from."""
ROUTE53_SERVERS = IPv4Network("198.18.8.0/21")
"""Name server ``ns-N.awsdns-...`` answers at the N-th address (0 to 2047)."""

ENI_GATEWAY = IPv4Address("169.254.1.1")
VPC_RESOLVER_LINK_LOCAL = IPv4Address("169.254.169.253")
MARK = "hiyoko"
"""Prefix of everything that we create and may therefore delete."""
AGENT_ADDRESS = IPv4Address("169.254.170.2")
"""Where a task finds its metadata and its role's keys, inside its own namespace."""
