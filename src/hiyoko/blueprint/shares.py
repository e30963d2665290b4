"""How much each task of a service gets while one deployment takes over from another. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-blue-green.html: the
new tasks get nothing but test traffic at first, then the production traffic's growing share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hiyoko.services.ecs.model import Service, Task

ALL = 100.0
WEIGHT_MAX = 256


@dataclass(frozen=True, slots=True)
class Share:
    """What a task's deployment gets, in percent of production and of test traffic."""

    deployment: str
    production: float
    test: float


def shifts(service: Service) -> bool:
    """Whether a deployment is built up beside the earlier one, and has not taken over yet."""
    return service.primary.staged and service.primary.rollout != "COMPLETED"


def draw_shares(service: Service, tasks: Iterable[Task]) -> dict[str, Share]:
    """The shares of a service's tasks, by their ids: the PRIMARY deployment's, and the rest."""
    new = service.primary
    return {
        task.task_id: Share(new.id, new.weight, new.test_weight)
        if task.deployment == new.id
        else Share("", ALL - new.weight, ALL - new.test_weight)
        for task in tasks
    }


def production_weights(tasks: Sequence[str], shares: Mapping[str, Share]) -> dict[str, int]:
    """The weights of the tasks that get production traffic; one without a share gets any."""
    return _weights(tasks, shares, {one: share.production for one, share in shares.items()})


def test_weights(tasks: Sequence[str], shares: Mapping[str, Share]) -> dict[str, int]:
    """The weights of those that get test traffic, where it goes elsewhere than production."""
    known = [one for one in tasks if one in shares]
    if all(shares[one].test == shares[one].production for one in known):
        return {}
    return _weights(known, shares, {one: share.test for one, share in shares.items()})


def _weights(
    tasks: Sequence[str], shares: Mapping[str, Share], percent: Mapping[str, float]
) -> dict[str, int]:
    """Whole numbers that divide each deployment's percent among its tasks."""
    sides = Counter(shares[one].deployment for one in tasks if one in shares)
    parts = {
        one: percent[one] / sides[shares[one].deployment] if one in shares else ALL for one in tasks
    }
    parts = {one: part for one, part in parts.items() if part > 0}
    most = max(parts.values(), default=0.0)
    if all(part == most for part in parts.values()):
        return dict.fromkeys(parts, 1)
    return {one: max(1, round(WEIGHT_MAX * part / most)) for one, part in parts.items()}
