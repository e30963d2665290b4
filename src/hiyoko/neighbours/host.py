"""moto behind plain values: one HTTP request in, one answer out; and a call for our own code.

Light: what is heavy (botocore's client, moto) is in ``embedded``, imported at the first request.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from hiyoko.api import AwsError, Request, Response
from hiyoko.neighbours.served import SERVED
from hiyoko.spec.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from hiyoko.neighbours.embedded import Embedded, WriteLog

# A receiver of SQS may wait for 20 seconds; each such wait holds a thread.
THREADS = 64
EXTRA = "hiyoko[more]"


@dataclass(slots=True)
class Neighbours:
    """All of them. Nothing is imported and no thread is started before the first request.

    ``write_log`` takes an event whose rule targets a log group: CloudWatch Logs is ours.
    """

    write_log: WriteLog | None = None
    used: set[str] = field(default_factory=set)
    _embedded: Embedded | None = None
    _threads: ThreadPoolExecutor | None = None

    def serves(self, service: str) -> bool:
        """True for a service that moto answers for (whether or not it is installed)."""
        return service in SERVED

    def describe(self) -> dict[str, Any]:
        """What ``hiyoko cloud status`` tells of them; JSON-ready."""
        by = f"moto {version('moto')}" if _installed() else None
        return {"neighbours": {"by": by, "services": sorted(SERVED), "used": sorted(self.used)}}

    async def answer(
        self, service: str, request: HttpRequest, *, account: str, region: str
    ) -> HttpResponse:
        """Answer a request of a client's. Raises AwsError where moto is absent or knows nothing."""
        embedded = self._use(service)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="neighbour")
        work = functools.partial(embedded.answer, service, request, account=account, region=region)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def ask(
        self, service: str, operation: str, request: Request, *, account: str, region: str
    ) -> Response:
        """Call an operation for our own code: botocore's names and shapes, bodies as bytes.

        Raises AwsError with the neighbour's code.
        """
        return self._use(service).ask(service, operation, request, account=account, region=region)

    async def reset(self) -> None:
        """Forget everything that was kept."""
        if self._embedded is not None:
            self._embedded.reset()
            self.used.clear()

    def _use(self, service: str) -> Embedded:
        if self._embedded is None:
            if not _installed():
                raise AwsError(
                    "NotImplemented",
                    "hiyoko serves this through moto, which is not installed here: "
                    f"pip install '{EXTRA}'.",
                    status=501,
                    fault="Receiver",
                )
            from hiyoko.neighbours.embedded import Embedded

            self._embedded = Embedded(self.write_log)
        self.used.add(service)
        return self._embedded


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("moto") is not None
