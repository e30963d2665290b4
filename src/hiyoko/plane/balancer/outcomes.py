"""How targets have fared in the last minute: requests and failures of each, from the log lines.

What counts as a failure is what AWS's anomaly detection looks at: a 5xx of the target's own, and a
connection that failed. A target that only takes too long has not failed.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#automatic-target-weights
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hiyoko.plane.balancer.counting import HEAD_FIELDS
from hiyoko.plane.balancer.log_context import LogContext
from hiyoko.plane.balancer.names import OPEN

KEPT_S = 60
Name = tuple[str, str]
"""A target group's ARN, and ``address:port`` of a target."""
ByGroup = dict[str, dict[str, tuple[int, int]]]
"""Requests and failures of each target, by target group."""


def target_outcomes(
    heads: Mapping[bytes, int], context: LogContext
) -> Iterator[tuple[Name, bool, int]]:
    """From the heads of log lines (see ``log_line``): whose, whether failed, how many times."""
    for head, times in heads.items():
        fields = head.decode("latin-1").split(" ")
        if len(fields) not in HEAD_FIELDS:
            continue  # a line that was cut off
        _, _, status, ended, backend, server, _, answer_ms, *_ = fields
        group = context.groups.get(backend)
        if group is None or server == "<NOSRV>":
            continue
        if int(answer_ms) >= 0:
            yield (group.arn, server.removeprefix(OPEN)), status[0] == "5", times
        elif ended[0] == "S" or ended[:2] == "sC":
            yield (group.arn, server.removeprefix(OPEN)), True, times
        # Else the client has gone, or the target took too long: nothing is known of it.


@dataclass(slots=True)
class Outcomes:
    """Counts by second; what is older than ``KEPT_S`` is forgotten."""

    seconds: dict[int, dict[Name, list[int]]] = field(default_factory=dict)

    def add(self, now: float, outcomes: Iterable[tuple[Name, bool, int]]) -> None:
        """Requests that have ended just now: whose, whether failed, and how many times."""
        counted = self.seconds.setdefault(int(now), {})
        for name, bad, times in outcomes:
            counts = counted.setdefault(name, [0, 0])
            counts[0] += times
            counts[1] += times if bad else 0
        for second in [second for second in self.seconds if second <= now - KEPT_S]:
            del self.seconds[second]

    def since(self, begin: float) -> ByGroup:
        """The sums of the seconds that began after a moment."""
        found: ByGroup = {}
        for second, counted in self.seconds.items():
            if second <= begin:
                continue
            for (group, target), (requests, failures) in counted.items():
                by_target = found.setdefault(group, {})
                before = by_target.get(target, (0, 0))
                by_target[target] = before[0] + requests, before[1] + failures
        return found


def from_json(raw: Mapping[str, Mapping[str, list[int]]]) -> ByGroup:
    """From the wire."""
    return {
        group: {target: (counts[0], counts[1]) for target, counts in targets.items()}
        for group, targets in raw.items()
    }
