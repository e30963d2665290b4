"""The tables of wishes: which model is kept where, and how it is found."""

from __future__ import annotations

from hiyoko.services.elbv2 import errors
from hiyoko.services.elbv2.model import (
    Listener,
    LoadBalancer,
    Registration,
    Rule,
    TargetGroup,
    TrustStore,
    TrustStoreRevocation,
    used_groups,
)
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

_PLACE = ("account", "region", "name")

LOAD_BALANCERS = Table("elbv2_load_balancer", LoadBalancer, key=("arn",), index=_PLACE)
TARGET_GROUPS = Table("elbv2_target_group", TargetGroup, key=("arn",), index=_PLACE)
LISTENERS = Table("elbv2_listener", Listener, key=("arn",), index=("balancer_arn",))
RULES = Table("elbv2_rule", Rule, key=("arn",), index=("listener_arn",))
REGISTRATIONS = Table("elbv2_registration", Registration, key=("group_arn", "target_id", "port"))
TRUST_STORES = Table("elbv2_trust_store", TrustStore, key=("arn",), index=_PLACE)
REVOCATIONS = Table(
    "elbv2_trust_store_revocation", TrustStoreRevocation, key=("trust_store_arn", "revocation_id")
)


def get_load_balancer(tx: Transaction, arn: str) -> LoadBalancer:
    """The load balancer; LoadBalancerNotFound when there is none."""
    row = LOAD_BALANCERS.find(tx, arn=arn)
    if row is None:
        raise errors.load_balancer_not_found(arn)
    return row


def find_load_balancer(
    tx: Transaction, account: str, region: str, name: str
) -> LoadBalancer | None:
    """The load balancer of this name."""
    return LOAD_BALANCERS.find(tx, account=account, region=region, name=name)


def list_load_balancers(tx: Transaction, account: str, region: str) -> list[LoadBalancer]:
    """All load balancers of an account and region, oldest first."""
    rows = LOAD_BALANCERS.list(tx, account=account, region=region)
    return sorted(rows, key=lambda row: (row.created_at, row.arn))


def get_target_group(tx: Transaction, arn: str) -> TargetGroup:
    """The target group; TargetGroupNotFound when there is none."""
    row = TARGET_GROUPS.find(tx, arn=arn)
    if row is None:
        raise errors.target_group_not_found(arn)
    return row


def find_target_group(tx: Transaction, account: str, region: str, name: str) -> TargetGroup | None:
    """The target group of this name."""
    return TARGET_GROUPS.find(tx, account=account, region=region, name=name)


def list_target_groups(tx: Transaction, account: str, region: str) -> list[TargetGroup]:
    """All target groups of an account and region, oldest first."""
    rows = TARGET_GROUPS.list(tx, account=account, region=region)
    return sorted(rows, key=lambda row: (row.created_at, row.arn))


def get_listener(tx: Transaction, arn: str) -> Listener:
    """The listener; ListenerNotFound when there is none."""
    row = LISTENERS.find(tx, arn=arn)
    if row is None:
        raise errors.listener_not_found(arn)
    return row


def list_listeners(tx: Transaction, balancer_arn: str) -> list[Listener]:
    """A load balancer's listeners by port."""
    return sorted(LISTENERS.list(tx, balancer_arn=balancer_arn), key=lambda row: row.port)


def get_rule(tx: Transaction, arn: str) -> Rule:
    """The rule (not a default one); RuleNotFound when there is none."""
    row = RULES.find(tx, arn=arn)
    if row is None:
        raise errors.rule_not_found(arn)
    return row


def list_rules(tx: Transaction, listener_arn: str) -> list[Rule]:
    """A listener's rules by priority, without the default one."""
    return sorted(RULES.list(tx, listener_arn=listener_arn), key=lambda row: row.priority)


def list_registrations(tx: Transaction, group_arn: str) -> list[Registration]:
    """A group's targets, draining and expired ones too."""
    return REGISTRATIONS.list(tx, group_arn=group_arn)


def find_registration(
    tx: Transaction, group_arn: str, target_id: str, port: int
) -> Registration | None:
    """The registration of this target, also when it drains."""
    return REGISTRATIONS.find(tx, group_arn=group_arn, target_id=target_id, port=port)


def listeners_using(tx: Transaction, group_arn: str) -> list[Listener]:
    """The listeners that name the group in a default action or in a rule."""
    found = []
    for listener in LISTENERS.list(tx):
        rules = RULES.list(tx, listener_arn=listener.arn)
        actions = (*listener.default_actions, *(a for rule in rules for a in rule.actions))
        if group_arn in used_groups(actions):
            found.append(listener)
    return found


def get_trust_store(tx: Transaction, arn: str) -> TrustStore:
    """The trust store; TrustStoreNotFound when there is none."""
    row = TRUST_STORES.find(tx, arn=arn)
    if row is None:
        raise errors.trust_store_not_found(arn)
    return row


def find_trust_store(tx: Transaction, account: str, region: str, name: str) -> TrustStore | None:
    """The trust store of this name."""
    return TRUST_STORES.find(tx, account=account, region=region, name=name)


def list_trust_stores(tx: Transaction, account: str, region: str) -> list[TrustStore]:
    """All trust stores of an account and region, oldest first."""
    rows = TRUST_STORES.list(tx, account=account, region=region)
    return sorted(rows, key=lambda row: (row.created_at, row.arn))


def list_revocations(tx: Transaction, trust_store_arn: str) -> list[TrustStoreRevocation]:
    """A trust store's revocation lists by their ids."""
    rows = REVOCATIONS.list(tx, trust_store_arn=trust_store_arn)
    return sorted(rows, key=lambda row: row.revocation_id)


def listeners_trusting(tx: Transaction, trust_store_arn: str) -> list[Listener]:
    """The listeners that verify clients against the trust store."""
    return [
        row
        for row in LISTENERS.list(tx)
        if row.mutual is not None and row.mutual.trust_store_arn == trust_store_arn
    ]
