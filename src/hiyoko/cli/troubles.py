"""Why tasks do not start: what CloudFormation's events leave out, told while it happens."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from hiyoko.cli.target import Target

REASON_CHARACTERS_MAX = 400
STOPPED_BY_PLAN = ("Scaling activity initiated by", "Task stopped by user")


@dataclass(slots=True)
class Troubles:
    """Stopped tasks' reasons, each told once for a service."""

    target: Target
    cluster: str = ""
    _told: set[tuple[str, str]] = field(default_factory=set)
    _ecs: Any = None

    def news(self) -> list[tuple[str, str]]:
        """Service and reason of what stopped since the last time."""
        if not self.cluster:
            return []
        self._ecs = self._ecs or self.target.client("ecs")
        try:
            arns = self._ecs.list_tasks(cluster=self.cluster, desiredStatus="STOPPED")["taskArns"]
            tasks = (
                self._ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"] if arns else []
            )
        except ClientError:
            return []  # the cluster is not there yet, or not any more
        found = []
        for task in tasks:
            service = task.get("group", "").removeprefix("service:")
            reason = _reason(task)
            if reason and (service, reason) not in self._told:
                self._told.add((service, reason))
                found.append((service, reason))
        return found


def _reason(task: dict[str, Any]) -> str:
    # Ids differ from task to task; what went wrong is mostly the same.
    first = str(task.get("stoppedReason", "")).partition("\n")[0][:REASON_CHARACTERS_MAX]
    reason = re.sub(r"\b[0-9a-f]{32}\b", "(id)", first)
    if reason.startswith(STOPPED_BY_PLAN):
        return ""
    codes = [str(c["exitCode"]) for c in task.get("containers", []) if "exitCode" in c]
    return f"{reason} (exit code {', '.join(codes)})" if codes else reason
