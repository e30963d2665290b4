"""Whether a VPC's own addresses have names: the autodefined rules for reverse look-ups.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-rules-managing.html
"""

from __future__ import annotations

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.route53resolver import rows, views
from hiyoko.services.route53resolver.model import ReverseConfig
from hiyoko.services.route53resolver.pages import page
from hiyoko.services.route53resolver.switches import switch_of, switched


@operation("UpdateResolverConfig")
def update_resolver_config(call: Call, request: Request) -> Response:
    """Switch a VPC's autodefined reverse rules."""
    asked = "AutodefinedReverseFlag"
    return _shown(call, switched(call, request, asked, rows.REVERSE_CONFIGS, ReverseConfig))


@operation("GetResolverConfig")
def get_resolver_config(call: Call, request: Request) -> Response:
    """A VPC's configuration; where nobody has set anything, the rules are there."""
    return _shown(call, switch_of(call, request, rows.REVERSE_CONFIGS, ReverseConfig))


@operation("ListResolverConfigs")
def list_resolver_configs(call: Call, request: Request) -> Response:
    """The configurations that somebody has set."""
    served = rows.served_revision(call.tx)
    known = rows.REVERSE_CONFIGS.list(call.tx, account=call.account, region=call.region)
    shown = [views.switch(one, "AutodefinedReverse", served) for one in known]
    return page(request, "ResolverConfigs", shown)


def _shown(call: Call, config: ReverseConfig) -> Response:
    served = rows.served_revision(call.tx)
    return {"ResolverConfig": views.switch(config, "AutodefinedReverse", served)}
