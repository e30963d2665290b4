"""EC2's networking: VPCs and all that is in them.

- ``vpcs`` ``subnets`` ``route_tables`` ``routes`` ``internet_gateways`` ``nat_gateways``
  ``addresses`` ``network_interfaces`` ``security_groups`` ``security_group_rules``
  ``network_acls`` ``vpc_endpoints`` ``endpoint_services`` ``prefix_lists`` ``regions`` ``tags``:
  operations, one file per noun
- ``gateway_endpoints`` ``endpoint_views``: an endpoint's routes, and how endpoints are shown
- ``absent``: describe calls for what cannot exist here
- ``managed_interfaces``: what neighbour services call inside their own transactions
- ``operation``: what all operations share (unknown parameters, dry run, client token)
- ``filters``: describe calls: ids, filters, pages
- ``making`` ``making_interfaces`` ``first_use`` ``public_addresses`` ``zones`` ``cidr``: choices
  that are made once and stored
- ``model`` ``rows`` ``seen`` ``errors``: as in every service

Not here: instances, IPv6, secondary CIDRs and addresses, interface endpoints of S3, peering, flow
logs, gateway route tables, private and regional NAT gateways. They are refused by name.
Reference: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/
"""

from hiyoko.services.ec2 import (  # noqa: F401
    absent,
    addresses,
    endpoint_services,
    internet_gateways,
    managed_interfaces,
    nat_gateways,
    network_acls,
    network_interfaces,
    prefix_lists,
    regions,
    route_tables,
    routes,
    security_group_rules,
    security_groups,
    subnets,
    tags,
    vpc_endpoints,
    vpcs,
)
