"""What the cloud's helper processes print does not fill the disk."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.plane.helper_logs import cut, helper_logs, too_large
from hiyoko.reconcile.report import Report
from hiyoko.settings import Settings


@dataclass(frozen=True, slots=True)
class HelperLogs:
    """Reads no rows: it looks once a minute."""

    settings: Settings

    @property
    def name(self) -> str:
        """The module's."""
        return "helper_logs"

    async def activate(self) -> Report:
        """Cut each that has become large."""
        report = Report()
        for path in helper_logs(self.settings):
            if too_large(path):
                with report.attempt(f"cut {path}"):
                    cut(path)
        return report
