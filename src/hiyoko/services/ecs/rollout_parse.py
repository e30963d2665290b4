"""What a deploymentConfiguration asks for besides percentages and circuit breaker.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hiyoko.api import unsupported
from hiyoko.services.ecs import rollout
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.rollout import (
    CANARY_STEP,
    LINEAR_STEP,
    Alarms,
    DeploymentStrategy,
    EarlySuccess,
    PauseHook,
    Step,
)

MINUTES_MAX = 1440
UNPAUSABLE = (rollout.TEST_SHIFT, rollout.SHIFT)
STAGED = ("BLUE_GREEN", "LINEAR", "CANARY")


def strategy_in(
    config: dict[str, Any], old: DeploymentStrategy, minimum: int
) -> DeploymentStrategy:
    """The strategy; what ``config`` leaves out stays as in ``old``, if it belongs to it.

    ``minimum``: the minimumHealthyPercent that goes with it.
    """
    kind = config.get("strategy") or old.kind
    if kind != old.kind:
        old = DeploymentStrategy(kind, old.bake_min, alarms=old.alarms)
    bake = config.get("bakeTimeInMinutes")
    bake = old.bake_min if bake is None else _minutes("bakeTimeInMinutes", bake)
    if kind == "BLUE_GREEN" and bake is None:
        raise InvalidParameter(
            "bakeTimeInMinutes is required when using the BLUE_GREEN deployment strategy."
        )
    return replace(
        old,
        bake_min=bake,
        step=_step(config, kind, old.step),
        alarms=_alarms(config.get("alarms"), old.alarms),
        hooks=_hooks(config.get("lifecycleHooks"), kind, old.hooks),
        early=_early(config.get("earlySuccessCriteria"), kind, old.early, minimum),
    )


def _minutes(member: str, value: int) -> int:
    if not 0 <= value <= MINUTES_MAX:
        raise InvalidParameter(f"{member} must be between 0 and {MINUTES_MAX}.")
    return int(value)


def _step(config: dict[str, Any], kind: str, old: Step | None) -> Step | None:
    linear, canary = config.get("linearConfiguration"), config.get("canaryConfiguration")
    for member, given, owner in (
        ("linearConfiguration", linear, "LINEAR"),
        ("canaryConfiguration", canary, "CANARY"),
    ):
        if given is not None and kind != owner:
            raise InvalidParameter(f"{member} is only valid with the {owner} deployment strategy.")
    if kind == "LINEAR":
        return _step_in(linear or {}, "step", 3.0, old or LINEAR_STEP)
    if kind == "CANARY":
        return _step_in(canary or {}, "canary", 0.1, old or CANARY_STEP)
    return None


def _step_in(given: dict[str, Any], name: str, least: float, old: Step) -> Step:
    percent, minutes = given.get(f"{name}Percent"), given.get(f"{name}BakeTimeInMinutes")
    percent = old.percent if percent is None else float(percent)
    tenths = percent * 10
    if not least <= percent <= 100 or not math.isclose(tenths, round(tenths), abs_tol=1e-6):
        raise InvalidParameter(
            f"{name}Percent must be a multiple of 0.1 between {least} and 100.0."
        )
    minutes = old.bake_min if minutes is None else _minutes(f"{name}BakeTimeInMinutes", minutes)
    return Step(percent, minutes)


def _alarms(given: dict[str, Any] | None, old: Alarms | None) -> Alarms | None:
    """An alarm need not be there yet: one that refers to the service is made after it."""
    if given is None:
        return old
    # The console's and the CLI's habit: several names in one string.
    names = [name.strip() for item in given["alarmNames"] for name in item.split(",")]
    if given["enable"] and not any(names):
        raise InvalidParameter("alarmNames cannot be empty when alarms are enabled.")
    return Alarms(tuple(filter(None, names)), given["enable"], given["rollback"])


def _hooks(
    given: list[dict[str, Any]] | None, kind: str, old: tuple[PauseHook, ...]
) -> tuple[PauseHook, ...]:
    if given is None:
        return old
    if given and kind not in STAGED:
        raise InvalidParameter(
            f"lifecycleHooks cannot be used with the {kind} deployment strategy."
        )
    return tuple(_hook(item) for item in given)


def _hook(item: dict[str, Any]) -> PauseHook:
    target = item.get("targetType") or "AWS_LAMBDA"
    if target != "PAUSE":
        raise unsupported("deploymentConfiguration.lifecycleHooks.targetType", target)
    for member in ("hookTargetArn", "hookDetails", "roleArn"):
        if item.get(member):
            raise InvalidParameter(f"{member} is not applicable for PAUSE hooks.")
    stages = tuple(item.get("lifecycleStages") or ())
    if not stages:
        raise InvalidParameter("lifecycleStages is required for a lifecycle hook.")
    for stage in stages:
        if stage in UNPAUSABLE:
            raise InvalidParameter(f"PAUSE hooks cannot be configured at {stage}.")
    timeout = item.get("timeoutConfiguration") or {}
    default = PauseHook(stages)
    return PauseHook(
        stages,
        timeout.get("timeoutInMinutes") or default.timeout_min,
        timeout.get("action") or default.action,
    )


def _early(
    given: dict[str, Any] | None, kind: str, old: EarlySuccess | None, minimum: int
) -> EarlySuccess | None:
    if given is None:
        return old
    if not given["enable"]:
        return None
    if kind != "ROLLING":
        raise InvalidParameter(
            "earlySuccessCriteria can only be used with the ROLLING deployment strategy."
        )
    percent, cleanup = given.get("healthyPercent"), given.get("sourceServiceRevisionCleanup")
    if percent is None or cleanup is None:
        raise InvalidParameter(
            "healthyPercent and sourceServiceRevisionCleanup are required when"
            " earlySuccessCriteria is enabled."
        )
    if percent < minimum:
        raise InvalidParameter(
            "healthyPercent must be greater than or equal to minimumHealthyPercent."
        )
    return EarlySuccess(int(percent), cleanup == "DEFERRED")
