"""Route 53: hosted zones and the record sets in them.

- ``model``        zones, record sets, changes; name servers of a zone
- ``names``        domain names as Route 53 stores them: lower case, octal escapes, reversed order
- ``values``       what a record's value may look like, with Route 53's words when it may not
- ``rows``, ``seen``  what is stored: wishes, and what the zone reconciler saw
- ``hosted_zones``, ``zone_vpcs``, ``record_sets``, ``changes``, ``zone_tags``  the operations
- ``batch``        a change batch applied to a zone's sets, all or nothing   (pure)

Works: public and private zones, simple routing, aliases to load balancers and inside a zone, tags.
Refused by name: other routing policies, health checks, reusable delegation sets, traffic policies,
query logging, DNSSEC.

Reference: https://docs.aws.amazon.com/Route53/latest/APIReference/
"""

from . import changes, hosted_zones, record_sets, zone_tags, zone_vpcs

__all__ = ["changes", "hosted_zones", "record_sets", "zone_tags", "zone_vpcs"]
