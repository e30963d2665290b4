"""Whether a VPC's resolver validates what public zones say.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-dnssec-validation.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.route53resolver import errors, rows, views
from hiyoko.services.route53resolver.model import DnssecConfig
from hiyoko.services.route53resolver.pages import Filters, filtered, page


@operation("UpdateResolverDnssecConfig")
def update_resolver_dnssec_config(call: Call, request: Request) -> Response:
    """Have a VPC's resolver validate, or have it stop that."""
    if (wanted := request["Validation"]) not in ("ENABLE", "DISABLE"):
        raise unsupported("Validation", wanted)
    config = _get(call, request)
    changed = replace(config, validates=wanted == "ENABLE", revision=call.tx.revision)
    if changed.validates != config.validates:
        rows.DNSSEC_CONFIGS.put(call.tx, config := changed)
    return _shown(call, config)


@operation("GetResolverDnssecConfig")
def get_resolver_dnssec_config(call: Call, request: Request) -> Response:
    """A VPC's configuration; where nobody has set anything, nothing is validated."""
    return _shown(call, _get(call, request))


_FILTERS: Filters = {
    "id": lambda one: one["Id"],
    "ownerid": lambda one: one["OwnerId"],
    "resourceid": lambda one: one["ResourceId"],
    "validationstatus": lambda one: one["ValidationStatus"],
}


@operation("ListResolverDnssecConfigs")
def list_resolver_dnssec_configs(call: Call, request: Request) -> Response:
    """The configurations that somebody has set, by filter."""
    served = rows.served_revision(call.tx)
    known = rows.DNSSEC_CONFIGS.list(call.tx, account=call.account, region=call.region)
    shown = [views.dnssec_config(one, served) for one in known]
    return page(request, "ResolverDnssecConfigs", filtered(request, shown, _FILTERS))


def _get(call: Call, request: Request) -> DnssecConfig:
    vpc_id = request["ResourceId"]
    if ec2.VPCS.find(call, vpc_id) is None:
        raise errors.not_found("VPC", vpc_id)
    found = rows.DNSSEC_CONFIGS.find(
        call.tx, account=call.account, region=call.region, vpc_id=vpc_id
    )
    return found or DnssecConfig(call.account, call.region, vpc_id)


def _shown(call: Call, config: DnssecConfig) -> Response:
    served = rows.served_revision(call.tx)
    return {"ResolverDNSSECConfig": views.dnssec_config(config, served)}
