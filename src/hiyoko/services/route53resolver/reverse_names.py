"""Whether a VPC's own addresses have names: the autodefined rules for reverse look-ups.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-rules-managing.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.route53resolver import errors, rows, views
from hiyoko.services.route53resolver.model import ReverseConfig
from hiyoko.services.route53resolver.pages import page


@operation("UpdateResolverConfig")
def update_resolver_config(call: Call, request: Request) -> Response:
    """Switch a VPC's autodefined reverse rules."""
    if (wanted := request["AutodefinedReverseFlag"]) not in ("ENABLE", "DISABLE"):
        raise unsupported("AutodefinedReverseFlag", wanted)
    config = _get(call, request)
    changed = replace(config, names=wanted == "ENABLE", revision=call.tx.revision)
    if changed.names != config.names:
        rows.REVERSE_CONFIGS.put(call.tx, config := changed)
    return _shown(call, config)


@operation("GetResolverConfig")
def get_resolver_config(call: Call, request: Request) -> Response:
    """A VPC's configuration; where nobody has set anything, the rules are there."""
    return _shown(call, _get(call, request))


@operation("ListResolverConfigs")
def list_resolver_configs(call: Call, request: Request) -> Response:
    """The configurations that somebody has set."""
    served = rows.served_revision(call.tx)
    known = rows.REVERSE_CONFIGS.list(call.tx, account=call.account, region=call.region)
    return page(request, "ResolverConfigs", [views.reverse_config(one, served) for one in known])


def _get(call: Call, request: Request) -> ReverseConfig:
    vpc_id = request["ResourceId"]
    if ec2.VPCS.find(call, vpc_id) is None:
        raise errors.not_found("VPC", vpc_id)
    found = rows.REVERSE_CONFIGS.find(
        call.tx, account=call.account, region=call.region, vpc_id=vpc_id
    )
    return found or ReverseConfig(call.account, call.region, vpc_id)


def _shown(call: Call, config: ReverseConfig) -> Response:
    served = rows.served_revision(call.tx)
    return {"ResolverConfig": views.reverse_config(config, served)}
