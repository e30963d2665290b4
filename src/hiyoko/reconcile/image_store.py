"""The image store is kept from growing for ever: what nothing needs goes, what runs stays.

Needed is what an image in ECR or of the public registries leads to, what a service's revisions are
pinned to, and what the tasks on disk were made from. While an image is being pulled nothing is
taken. See ``plane.containers.collector`` for how, and docs/explanation/the-image-store.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hiyoko import api
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.containers.blobs import Blobs
from hiyoko.plane.containers.collector import Collector, Marks, steps
from hiyoko.plane.containers.plane import ContainerPlane
from hiyoko.reconcile.report import Report
from hiyoko.services.ecr import rows as ecr
from hiyoko.services.ecs import rows as ecs
from hiyoko.store.database import Store, Transaction

LAYERS_KNOWN_S = 24 * 3600.0
"""How long a pushed layer is known to be there before an image has it."""
BUSY_S = 60.0


def linked(manifest: str) -> Iterator[str]:
    """Digests that a manifest leads to: layers and configuration, or an index's members."""
    document = json.loads(manifest)
    config = [document["config"]] if "config" in document else []
    for link in (*config, *document.get("layers", ()), *document.get("manifests", ())):
        yield link["digest"]


def needed_blobs(tx: Transaction, blobs: Blobs) -> frozenset[str]:
    """Every digest that a row leads to."""
    found: set[str] = set()
    for image in ecr.IMAGES.list(tx):
        found |= {image.digest, *linked(image.manifest)}
    for public in ecr.PUBLIC_IMAGES.list(tx):
        found.add(public.digest)
        if blobs.has(public.digest):
            found |= set(linked(blobs.read(public.digest).decode()))
    return frozenset(found | {layer.digest for layer in ecr.LAYERS.list(tx)})


def pinned(tx: Transaction) -> frozenset[str]:
    """The digests that services' revisions and tasks hold on to."""
    found = {image.digest for row in ecs.REVISIONS.list(tx) for image in row.images}
    for task in ecs.TASKS.list(tx):
        found |= {digest for _, digest in task.digests}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class ImageStoreReconciler:
    """Sweeps every ten minutes; when the last sweep was, a file's time says."""

    store: Store
    containers: ContainerPlane
    collector: Collector
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's name."""
        return "image_store"

    async def activate(self) -> Report:
        """Forget what no row needs, then mark and sweep."""
        report = Report()
        now = self.clock.now()
        left = self.collector.due_s(now)
        if left > 0:
            report.again_s = left
            return report
        if self.containers.pulling:
            report.again_s = BUSY_S
            return report
        self._forget(now)
        images = self.containers.images()
        with self.store.reading() as tx:
            blobs = needed_blobs(tx, Blobs(self.collector.image_dir))
        configs = {image.config for image in images}
        layers = {layer for image in images for layer in image.layers}
        marks = Marks(blobs | configs, frozenset(layers))
        seen = await asyncio.to_thread(self.collector.observe)
        for step in steps(marks, seen, now):
            with report.attempt(step):
                await self.collector.apply(step)
        self.collector.note_sweep(now)
        return report

    def _forget(self, now: float) -> None:
        """Rows of layers that an image has by now, and of public images that nobody names."""
        with self.store.reading() as tx:
            held = pinned(tx)
            public = ecr.PUBLIC_IMAGES.list(tx)
            old = [layer for layer in ecr.LAYERS.list(tx) if self._is_old(layer.pushed_at, now)]
        members = set(self._members(image.digest for image in public if image.tag[:1] != "@"))
        forgotten = [
            image.tag
            for image in public
            if image.tag.startswith("@")
            and image.digest not in held | members
            and self._is_old(image.created_at, now)
        ]
        if old:
            before = {"Before": now - LAYERS_KNOWN_S}
            api.invoke(self.store, "ecr", "_ForgetLayers", before, clock=self.clock)
        if forgotten:
            named = {"Tags": forgotten}
            api.invoke(self.store, "ecr", "_ForgetPublicImages", named, clock=self.clock)

    @staticmethod
    def _is_old(at: float, now: float) -> bool:
        return at + LAYERS_KNOWN_S < now

    def _members(self, digests: Iterable[str]) -> Iterator[str]:
        blobs = Blobs(self.collector.image_dir)
        for digest in digests:
            if blobs.has(digest):
                yield from linked(blobs.read(digest).decode())
