"""Stacks: a template's wish becomes the smaller wishes of its resources.

Each step is one internal operation of the CloudFormation service, one transaction. What a step
waits for (a NAT gateway, a validated certificate, a steady service) is brought about by other
reconcilers, whose commits wake this one; nothing is remembered between activations.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hiyoko.api import invoke
from hiyoko.clock import Clock, Ids, RandomIds, SystemClock
from hiyoko.reconcile.report import Report
from hiyoko.store.database import Store

# One activation ends after so many steps of one stack, so that no bug here can hold the loop.
_STEPS_MAX = 500


@dataclass(frozen=True, slots=True)
class StackReconciler:
    """Takes every stack in progress as far as it can go now."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=RandomIds)

    @property
    def name(self) -> str:
        """The module's name."""
        return "stacks"

    async def activate(self) -> Report:
        """Step every stack until none moves."""
        report = Report()
        found = invoke(self.store, "cloudformation", "_StacksInProgress", {})
        for stack in found["Stacks"]:
            await self._advance(stack["StackId"], stack["Account"], stack["Region"], report)
        return report

    async def _advance(self, stack_id: str, account: str, region: str, report: Report) -> None:
        for _ in range(_STEPS_MAX):
            answer = invoke(
                self.store,
                "cloudformation",
                "_AdvanceStack",
                {"StackId": stack_id},
                account=account,
                region=region,
                clock=self.clock,
                ids=self.ids,
            )
            if not answer["Moved"]:
                again_s = answer["AgainS"]
                if again_s is not None:
                    report.again_s = min(again_s, report.again_s or again_s)
                return
            report.steps.append(f"step {stack_id.split('/')[1]}: {answer['Status']}")
            await asyncio.sleep(0)  # let requests in between two steps
