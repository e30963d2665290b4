"""What logins come to, told to whoever counts: lines in the node's own pipe of log lines.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.balancer.agent.answer import PROVIDER_SAID_NO, Refuse
from hiyoko.plane.balancer.pipe import write_line

ERROR, FAILURE, LATENCY = "ELBAuthError", "ELBAuthFailure", "ELBAuthLatency"
SUCCESS, REFRESHED = "ELBAuthSuccess", "ELBAuthRefreshTokenSuccess"
TOO_LARGE = "ELBAuthUserClaimsSizeExceeded"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Counts into the pipe of a node's directory; nowhere when there is none."""

    node: Path | None = None

    def note(self, name: str, value: int = 1) -> None:
        """Count a value of a metric. With a full pipe, which nobody reads, it is lost."""
        if self.node is not None:
            write_line(self.node, f"G {name} {value}\n".encode())

    def refused(self, answer: Refuse) -> None:
        """Count a login that the provider refused, or that came to nothing otherwise."""
        self.note(FAILURE if answer is PROVIDER_SAID_NO else ERROR)
