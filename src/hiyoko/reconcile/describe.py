"""What ``hiyoko cloud status`` shows: every reconciler's last report, and the daemon itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hiyoko.plane.containers.collector import StoreState
from hiyoko.reconcile.balancer_tls import tls_notes
from hiyoko.reconcile.loop import Driver, Loop
from hiyoko.services.route53.seen import DELEGATIONS_SEEN
from hiyoko.store.database import Store

NO_LIMITS = (
    "This host gives no writable cgroup: CPU and memory limits of tasks are not enforced, and there"
    " are no metrics AWS/ECS CPUUtilization and MemoryUtilization to scale by."
)


NO_STORAGE = "Ephemeral storage of tasks has no end but the disk's: {}."


NO_USERS = "Tasks have no user namespaces of their own, so their root is the world's: {}."


def describe(
    store: Store, loop: Loop, limits_enforced: bool, storage_refused: str, users_refused: str
) -> dict[str, Any]:
    """The daemon, the reconcilers, the registrar's delegations; JSON-ready."""
    with store.reading() as tx:
        revision = tx.revision
        notes = [] if limits_enforced else [NO_LIMITS]
        notes += [NO_STORAGE.format(storage_refused)] if storage_refused else []
        notes += [NO_USERS.format(users_refused)] if users_refused else []
        notes += tls_notes(tx)
        delegations = {row.zone_id: row.parent for row in DELEGATIONS_SEEN.list(tx)}
    return {
        "daemon": {"memory_mb": _memory_mb(), "mode": _mode(), "revision": revision},
        "notes": notes,
        "reconcilers": {driver.reconciler.name: _report(driver) for driver in loop.drivers},
        "delegations": delegations,
    }


def describe_images(seen: StoreState) -> dict[str, Any]:
    """How much the image store holds."""
    return {
        "blobs": len(seen.blobs),
        "blob_mb": round(seen.blob_bytes / 1e6, 1),
        "unpacked_layers": len(seen.layers),
        "short_of_space": seen.short_of_space,
    }


def _report(driver: Driver) -> dict[str, Any]:
    return {
        "activations": driver.activations,
        "quiet": driver.report.quiet,
        "steps": driver.report.steps,
        "refusals": driver.report.refusals,
        "last_ms": round(driver.last_s * 1000, 1),
    }


def _memory_mb() -> float:
    """Resident memory (proc(5), statm field 2, in pages)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def _mode() -> str:
    """Root worlds map every id to itself; others run in a user namespace."""
    first = Path("/proc/self/uid_map").read_text().split()
    return "root" if first[:2] == ["0", "0"] and int(first[2]) > 1 << 30 else "rootless"
