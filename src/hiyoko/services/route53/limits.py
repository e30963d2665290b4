"""Quotas and how much of them is used.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
"""

from __future__ import annotations

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.route53 import rows
from hiyoko.services.route53.health_checks import CHECKS_MAX
from hiyoko.services.route53.traffic_policies import INSTANCES_MAX, POLICIES_MAX

ZONES_MAX, RECORDS_MAX, VPCS_MAX = 500, 10_000, 300


@operation("GetAccountLimit")
def get_account_limit(call: Call, request: Request) -> Response:
    """A quota of the account."""
    kind = request["Type"]
    policies = rows.TRAFFIC_POLICIES.list(call.tx, account=call.account)
    used = {
        "MAX_HEALTH_CHECKS_BY_OWNER": (CHECKS_MAX, len(rows.list_checks(call.tx, call.account))),
        "MAX_HOSTED_ZONES_BY_OWNER": (ZONES_MAX, len(rows.list_zones(call.tx, call.account))),
        "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER": (
            INSTANCES_MAX,
            len(rows.TRAFFIC_INSTANCES.list(call.tx, account=call.account)),
        ),
        "MAX_TRAFFIC_POLICIES_BY_OWNER": (POLICIES_MAX, len({p.policy_id for p in policies})),
    }
    if kind not in used:
        raise unsupported("Type", kind)
    value, count = used[kind]
    return {"Limit": {"Type": kind, "Value": value}, "Count": count}


@operation("GetHostedZoneLimit")
def get_hosted_zone_limit(call: Call, request: Request) -> Response:
    """A quota of a zone."""
    zone = rows.get_zone(call.tx, call.account, request["HostedZoneId"])
    kind = request["Type"]
    if kind == "MAX_RRSETS_BY_ZONE":
        value, count = RECORDS_MAX, rows.count_records(call.tx, zone.zone_id)
    elif kind == "MAX_VPCS_ASSOCIATED_BY_ZONE":
        value, count = VPCS_MAX, len(zone.vpcs)
    else:
        raise unsupported("Type", kind)
    return {"Limit": {"Type": kind, "Value": value}, "Count": count}
