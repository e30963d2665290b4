"""Traffic moved from one deployment of a service to the next, stage by stage.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError, Call
from hiyoko.services.ecs import rollout
from hiyoko.services.ecs.model import Deployment, LoadBalancer, Service
from hiyoko.services.ecs.rollout import Pause
from hiyoko.services.ecs.seen import PROXIES_SEEN


def groups(
    before: Deployment | None, balancers: tuple[LoadBalancer, ...], *, switch: bool
) -> tuple[str, ...]:
    """Which of its two target groups a new deployment's tasks get into, for each load balancer.

    ``switch``: the other one than those of the deployment ``before``; else the same one.
    """
    used = {one.group_arn for one in before.served} if before is not None else set()
    chosen = []
    for one in balancers:
        free = [group for group in one.groups if (group in used) != switch]
        chosen.append(free[0] if free and used & set(one.groups) else one.group_arn)
    return tuple(chosen)


def shift(call: Call, deployment: Deployment, *, production: bool, test: bool) -> bool:
    """Give it its share of production and of test traffic; whether any request is sent elsewhere.

    AwsError as elbv2 has it when a rule is gone or forwards no more.
    """
    changed = False
    for configured, one in zip(deployment.load_balancers, deployment.served, strict=True):
        advanced = configured.advanced
        if advanced is None:
            continue
        other = next(group for group in configured.groups if group != one.group_arn)
        wanted = [(advanced.production_rule, deployment.weight)] if production else []
        if test and advanced.test_rule:
            wanted.append((advanced.test_rule, deployment.test_weight))
        for rule, percent in wanted:
            shares = [
                {"TargetGroupArn": one.group_arn, "Percent": percent},
                {"TargetGroupArn": other, "Percent": 100.0 - percent},
            ]
            answer = call.invoke("elbv2", "_ShiftTraffic", {"RuleArn": rule, "Shares": shares})
            changed |= bool(answer["Changed"])
    return changed


def rules(deployment: Deployment) -> tuple[str, ...]:
    """The rules that its traffic comes by."""
    found = (one.advanced for one in deployment.load_balancers if one.advanced is not None)
    return tuple(rule for one in found for rule in (one.production_rule, one.test_rule) if rule)


def shifted(call: Call, deployment: Deployment) -> bool:
    """Whether load balancers and proxies have followed what was changed in this stage."""
    if not _proxies_follow(call, deployment):
        return False
    if deployment.shifted_at is None:
        return True
    request = {"RuleArns": rules(deployment), "Since": deployment.shifted_at}
    try:
        return bool(call.invoke("elbv2", "_TrafficShifted", request)["Done"])
    except AwsError:
        # A rule was deleted under the deployment. There is nothing to wait for; the next shift by
        # it fails, and is told in the service's history.
        return True


def _proxies_follow(call: Call, deployment: Deployment) -> bool:
    """Whether each proxy of Service Connect that leads to it shares traffic as it says."""
    if not deployment.staged or deployment.connect is None:
        return True
    mine = {one.registry.rpartition("/")[2] for one in deployment.connect.services}
    followed = {share for row in PROXIES_SEEN.list(call.tx) for share in row.shares}
    return all(share == deployment.shares for registry, share in followed if registry in mine)


def enter(
    call: Call, service: Service, deployment: Deployment, stage: str, weights: tuple[float, float]
) -> Deployment:
    """The deployment in a new stage, with its shares of production and test traffic."""
    new = replace(
        deployment,
        stage=stage,
        stage_at=call.now,
        updated_at=call.now,
        weight=weights[0],
        test_weight=weights[1],
        pauses=(*deployment.pauses, *_pauses(call, service, deployment, stage)),
    )
    production = stage in (rollout.RECONCILE, rollout.SHIFT)
    # A rollback gives the test traffic back together with the rest.
    back = stage == rollout.SHIFT and bool(deployment.rolling_back_to)
    test = stage in (rollout.RECONCILE, rollout.TEST_SHIFT) or back
    changed = shift(call, new, production=production, test=test)
    return replace(new, shifted_at=call.now if changed else None)


def _pauses(call: Call, service: Service, deployment: Deployment, stage: str) -> tuple[Pause, ...]:
    if deployment.rolling_back_to:
        return ()
    return tuple(
        Pause(f"ecs-pause-{call.ids.hex(43)}", call.now + 60 * hook.timeout_min, hook.action)
        for hook in service.deployment_strategy.hooks
        if stage in hook.stages
    )
