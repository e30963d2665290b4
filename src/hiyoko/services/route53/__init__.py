"""Route 53: hosted zones and the record sets in them.

- ``model``        zones, record sets, changes; name servers of a zone
- ``names``        domain names as Route 53 stores them: lower case, octal escapes, reversed order
- ``values``       what a record's value may look like, with Route 53's words when it may not
- ``rows``, ``seen``  what is stored: wishes, and what the zone reconciler saw
- ``hosted_zones``, ``zone_vpcs``, ``record_sets``, ``changes``, ``health_checks``,
  ``cidr_collections``, ``traffic_policies``, ``query_logging``, ``limits``, ``resource_tags``,
  ``dnssec``, ``delegation_sets``, ``dns_answers``, ``geo_locations``  the operations
- ``alarm_checks``  which alarms a health check can follow
- ``traffic_documents``  a traffic policy's document as a tree  (pure)
- ``routing``  a set's routing policy: what fits together  (pure)
- ``pages``    lists in pages
- ``batch``    a change batch applied to a zone's sets, all or nothing   (pure)

Works: public and private zones; simple, weighted, latency, failover, geolocation, geoproximity,
multivalue and IP-based routing; traffic policies; query logging; health checks of endpoints and
alarms, and calculated ones; aliases to load balancers and inside a zone; tags; DNSSEC signing with
keys in KMS; reusable delegation sets; TestDNSAnswer.
Refused by name: Local Zones, health checks of routing controls.

Reference: https://docs.aws.amazon.com/Route53/latest/APIReference/
"""

from . import (
    changes,
    cidr_collections,
    delegation_sets,
    dns_answers,
    dnssec,
    geo_locations,
    health_checks,
    hosted_zones,
    limits,
    query_logging,
    record_sets,
    resource_tags,
    traffic_policies,
    zone_vpcs,
)

__all__ = [
    "changes",
    "cidr_collections",
    "delegation_sets",
    "dns_answers",
    "dnssec",
    "geo_locations",
    "health_checks",
    "hosted_zones",
    "limits",
    "query_logging",
    "record_sets",
    "resource_tags",
    "traffic_policies",
    "zone_vpcs",
]
