"""What CreateService and UpdateService ask for, checked in the order of AWS's own checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hiyoko.api import AwsError, Call, Request, unsupported
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.model import LoadBalancer, TaskDefinition

NOT_HERE = (
    "serviceRegistries",
    "placementConstraints",
    "placementStrategy",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "role",
    "monitoring",
    "gatewayConnectors",
)


@dataclass(frozen=True, slots=True)
class Rollout:
    """deploymentConfiguration."""

    minimum: int = 100
    maximum: int = 200
    breaker: bool = False
    rollback: bool = False
    threshold: tuple[str, int] | None = None
    reset_on_healthy: bool | None = None


def refuse_ineffective(request: Request) -> None:
    """Refuse by name what would have no effect."""
    for member in NOT_HERE:
        if request.get(member):
            raise unsupported(member)
    if (request.get("serviceConnectConfiguration") or {}).get("enabled"):
        raise unsupported("serviceConnectConfiguration")
    if (request.get("schedulingStrategy") or "REPLICA") != "REPLICA":
        raise unsupported("schedulingStrategy", request["schedulingStrategy"])
    controller = (request.get("deploymentController") or {}).get("type", "ECS")
    if controller != "ECS":
        raise unsupported("deploymentController.type", controller)


def rollout_in(config: dict[str, Any], old: Rollout) -> Rollout:
    """The deploymentConfiguration; what it leaves out stays as in ``old``."""
    known = {
        "maximumPercent",
        "minimumHealthyPercent",
        "deploymentCircuitBreaker",
        "strategy",
        "bakeTimeInMinutes",
        "alarms",
    }
    for member, value in config.items():
        if member not in known and value:
            raise unsupported(f"deploymentConfiguration.{member}")
    if (config.get("strategy") or "ROLLING") != "ROLLING":
        raise unsupported("deploymentConfiguration.strategy", config["strategy"])
    if config.get("bakeTimeInMinutes"):
        raise unsupported("deploymentConfiguration.bakeTimeInMinutes")
    if (config.get("alarms") or {}).get("enable"):
        raise unsupported("deploymentConfiguration.alarms")
    breaker = config.get("deploymentCircuitBreaker") or {}
    threshold = breaker.get("thresholdConfiguration")
    if threshold and threshold["value"] < 1:
        raise InvalidParameter("The value of thresholdConfiguration must be at least 1.")
    reset = breaker.get("resetOnHealthyTask")
    minimum, maximum = config.get("minimumHealthyPercent"), config.get("maximumPercent")
    rollout = Rollout(
        old.minimum if minimum is None else int(minimum),
        old.maximum if maximum is None else int(maximum),
        bool(breaker.get("enable", old.breaker)),
        bool(breaker.get("rollback", old.rollback)),
        (threshold["type"], int(threshold["value"])) if threshold else old.threshold,
        old.reset_on_healthy if reset is None else bool(reset),
    )
    if rollout.minimum == rollout.maximum == 100:
        raise InvalidParameter(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block"
            " deployments."
        )
    if rollout.maximum < 100 or not 0 <= rollout.minimum <= rollout.maximum:
        raise InvalidParameter(
            "The maximumPercent must be at least 100 and not below minimumHealthyPercent."
        )
    return rollout


def rebalancing_in(request: Request, maximum: int, old: bool | None) -> bool:
    """availabilityZoneRebalancing; without a word ``old``, and ENABLED where there is no old one.

    It needs room for one more task than desired.
    """
    said = request.get("availabilityZoneRebalancing")
    wanted = said == "ENABLED" if said else maximum > 100 if old is None else old
    if wanted and maximum <= 100:
        raise InvalidParameter(
            "The service cannot use Availability Zone rebalancing when maximumPercent is less than"
            " or equal to 100."
        )
    return wanted


def load_balancers_in(
    call: Call, items: object, definition: TaskDefinition
) -> tuple[LoadBalancer, ...]:
    """The ``loadBalancers``: containers, ports and target groups that really exist and fit."""
    if not isinstance(items, (list, tuple)):
        return ()
    if len(items) > 5:
        raise InvalidParameter("load balancers can have at most 5 items.")
    return tuple(_load_balancer(call, item, definition) for item in items)


def _load_balancer(call: Call, item: dict[str, Any], definition: TaskDefinition) -> LoadBalancer:
    for member in ("loadBalancerName", "advancedConfiguration"):
        if item.get(member):
            raise unsupported(f"loadBalancers.{member}")
    arn, name = item.get("targetGroupArn") or "", item.get("containerName") or ""
    port = int(item.get("containerPort") or 0)
    container = definition.container(name)
    if container is None:
        raise InvalidParameter(f"The container {name} does not exist in the task definition.")
    if port not in [one.container_port for one in container.ports]:
        raise InvalidParameter(
            f"The container {name} did not have a container port {port} defined."
        )
    try:
        answer = call.invoke("elbv2", "DescribeTargetGroups", {"TargetGroupArns": [arn]})
    except AwsError as error:
        raise InvalidParameter(
            f"Unable to retrieve the target group {arn}: {error.message} (ErrorCode: {error.code})"
        ) from error
    group = answer["TargetGroups"][0]
    if group["TargetType"] != "ip":
        raise InvalidParameter(
            f"The provided target group {arn} has target type {group['TargetType']}, which is"
            " incompatible with the awsvpc network mode specified in the task definition."
        )
    if not group.get("LoadBalancerArns"):
        raise InvalidParameter(
            f"The target group with targetGroupArn {arn} does not have an associated load balancer."
        )
    return LoadBalancer(arn, name, port)
