"""What CreateService and UpdateService ask for, checked in the order of AWS's own checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, unsupported
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.model import LoadBalancer, TaskDefinition
from hiyoko.services.ecs.rollout import ROLLING, Advanced, DeploymentStrategy
from hiyoko.services.ecs.rollout_parse import strategy_in
from hiyoko.services.iam import rows as iam

ECS = "ecs.amazonaws.com"
"""The service that shifts traffic with the role of an advancedConfiguration."""

NOT_HERE = (
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
    strategy: DeploymentStrategy = ROLLING


def refuse_ineffective(request: Request) -> None:
    """Refuse by name what would have no effect."""
    for member in NOT_HERE:
        if request.get(member):
            raise unsupported(member)
    if (request.get("schedulingStrategy") or "REPLICA") != "REPLICA":
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service-options.html
        raise InvalidParameter(
            "Fargate tasks do not support the DAEMON scheduling strategy: use REPLICA."
        )
    controller = (request.get("deploymentController") or {}).get("type", "ECS")
    if controller != "ECS":
        raise unsupported("deploymentController.type", controller)


def rollout_in(config: dict[str, Any], old: Rollout) -> Rollout:
    """The deploymentConfiguration; what it leaves out stays as in ``old``."""
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
    strategy = strategy_in(config, old.strategy, rollout.minimum)
    rollout = replace(rollout, strategy=strategy)
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
    call: Call, items: object, definition: TaskDefinition, kind: str
) -> tuple[LoadBalancer, ...]:
    """The ``loadBalancers``: containers, ports and target groups that really exist and fit.

    ``kind`` is the deployment strategy: all but ROLLING shift traffic, or have none to shift.
    """
    if not isinstance(items, (list, tuple)):
        items = ()
    if len(items) > 5:
        raise InvalidParameter("load balancers can have at most 5 items.")
    balancers = tuple(_load_balancer(call, item, definition) for item in items)
    if kind != "ROLLING" and any(one.advanced is None for one in balancers):
        raise InvalidParameter(
            "advancedConfiguration field is required for all loadBalancers when using a"
            " non-ROLLING deployment strategy."
        )
    return balancers


def _load_balancer(call: Call, item: dict[str, Any], definition: TaskDefinition) -> LoadBalancer:
    if item.get("loadBalancerName"):
        raise unsupported("loadBalancers.loadBalancerName")
    arn, name = item.get("targetGroupArn") or "", item.get("containerName") or ""
    port = int(item.get("containerPort") or 0)
    container = definition.container(name)
    if container is None:
        raise InvalidParameter(f"The container {name} does not exist in the task definition.")
    if port not in [one.container_port for one in container.ports]:
        raise InvalidParameter(
            f"The container {name} did not have a container port {port} defined."
        )
    _check_group(call, arn)
    return LoadBalancer(arn, name, port, _advanced(call, item.get("advancedConfiguration"), arn))


def _check_group(call: Call, arn: str) -> None:
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


def _advanced(call: Call, given: dict[str, Any] | None, group: str) -> Advanced | None:
    """advancedConfiguration: two groups, and rules that forward to nothing else."""
    if not given:
        return None
    for member in ("alternateTargetGroupArn", "productionListenerRule", "roleArn"):
        if not given.get(member):
            raise InvalidParameter(f"advancedConfiguration.{member} is required.")
    alternate = given["alternateTargetGroupArn"]
    if alternate == group:
        raise InvalidParameter(
            "alternateTargetGroupArn must be another target group than targetGroupArn."
        )
    _check_group(call, alternate)
    role = iam.find_role_by_arn(call.tx, given["roleArn"])
    if role is None or not role.trusts(ECS):
        raise InvalidParameter(
            f"ECS was unable to assume the role '{given['roleArn']}' of advancedConfiguration: it"
            f" must exist and trust {ECS}."
        )
    production, test = given["productionListenerRule"], given.get("testListenerRule") or ""
    for rule in filter(None, (production, test)):
        _check_rule(call, rule, {group, alternate})
    return Advanced(alternate, production, given["roleArn"], test)


def _check_rule(call: Call, arn: str, groups: set[str]) -> None:
    try:
        answer = call.invoke("elbv2", "DescribeRules", {"RuleArns": [arn]})
    except AwsError as error:
        raise InvalidParameter(
            f"Unable to retrieve the listener rule {arn}: {error.message} (ErrorCode: {error.code})"
        ) from error
    (rule,) = answer["Rules"]
    forwarded = {
        one["TargetGroupArn"]
        for action in rule["Actions"]
        for one in (action.get("ForwardConfig") or {}).get("TargetGroups", ())
    }
    if not forwarded or forwarded - groups:
        raise InvalidParameter(
            f"The listener rule {arn} must forward to the target group of the load balancer"
            " configuration or to its alternate target group, and to no other."
        )
