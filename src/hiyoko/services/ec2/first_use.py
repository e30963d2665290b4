"""The first ec2 call of an account in a region finds a default VPC there, as on AWS."""

from __future__ import annotations

from hiyoko.api import Call
from hiyoko.services.ec2 import rows
from hiyoko.services.ec2.making import make_default_vpc, new_id
from hiyoko.services.ec2.model import DhcpOptions, RegionMade
from hiyoko.services.ec2.zones import internal_domain


def make_region(call: Call) -> RegionMade:
    """The region's record; with it, once, the DHCP options and the default VPC.

    Once: who deletes the default VPC doesn't find it again (CreateDefaultVpc makes a new one).
    """
    made = rows.REGIONS.find(call.tx, account=call.account, region=call.region)
    if made is not None:
        return made
    options = DhcpOptions(
        account=call.account,
        region=call.region,
        dhcp_options_id=new_id(call, "dopt"),
        domain_name=internal_domain(call.region),
    )
    rows.DHCP_OPTIONS.put(call, options)
    made = RegionMade(call.account, call.region, options.dhcp_options_id)
    rows.REGIONS.insert(call.tx, made)
    make_default_vpc(call, options.dhcp_options_id)
    return made
