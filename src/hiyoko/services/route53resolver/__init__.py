"""Route 53 Resolver: endpoints and rules of the resolvers that VPCs have.

- ``model``         endpoints, rules, associations, configurations
- ``rows`` ``seen``
- ``endpoints`` ``endpoint_addresses``  where questions come in and go out
- ``rules`` ``associations``  which names are forwarded, and for which VPCs
- ``dnssec`` ``reverse_names`` ``query_logs``  what a VPC's resolver does besides
- ``tagging``
- ``parsing`` ``pages`` ``views`` ``errors``

An endpoint's addresses are interfaces of its subnets: questions come in and go out as packets that
groups, ACLs and route tables judge. The most specific name wins among rules, private zones and the
names that a VPC has of itself; a rule wins over the others where both have the same name.
Refused by name: IPv6, DNS over HTTPS, DELEGATE rules and inbound delegation, Outposts, DNS
Firewall, sharing, query logs in S3 or Firehose.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver.html
"""

from hiyoko.services.route53resolver import (
    associations,
    dnssec,
    endpoint_addresses,
    endpoints,
    query_logs,
    reverse_names,
    rules,
    tagging,
)

__all__ = [
    "associations",
    "dnssec",
    "endpoint_addresses",
    "endpoints",
    "query_logs",
    "reverse_names",
    "rules",
    "tagging",
]
