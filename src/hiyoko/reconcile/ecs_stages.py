"""Which stage a deployment that shifts traffic enters next: a pure function.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html

A stage is left when what it is for is done, when load balancers and Service Connect's proxies have
followed a shift, and when no hook holds it. A rollback has three stages only: the earlier revision
is made whole, gets all traffic at once, and what was to take over goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.reconcile.ecs_actions import Advance
from hiyoko.services.ecs.model import Deployment, Service, rollout

ALL = 100.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stage waits for.

    ``whole``: the PRIMARY deployment has all its tasks, and they are healthy; ``enough``: as many
    as have to be at any time. ``others``: tasks are there of neither the PRIMARY deployment nor of
    the one that it takes over from. ``shifted``: load balancers do what the rules say, and
    Service Connect's proxies what the shares say.
    """

    whole: bool
    enough: bool
    others: bool
    shifted: bool


def next_stage(service: Service, around: Surroundings, now: float) -> Advance | float | None:
    """The stage to enter; after how many seconds to look again; None: when something changes."""
    one = service.primary
    open_pauses = [pause.expires_at - now for pause in one.pauses if pause.waits]
    if open_pauses:
        return max(0.0, min(open_pauses))
    if not around.shifted:
        return None
    return _back(one, around) if one.rolling_back_to else _forth(service, around, now)


def _back(one: Deployment, around: Surroundings) -> Advance | None:
    match one.stage:
        case "":
            return Advance(rollout.SCALE_UP, one.weight, one.test_weight)
        case rollout.SCALE_UP if around.enough:
            return Advance(rollout.SHIFT, ALL, ALL)
        case rollout.SHIFT:
            return Advance(rollout.CLEAN_UP, ALL, ALL)
    return None


def _forth(service: Service, around: Surroundings, now: float) -> Advance | float | None:
    one, strategy = service.primary, service.deployment_strategy
    following = {
        rollout.PRE_SCALE_UP: rollout.SCALE_UP,
        rollout.POST_SCALE_UP: rollout.TEST_SHIFT,
        rollout.TEST_SHIFT: rollout.POST_TEST_SHIFT,
        rollout.POST_TEST_SHIFT: rollout.PRE_SHIFT,
        rollout.PRE_SHIFT: rollout.SHIFT,
        rollout.POST_SHIFT: rollout.BAKE,
    }
    stage, wait_s = following.get(one.stage, ""), 0.0
    match one.stage:
        case "":
            stage = rollout.RECONCILE if around.others else rollout.PRE_SCALE_UP
        case rollout.RECONCILE if not around.others:
            stage = rollout.PRE_SCALE_UP
        case rollout.SCALE_UP if around.whole:
            stage = rollout.POST_SCALE_UP
        case rollout.SHIFT if one.weight < ALL:
            stage, wait_s = rollout.PRE_SHIFT, strategy.step_s
        case rollout.SHIFT:
            stage = rollout.POST_SHIFT
        case rollout.BAKE:
            stage, wait_s = rollout.CLEAN_UP, strategy.bake_s
    if not stage:
        return None
    left = one.stage_at + wait_s - now
    if wait_s and left > 0:
        return left
    weight = strategy.next_weight(one.weight) if stage == rollout.SHIFT else one.weight
    return Advance(stage, weight, ALL if stage == rollout.TEST_SHIFT else one.test_weight)
