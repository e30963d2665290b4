"""A load balancer's metrics, counted from the heads of its log lines.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hiyoko.plane.balancer.access_log import CLIENT_CLOSED
from hiyoko.plane.balancer.log_context import GroupMeant, LogContext
from hiyoko.plane.balancer.names import OPEN, OPEN_BACKENDS

Dimensions = tuple[tuple[str, str], ...]
HEAD_FIELDS = (10, 12)
"""Without and with what is told of connections to targets."""
COUNT, SECONDS, MILLISECONDS, BYTES = "Count", "Seconds", "Milliseconds", "Bytes"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of one load balancer, or of a part of it."""

    account: str
    region: str
    name: str
    unit: str
    dimensions: Dimensions


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each value of each metric came."""

    values: dict[Metric, dict[float, int]] = field(default_factory=dict)

    def add(self, metric: Metric, value: float, times: int) -> None:
        """The value came so many times more."""
        counts = self.values.setdefault(metric, {})
        counts[value] = counts.get(value, 0) + times


def count_requests(tally: Tally, heads: Mapping[bytes, int], context: LogContext) -> None:
    """Count requests by their heads (see ``log_line``), all of one context."""
    processed = 0
    for head, times in heads.items():
        fields = head.decode("latin-1").split(" ")
        if len(fields) not in HEAD_FIELDS:
            continue  # a line that was cut off
        _, port, status, ended, backend, server, rule, answer_ms, received, sent, *more = fields
        processed += (int(received) + int(sent)) * times
        answered = int(answer_ms) >= 0
        group = context.groups.get(backend)
        target = _name(group)
        counted = _Counted(tally, context, times)
        if server != "<NOSRV>":
            _count_target(counted, group, server, ended, more)
            if server.startswith(OPEN) or backend.startswith(OPEN_BACKENDS):
                counted.targets("UnhealthyRoutingRequestCount", 1, target)
        if answered:
            counted.targets("TargetResponseTime", int(answer_ms) / 1000, target, SECONDS)
            if "2" <= status[0] <= "5":
                counted.targets(f"HTTPCode_Target_{status[0]}XX_Count", 1, target)
        else:
            gone = ended[0] == "C"
            _count_own(counted, CLIENT_CLOSED if gone else int(status))
        _count_rule(counted, port, rule)
    if processed:
        _Counted(tally, context, 1).balancer("ProcessedBytes", processed, BYTES)


def count_errors(
    tally: Tally, heads: Mapping[tuple[bytes, bytes], int], context: LogContext
) -> None:
    """Count connections that never came to a request."""
    for (head, error), times in heads.items():
        status = int(head.split(b" ")[2])
        counted = _Counted(tally, context, times)
        if error not in (b"0", b"-"):
            counted.balancer("ClientTLSNegotiationErrorCount", 1)
        elif status > 0:
            _count_own(counted, status)


def count_connections(
    tally: Tally, context: LogContext, *, new: int, refused: int, active: int | None
) -> None:
    """Count connections with clients and targets; ``active`` is how many there are just now."""
    counted = _Counted(tally, context, 1)
    if new:
        counted.balancer("NewConnectionCount", new)
    if refused:
        counted.balancer("RejectedConnectionCount", refused)
    if active is not None:
        counted.balancer("ActiveConnectionCount", active)


def count_logins(tally: Tally, logins: Mapping[tuple[str, int], int], context: LogContext) -> None:
    """Count what the node's agent has told of logins, by metric and value."""
    for (name, value), times in logins.items():
        unit = MILLISECONDS if name.endswith("Latency") else COUNT
        _Counted(tally, context, times).balancer(name, value, unit)


def _name(group: GroupMeant | None) -> str | None:
    """A target group in a dimension."""
    return group.arn.rsplit(":", 1)[1] if group is not None else None


def _count_target(
    counted: _Counted, group: GroupMeant | None, server: str, ended: str, more: Sequence[str]
) -> None:
    """A request for which a target was chosen; ``more``: where its client was to come back to, and
    what failed on the way."""
    target = _name(group)
    counted.targets("RequestCount", 1, target)
    if target is not None:
        counted.group("RequestCountPerTarget", target)
    if group is not None and group.sticky and more[:1] != [server]:
        counted.balancer("NonStickyRequestCount", 1)
    if ended[0] in "sS" and ended[1] == "C":
        what = "TargetTLSNegotiation" if more[1:] == ["SSL"] else "TargetConnection"
        counted.targets(f"{what}ErrorCount", 1, target)


def _count_own(counted: _Counted, status: int) -> None:
    """An answer that the balancer made itself."""
    if 300 <= status < 600:
        counted.balancer(f"HTTPCode_ELB_{status // 100}XX_Count", 1)
    if status in (500, 502, 503, 504):
        counted.balancer(f"HTTPCode_ELB_{status}_Count", 1)


def _count_rule(counted: _Counted, port: str, number: str) -> None:
    listener = counted.context.listeners.get(port)
    if listener is None or number == "-":
        return
    place = int(number)
    if 0 < place <= len(listener.rules):
        rule = listener.rules[place - 1]
        # The default rule, which is the last one, is not counted.
        looked_at = place if rule.priority else place - 1
        if looked_at:
            counted.balancer("RuleEvaluations", looked_at, zones=False)
        if "redirect" in rule.actions:
            counted.balancer("HTTP_Redirect_Count", 1)
        if "fixed-response" in rule.actions:
            counted.balancer("HTTP_Fixed_Response_Count", 1)


@dataclass(frozen=True, slots=True)
class _Counted:
    """Puts a value into every combination of dimensions that AWS has for it."""

    tally: Tally
    context: LogContext
    times: int

    def balancer(self, name: str, value: float, unit: str = COUNT, *, zones: bool = True) -> None:
        self._put(name, value, unit, (self._balancer,))
        if zones:
            self._put(name, value, unit, (self._zone, self._balancer))

    def targets(self, name: str, value: float, group: str | None, unit: str = COUNT) -> None:
        self.balancer(name, value, unit)
        if group is not None:
            target = ("TargetGroup", group)
            self._put(name, value, unit, (target, self._balancer))
            self._put(name, value, unit, (target, self._zone, self._balancer))

    def group(self, name: str, group: str) -> None:
        target = ("TargetGroup", group)
        self._put(name, 1, COUNT, (target,))
        self._put(name, 1, COUNT, (target, self._balancer))

    @property
    def _balancer(self) -> tuple[str, str]:
        return "LoadBalancer", self.context.balancer

    @property
    def _zone(self) -> tuple[str, str]:
        return "AvailabilityZone", self.context.zone

    def _put(self, name: str, value: float, unit: str, dimensions: Dimensions) -> None:
        metric = Metric(
            self.context.account, self.context.region, name, unit, tuple(sorted(dimensions))
        )
        self.tally.add(metric, float(value), self.times)


def as_json(tally: Tally) -> list[list[object]]:
    """A tally for the wire."""
    return [
        [m.account, m.region, m.name, m.unit, m.dimensions, list(counts.items())]
        for m, counts in tally.values.items()
    ]


def from_json(raw: Iterable[list[object]]) -> Tally:
    """A tally from the wire."""
    tally = Tally()
    for account, region, name, unit, dimensions, counts in raw:
        pairs: list[list[str]] = dimensions  # type: ignore[assignment]
        metric = Metric(
            str(account), str(region), str(name), str(unit), tuple((k, v) for k, v in pairs)
        )
        values: list[tuple[float, int]] = counts  # type: ignore[assignment]
        tally.values[metric] = {float(value): int(times) for value, times in values}
    return tally
