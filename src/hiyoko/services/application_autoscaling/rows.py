"""Application Auto Scaling's rows in the store."""

from __future__ import annotations

from hiyoko.services.application_autoscaling.errors import not_found
from hiyoko.services.application_autoscaling.model import (
    ACTIVITIES_KEPT_S,
    Activity,
    Policy,
    ScalableTarget,
    ScheduledAction,
)
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

_TARGET = ("account", "region", "resource_id")

TARGETS = Table("scaling_target", ScalableTarget, key=_TARGET, index=("arn",))
POLICIES = Table("scaling_policy", Policy, key=(*_TARGET, "name"), index=("arn",))
SCHEDULES = Table("scaling_schedule", ScheduledAction, key=(*_TARGET, "name"))
ACTIVITIES = Table("scaling_activity", Activity, key=(*_TARGET, "sequence"), index=("unfulfilled",))


def place(row: ScalableTarget | Policy | ScheduledAction | Activity) -> dict[str, str]:
    """The key columns that all rows of one scalable target share."""
    return {"account": row.account, "region": row.region, "resource_id": row.resource_id}


def find_target(
    tx: Transaction, account: str, region: str, resource_id: str
) -> ScalableTarget | None:
    """The scalable target of a service."""
    return TARGETS.find(tx, account=account, region=region, resource_id=resource_id)


def get_target(tx: Transaction, account: str, region: str, resource_id: str) -> ScalableTarget:
    """The scalable target that something is put on. Raises ObjectNotFoundException."""
    target = find_target(tx, account, region, resource_id)
    if target is None:
        raise not_found("scalable target registered", resource_id)
    return target


def list_policies(tx: Transaction, target: ScalableTarget) -> list[Policy]:
    """The policies of a scalable target, by name."""
    return POLICIES.list(tx, **place(target))


def list_activities(tx: Transaction, target: ScalableTarget) -> list[Activity]:
    """The activities of a scalable target, newest first."""
    return ACTIVITIES.list(tx, **place(target))[::-1]


def put_activity(tx: Transaction, activity: Activity) -> None:
    """Write an activity."""
    ACTIVITIES.put(tx, activity)


def next_sequence(tx: Transaction, target: ScalableTarget) -> int:
    """The number of the target's next activity."""
    last = tx.execute(
        "SELECT max(sequence) FROM scaling_activity WHERE account = ? AND region = ?"
        " AND resource_id = ?",
        (target.account, target.region, target.resource_id),
    ).fetchone()[0]
    return (last or 0) + 1


def expire_activities(tx: Transaction, target: ScalableTarget, now: float) -> None:
    """Forget what AWS would not tell any more."""
    for activity in ACTIVITIES.list(tx, **place(target)):
        if activity.started_at > now - ACTIVITIES_KEPT_S:
            return
        ACTIVITIES.delete(tx, **place(target), sequence=activity.sequence)


def any_in_progress(tx: Transaction) -> bool:
    """Whether any change of any service waits for its tasks."""
    return ACTIVITIES.find(tx, unfulfilled=1) is not None
