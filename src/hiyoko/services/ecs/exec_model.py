"""What ECS keeps of ECS Exec's sessions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExecSession:
    """A session that was given out. Whoever has its token may open its stream, once.

    Without a ``log_group`` it is not logged. ``ended_at`` is None for one whose end nobody could
    note: the process that had its stream was killed.
    """

    id: str
    token: str
    task_arn: str
    container: str
    runtime_id: str
    command: str
    created_at: float
    log_group: str = ""
    log_region: str = ""
    account: str = ""
    region: str = ""
    owner: str = ""
    """The ARN of who asked for it."""
    opened_at: float | None = None
    ended_at: float | None = None

    @property
    def target(self) -> str:
        """What Session Manager calls the container: CLUSTER, task and runtime id."""
        cluster, task_id = self.task_arn.split("/")[-2:]
        return f"ecs:{cluster}_{task_id}_{self.runtime_id}"


@dataclass(frozen=True, slots=True)
class SessionTerminated:
    """Said when somebody wants the end of a session: whoever has its stream ends it."""

    id: str
