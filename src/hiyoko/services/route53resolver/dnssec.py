"""Whether a VPC's resolver validates what public zones say.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-dnssec-validation.html
"""

from __future__ import annotations

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.route53resolver import rows, views
from hiyoko.services.route53resolver.model import DnssecConfig
from hiyoko.services.route53resolver.pages import Filters, filtered, page
from hiyoko.services.route53resolver.switches import switch_of, switched


@operation("UpdateResolverDnssecConfig")
def update_resolver_dnssec_config(call: Call, request: Request) -> Response:
    """Have a VPC's resolver validate, or have it stop that."""
    config = switched(call, request, "Validation", rows.DNSSEC_CONFIGS, DnssecConfig)
    return _shown(call, config)


@operation("GetResolverDnssecConfig")
def get_resolver_dnssec_config(call: Call, request: Request) -> Response:
    """A VPC's configuration; where nobody has set anything, nothing is validated."""
    return _shown(call, switch_of(call, request, rows.DNSSEC_CONFIGS, DnssecConfig))


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
    shown = [views.switch(one, "ValidationStatus", served) for one in known]
    return page(request, "ResolverDnssecConfigs", filtered(request, shown, _FILTERS))


def _shown(call: Call, config: DnssecConfig) -> Response:
    served = rows.served_revision(call.tx)
    return {"ResolverDNSSECConfig": views.switch(config, "ValidationStatus", served)}
