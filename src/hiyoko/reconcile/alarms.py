"""Alarms: looked at when a period is over, and their actions carried out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from hiyoko import api
from hiyoko.clock import Clock, SystemClock
from hiyoko.reconcile.report import Report
from hiyoko.services.cloudwatch import rows
from hiyoko.services.cloudwatch.model import PendingAction, scales
from hiyoko.store.database import Store

SERVICE = "cloudwatch"


@dataclass(frozen=True, slots=True)
class AlarmReconciler:
    """Holds no state of its own: states, history and what is left to do are in the store."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's."""
        return "alarms"

    async def activate(self) -> Report:
        """Evaluate every alarm, act for what has turned, and say when the next period is over."""
        report = Report()
        now = self.clock.now()
        with self.store.reading() as tx:
            any_alarm = rows.ALARMS.find(tx) is not None
            due = any_alarm and rows.last_look(tx).due(now)
        if due:
            self._evaluate(report)
        with self.store.reading() as tx:
            waiting = rows.PENDING.list(tx)
            look = rows.last_look(tx)
        for pending in waiting:
            self._act(pending)
            report.steps.append(f"act for alarm {pending.name}: {pending.action}")
        if any_alarm:
            report.again_s = max(0.0, look.again_at - now)
        return report

    def _evaluate(self, report: Report) -> None:
        found = api.invoke(self.store, SERVICE, "_EvaluateAlarms", {}, clock=self.clock)
        report.steps += [f"turn alarm {name}" for name in found["Turned"]]
        for one in found["Again"]:
            with suppress(api.AwsError):  # told when the alarm turned, and again when it turns
                self._trigger(one["Account"], one["Region"], one["AlarmName"], one["Action"])

    def _act(self, pending: PendingAction) -> None:
        """Carry an action out. A refusal is told in the alarm's history, as on AWS."""
        done: dict[str, object] = {
            "AlarmName": pending.name,
            "Sequence": pending.sequence,
            "Action": pending.action,
        }
        account, region = pending.account, pending.region
        try:
            if scales(pending.action):
                self._trigger(account, region, pending.name, pending.action)
            else:
                self._publish(pending)
        except api.AwsError as error:
            done["Error"] = f"{error.code}: {error.message}"
        api.invoke(
            self.store,
            SERVICE,
            "_ActionDone",
            done,
            account=account,
            region=region,
            clock=self.clock,
        )

    def _publish(self, pending: PendingAction) -> None:
        request = {
            "TopicArn": pending.action,
            "Subject": pending.subject,
            "Message": pending.message,
        }
        api.ask_neighbour("sns", "Publish", request, account=pending.account, region=pending.region)

    def _trigger(self, account: str, region: str, alarm: str, policy: str) -> None:
        """Let a scaling policy do what the alarm calls for."""
        request = {"PolicyARN": policy, "AlarmName": alarm}
        api.invoke(
            self.store,
            "application-autoscaling",
            "_ExecutePolicy",
            request,
            account=account,
            region=region,
            clock=self.clock,
        )
