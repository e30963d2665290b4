"""Cloud Map's rows in the store."""

from __future__ import annotations

from hiyoko.services.route53.seen import SERVED_SEEN
from hiyoko.services.servicediscovery import errors
from hiyoko.services.servicediscovery.model import Instance, Namespace, Operation, Service
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

NAMESPACES = Table(
    "servicediscovery_namespace",
    Namespace,
    key=("account", "region", "namespace_id"),
    index=("name",),
)
SERVICES = Table(
    "servicediscovery_service",
    Service,
    key=("account", "region", "service_id"),
    index=("namespace_id", "arn"),
)
INSTANCES = Table("servicediscovery_instance", Instance, key=("service_id", "instance_id"))
OPERATIONS = Table(
    "servicediscovery_operation",
    Operation,
    key=("account", "region", "operation_id"),
)

KEPT_MAX = 2000
"""So many operations of an account are remembered; AWS names neither a number nor a time."""


def get_namespace(tx: Transaction, account: str, region: str, reference: str) -> Namespace:
    """The account's namespace by id or ARN. Raises NamespaceNotFound."""
    bare = reference.rpartition("/")[2]
    found = NAMESPACES.find(tx, account=account, region=region, namespace_id=bare)
    if found is None:
        raise errors.namespace_not_found(reference)
    return found


def list_namespaces(tx: Transaction, account: str, region: str) -> list[Namespace]:
    """The account's namespaces, oldest first."""
    found = NAMESPACES.list(tx, account=account, region=region)
    return sorted(found, key=lambda one: (one.created_at, one.namespace_id))


def find_named(tx: Transaction, account: str, region: str, name: str) -> Namespace | None:
    """The account's oldest namespace of this name."""
    found = [one for one in list_namespaces(tx, account, region) if one.name == name]
    return found[0] if found else None


def get_service(tx: Transaction, account: str, region: str, reference: str) -> Service:
    """The account's service by id or ARN. Raises ServiceNotFound."""
    bare = reference.rpartition("/")[2]
    found = SERVICES.find(tx, account=account, region=region, service_id=bare)
    if found is None:
        raise errors.service_not_found(reference)
    return found


def list_services(
    tx: Transaction, account: str, region: str, namespace_id: str = ""
) -> list[Service]:
    """The account's services, all or those of a namespace, oldest first."""
    found = (
        SERVICES.list(tx, account=account, region=region, namespace_id=namespace_id)
        if namespace_id
        else SERVICES.list(tx, account=account, region=region)
    )
    return sorted(found, key=lambda one: (one.created_at, one.service_id))


def list_instances(tx: Transaction, service_id: str) -> list[Instance]:
    """A service's instances, oldest first."""
    found = INSTANCES.list(tx, service_id=service_id)
    return sorted(found, key=lambda one: (one.registered_at, one.instance_id))


def find_instance(tx: Transaction, service_id: str, instance_id: str) -> Instance | None:
    """A service's instance, if it is registered."""
    return INSTANCES.find(tx, service_id=service_id, instance_id=instance_id)


def count_instances(tx: Transaction, service_id: str) -> int:
    """How many instances a service has."""
    return len(INSTANCES.list(tx, service_id=service_id))


def list_operations(tx: Transaction, account: str, region: str) -> list[Operation]:
    """The account's operations, newest first."""
    found = OPERATIONS.list(tx, account=account, region=region)
    return sorted(found, key=lambda one: (one.created_at, one.operation_id), reverse=True)


def insert_operation(tx: Transaction, operation: Operation) -> None:
    """Add an operation; the account's oldest ones are forgotten."""
    known = list_operations(tx, operation.account, operation.region)
    for one in known[KEPT_MAX // 2 :] if len(known) >= KEPT_MAX else ():
        OPERATIONS.delete(tx, account=one.account, region=one.region, operation_id=one.operation_id)
    OPERATIONS.insert(tx, operation)


def list_pending(tx: Transaction) -> list[Operation]:
    """Every account's operations that DNS does not answer from yet."""
    served = served_revision(tx)
    return [one for one in OPERATIONS.list(tx) if one.change_revision > served]


def served_revision(tx: Transaction) -> int:
    """The store's revision that DNS was seen to answer from."""
    served = SERVED_SEEN.find(tx, key="dns")
    return served.revision if served is not None else 0
