"""Capacity providers: FARGATE and FARGATE_SPOT, and how a strategy spreads tasks over them.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
"""

from __future__ import annotations

from collections.abc import Mapping

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.ecs import names
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.model import BY_PROVIDER, Cluster, Strategy

FARGATE, SPOT = "FARGATE", "FARGATE_SPOT"
PROVIDERS = (FARGATE, SPOT)
WEIGHT_MAX, BASE_MAX = 1000, 100_000


def check_provider(provider: str) -> None:
    """Refuse a capacity provider that does not exist, or does nothing here."""
    if provider not in PROVIDERS:
        raise InvalidParameter("The specified capacity provider was not found.")


def providers_in(request: Request) -> tuple[str, ...]:
    """The ``capacityProviders`` of a cluster, and that its default strategy has no others."""
    providers = tuple(request.get("capacityProviders") or ())
    for provider in providers:
        check_provider(provider)
    check_associated(strategy_in(request.get("defaultCapacityProviderStrategy")), providers)
    return providers


def check_associated(strategy: Strategy, providers: tuple[str, ...]) -> None:
    """Refuse a strategy with a provider that the cluster does not have."""
    if any(name not in providers for name, _, _ in strategy):
        raise InvalidParameter(
            "The specified capacity provider strategy cannot contain a capacity provider that"
            " is not associated with the cluster. Associate the capacity provider with the"
            " cluster and try again."
        )


def strategy_in(items: object) -> Strategy:
    """A capacity provider strategy: provider, weight, base."""
    if not isinstance(items, (list, tuple)):
        return ()
    for item in items:
        check_provider(item["capacityProvider"])
    strategy = tuple(
        (item["capacityProvider"], int(item.get("weight") or 0), int(item.get("base") or 0))
        for item in items
    )
    if len({name for name, _, _ in strategy}) < len(strategy):
        raise InvalidParameter("A capacity provider may be in a strategy only once.")
    if any(not 0 <= w <= WEIGHT_MAX or not 0 <= b <= BASE_MAX for _, w, b in strategy):
        raise InvalidParameter(
            f"The weight must be between 0 and {WEIGHT_MAX}, the base between 0 and {BASE_MAX}."
        )
    if sum(1 for _, _, base in strategy if base) > 1:
        raise InvalidParameter(
            "Only one capacity provider in a capacity provider strategy can have a defined base."
        )
    if len(strategy) > 1 and not any(weight for _, weight, _ in strategy):
        raise InvalidParameter(
            "At least one capacity provider in a capacity provider strategy must have a weight"
            " greater than 0."
        )
    return strategy


def launched_in(request: Request, cluster: Cluster) -> tuple[str, Strategy]:
    """``FARGATE`` by launch type, or by which strategy: the request's, or the cluster's."""
    kind, given = request.get("launchType"), request.get("capacityProviderStrategy")
    if kind and given:
        raise InvalidParameter(
            "Specifying both a launch type and capacity provider strategy is not supported."
            " Remove one and try again."
        )
    strategy = strategy_in(given)
    if not kind and not strategy:
        strategy = cluster.strategy
    if strategy:
        check_associated(strategy, cluster.capacity_providers)
        return BY_PROVIDER, strategy
    if (kind or "EC2") != FARGATE:
        raise unsupported("launchType", kind or "EC2")
    return FARGATE, ()


def spread(strategy: Strategy, held: Mapping[str, int], count: int) -> list[str]:
    """The providers of the next ``count`` tasks: the base first, what is beyond it by weight.

    ``held``: how many tasks each provider has already. The shares never differ from the weights
    by more than a task.
    """
    counts, found = dict(held), []
    for _ in range(count):
        name = _next(strategy, counts)
        counts[name] = counts.get(name, 0) + 1
        found.append(name)
    return found


def _next(strategy: Strategy, counts: Mapping[str, int]) -> str:
    for name, _, base in strategy:
        if counts.get(name, 0) < base:
            return name
    # A strategy of one provider needs no weight.
    weighted = [(name, weight or 1, base) for name, weight, base in strategy if weight]
    weighted = weighted or [(name, 1, base) for name, _, base in strategy]
    return min(weighted, key=lambda one: (counts.get(one[0], 0) - one[2] + 1) / one[1])[0]


@operation("DescribeCapacityProviders")
def describe_capacity_providers(call: Call, request: Request) -> Response:
    """The two that every account has; those of instances do not exist here."""
    wanted = [one.rsplit("/", 1)[-1] for one in request.get("capacityProviders") or PROVIDERS]
    if request.get("cluster"):
        associated = names.cluster_of(call, request["cluster"]).capacity_providers
        wanted = [one for one in wanted if one in associated]
    shown = [
        {"capacityProviderArn": _arn(call, name), "name": name, "status": "ACTIVE", "tags": []}
        for name in PROVIDERS
        if name in wanted
    ]
    failures = [
        {"arn": _arn(call, name), "reason": "MISSING"} for name in wanted if name not in PROVIDERS
    ]
    return {"capacityProviders": shown, "failures": failures}


def _arn(call: Call, name: str) -> str:
    return call.arn("ecs", f"capacity-provider/{name}")


def in_use() -> AwsError:
    """A provider that services or tasks use cannot be taken from its cluster."""
    return AwsError(
        "ResourceInUseException", "The specified capacity provider is in use and cannot be removed."
    )
