"""Removing what must go, dependants first: rollbacks, deletions and the cleanup after updates."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError
from hiyoko.services.cloudformation import rows
from hiyoko.services.cloudformation.errors import PropertyFaultError
from hiyoko.services.cloudformation.model import Doomed
from hiyoko.services.cloudformation.properties import handler_text
from hiyoko.services.cloudformation.run import DELETE_S_MAX, Run
from hiyoko.template.resource_type import NotStabilizedError, Progress, ResourceType, find_type

# What services answer while something still uses the resource. Network interfaces of load
# balancers and tasks go a little later than their owners, so this is tried again.
_BUSY = frozenset({"DependencyViolation", "ResourceInUse", "ResourceInUseException"})
_GONE = ("NotFound", "NoSuch", "InvalidAllocationID", "ClusterNotFound", "ServiceNotFound")

_ENDS = {
    "ROLLBACK_IN_PROGRESS": ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"),
    "DELETE_IN_PROGRESS": ("DELETE_COMPLETE", "DELETE_FAILED"),
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": ("UPDATE_COMPLETE", "UPDATE_COMPLETE"),
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": (
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
    ),
}


def sweep(run: Run) -> bool:
    """One step of removal; at its end the stack comes to rest."""
    doomed = rows.list_doomed(run.call.tx, run.stack.id)
    left = [item for item in doomed if not item.failed]
    if not left:
        _rest(run, doomed)
        return True
    # Judged before the step: a resource goes only after its dependants were seen to be gone.
    free = [item for item in left if not _is_needed(item, doomed)]
    if not free:  # all that is left is held by what could not be deleted
        _rest(run, doomed)
        return True
    moved = [_remove(run, item) for item in free]
    return any(moved)


def _is_needed(item: Doomed, doomed: list[Doomed]) -> bool:
    return any(
        item.logical_id in other.physical.depends_on and other.logical_id != item.logical_id
        for other in doomed
        if not (other.failed and other.retain)
    )


def _remove(run: Run, item: Doomed) -> bool:
    kind = find_type(item.type)
    if item.retain or not item.physical_id or kind is None:
        status = "DELETE_SKIPPED" if item.retain and item.physical_id else "DELETE_COMPLETE"
        _end(run, item, status)
        return True
    moved = False
    if item.started_at is None:
        item = replace(item, started_at=run.call.now)
        rows.put_doomed(run.call.tx, item)
        _tell(run, item, "DELETE_IN_PROGRESS")
        moved = True
    handle = run.handle(item.logical_id, item.physical)
    try:
        with run.call.tx.savepoint():
            if not item.requested:
                kind.delete(handle)
                item = replace(item, requested=True)
                rows.put_doomed(run.call.tx, item)
                moved = True
            progress = kind.gone(handle)
    except (PropertyFaultError, NotStabilizedError) as error:
        _fail(run, item, str(error))
        return True
    except AwsError as error:
        return _refused(run, item, kind, error) or moved
    if progress is Progress.DONE:
        _end(run, item, "DELETE_COMPLETE")
        return True
    return _overdue(run, item, "Exceeded attempts to wait", grace=6) or moved


def _refused(run: Run, item: Doomed, kind: ResourceType, error: AwsError) -> bool:
    """It is gone already, or still in use (tried again for a while), or cannot be deleted."""
    if error.code in kind.missing or any(word in error.code for word in _GONE):
        _end(run, item, "DELETE_COMPLETE")
        return True
    reason = handler_text(error, kind.name.split("::")[1], run.uuid(), run.uuid())
    if error.code in _BUSY or error.code in kind.busy:
        return _overdue(run, item, reason)
    _fail(run, item, reason)
    return True


def _overdue(run: Run, item: Doomed, reason: str, *, grace: int = 1) -> bool:
    assert item.started_at is not None
    left = item.started_at + DELETE_S_MAX * grace - run.call.now
    if left > 0:
        run.wake_in(left)
        return False
    _fail(run, item, reason)
    return True


def _fail(run: Run, item: Doomed, reason: str) -> None:
    rows.put_doomed(run.call.tx, replace(item, failed=True))
    _tell(run, item, "DELETE_FAILED", reason)


def _end(run: Run, item: Doomed, status: str) -> None:
    rows.delete_doomed(run.call.tx, item)
    _tell(run, item, status)
    if "CLEANUP" in run.stack.status:
        row = run.resources.get(item.logical_id)
        if row is not None and row.physical.physical_id == item.physical_id:
            run.forget(item.logical_id)


def _tell(run: Run, item: Doomed, status: str, reason: str = "") -> None:
    """An event, and the resource's own status when it is not only an old one of it."""
    row = run.resources.get(item.logical_id)
    if row is not None and row.physical.physical_id == item.physical_id:
        run.put(replace(row, status=status, reason=reason, at=run.call.now))
        return
    run.tell(item.logical_id, item.physical_id, item.type, status, reason, item.physical.properties)


def _rest(run: Run, failed: list[Doomed]) -> None:
    good, bad = _ENDS[run.stack.status]
    names = ", ".join(item.logical_id for item in failed if item.failed)
    if "CLEANUP" in run.stack.status:
        for item in failed:  # what an update could not clean up is left behind, as on AWS
            rows.delete_doomed(run.call.tx, item)
            row = run.resources.get(item.logical_id)
            if row is not None and row.physical.physical_id == item.physical_id:
                run.forget(item.logical_id)
    if failed and bad != good:
        run.become(bad, f"The following resource(s) failed to delete: [{names}]. ")
        return
    run.become(good)
    if good == "DELETE_COMPLETE":
        run.stack = replace(run.stack, deleted_at=run.call.now, outputs=())
