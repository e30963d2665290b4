"""Route 53 Resolver's rows in the store."""

from __future__ import annotations

from typing import TypeVar

from hiyoko.api import Call
from hiyoko.services.ec2.seen import INTERFACES_SEEN
from hiyoko.services.route53.seen import SERVED_SEEN
from hiyoko.services.route53resolver import errors
from hiyoko.services.route53resolver.model import (
    DnssecConfig,
    QueryLogAssociation,
    QueryLogConfig,
    ResolverEndpoint,
    ResolverRule,
    ReverseConfig,
    RuleAssociation,
)
from hiyoko.services.route53resolver.seen import ADDRESSES_SEEN
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

T = TypeVar("T")

ENDPOINTS = Table(
    "route53resolver_endpoint",
    ResolverEndpoint,
    key=("account", "region", "endpoint_id"),
)
RULES = Table(
    "route53resolver_rule",
    ResolverRule,
    key=("account", "region", "rule_id"),
    index=("endpoint_id",),
)
ASSOCIATIONS = Table(
    "route53resolver_association",
    RuleAssociation,
    key=("account", "region", "association_id"),
    index=("rule_id", "vpc_id"),
)
DNSSEC_CONFIGS = Table(
    "route53resolver_dnssec_config",
    DnssecConfig,
    key=("account", "region", "vpc_id"),
)
REVERSE_CONFIGS = Table(
    "route53resolver_reverse_config",
    ReverseConfig,
    key=("account", "region", "vpc_id"),
)
QUERY_LOG_CONFIGS = Table(
    "route53resolver_query_log_config",
    QueryLogConfig,
    key=("account", "region", "config_id"),
)
QUERY_LOG_ASSOCIATIONS = Table(
    "route53resolver_query_log_association",
    QueryLogAssociation,
    key=("account", "region", "association_id"),
    index=("config_id", "vpc_id"),
)


def served_revision(tx: Transaction) -> int:
    """The store's revision that DNS was seen to answer from."""
    served = SERVED_SEEN.find(tx, key="dns")
    return served.revision if served is not None else 0


def newest_revision(tx: Transaction) -> int:
    """The revision of the newest wish whose status waits for DNS; 0 when there is none."""
    revisions = (
        *(row.revision for row in RULES.list(tx)),
        *(row.revision for row in ASSOCIATIONS.list(tx)),
        *(row.revision for row in DNSSEC_CONFIGS.list(tx)),
        *(row.revision for row in REVERSE_CONFIGS.list(tx)),
        *(row.revision for row in QUERY_LOG_ASSOCIATIONS.list(tx)),
    )
    return max(revisions, default=0)


# Endpoints


def endpoint_status(tx: Transaction, endpoint: ResolverEndpoint) -> str:
    """AWS's status; empty when nothing is left of it."""
    standing = {one.eni_id for one in endpoint.addresses if stands(tx, one.eni_id)}
    ready = {eni_id for eni_id in standing if serves(tx, eni_id)}
    return endpoint.status(ready, standing)


def stands(tx: Transaction, eni_id: str) -> bool:
    """Does the kernel have the interface?"""
    return INTERFACES_SEEN.find(tx, eni_id=eni_id) is not None


def serves(tx: Transaction, eni_id: str) -> bool:
    """Has the DNS server a socket there?"""
    return ADDRESSES_SEEN.find(tx, eni_id=eni_id) is not None


def get_endpoint(call: Call, endpoint_id: str) -> ResolverEndpoint:
    """The account's endpoint. Raises ResourceNotFoundException."""
    found = ENDPOINTS.find(
        call.tx, account=call.account, region=call.region, endpoint_id=endpoint_id
    )
    if found is None or not endpoint_status(call.tx, found):
        raise errors.not_found("Resolver endpoint", endpoint_id)
    return found


def list_endpoints(call: Call) -> list[ResolverEndpoint]:
    """The account's endpoints, oldest first; rows of which nothing is left are not among them."""
    found = ENDPOINTS.list(call.tx, account=call.account, region=call.region)
    living = [one for one in found if endpoint_status(call.tx, one)]
    return sorted(living, key=lambda one: (one.created_at, one.endpoint_id))


def forget_gone_endpoints(call: Call) -> None:
    """Drop rows of which nothing is left, that no answer shows any more."""
    for one in ENDPOINTS.list(call.tx, account=call.account, region=call.region):
        if not endpoint_status(call.tx, one):
            ENDPOINTS.delete(
                call.tx, account=one.account, region=one.region, endpoint_id=one.endpoint_id
            )


# Rules and associations


def get_rule(call: Call, rule_id: str) -> ResolverRule:
    """The account's rule. Raises ResourceNotFoundException."""
    found = RULES.find(call.tx, account=call.account, region=call.region, rule_id=rule_id)
    if found is None:
        raise errors.not_found("Resolver rule", rule_id)
    return found


def list_rules(call: Call) -> list[ResolverRule]:
    """The account's rules, oldest first."""
    found = RULES.list(call.tx, account=call.account, region=call.region)
    return sorted(found, key=lambda one: (one.created_at, one.rule_id))


def list_associations(call: Call) -> list[RuleAssociation]:
    """The account's associations, oldest first, without those that are gone."""
    served = served_revision(call.tx)
    found = ASSOCIATIONS.list(call.tx, account=call.account, region=call.region)
    living = [one for one in found if one.status(served)]
    return sorted(living, key=lambda one: (one.revision, one.association_id))


def forget_gone_associations(call: Call) -> None:
    """Drop rows of associations that DNS does not know any more."""
    served = served_revision(call.tx)
    for one in ASSOCIATIONS.list(call.tx, account=call.account, region=call.region):
        if not one.status(served):
            delete_association(call, one)


def delete_association(call: Call, one: RuleAssociation) -> None:
    """Delete the row."""
    ASSOCIATIONS.delete(
        call.tx, account=one.account, region=one.region, association_id=one.association_id
    )


# Query logs


def get_query_log_config(call: Call, config_id: str) -> QueryLogConfig:
    """The account's configuration. Raises ResourceNotFoundException."""
    found = QUERY_LOG_CONFIGS.find(
        call.tx, account=call.account, region=call.region, config_id=config_id
    )
    if found is None:
        raise errors.not_found("Resolver query log config", config_id)
    return found


def list_query_log_associations(call: Call, config_id: str = "") -> list[QueryLogAssociation]:
    """The account's associations, all or those of a configuration, oldest first."""
    found = QUERY_LOG_ASSOCIATIONS.list(call.tx, account=call.account, region=call.region)
    mine = [one for one in found if config_id in ("", one.config_id)]
    return sorted(mine, key=lambda one: (one.created_at, one.association_id))
