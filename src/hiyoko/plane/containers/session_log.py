"""What a session of ECS Exec printed, on its way to CloudWatch Logs.

The agent in the container sends it with the task's own packets and the keys of the task's role,
into a stream of the session's name, when the session is over or has printed much. What cannot be
sent is lost: no session fails for its log.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiyoko.blueprint.tasks import LogTarget, Task
from hiyoko.clock import Clock
from hiyoko.plane.containers.agent import Unreachable, retried
from hiyoko.plane.containers.agent_server import NoKeys
from hiyoko.plane.log_driver.batches import next_batch
from hiyoko.plane.log_driver.client import LogsClient
from hiyoko.plane.log_driver.cloudwatch import LIMITS, log_events
from hiyoko.plane.log_driver.lines import LogLine
from hiyoko.plane.log_driver.order import CloudWatchOrder
from hiyoko.plane.log_driver.sender import Away, Denied

_log = logging.getLogger(__name__)

HELD_BYTES = 1 << 20
"""So much is held back; then it is sent, and the session waits for that."""
LINE_BYTES_MAX = 1 << 16
"""A line that does not end is cut here."""


class Lost(Exception):
    """The log does not take anything; the text says why."""


@dataclass(slots=True)
class SessionLog:
    """One session's log. ``keys`` gives those of the task's role."""

    task: Task
    target: LogTarget
    trust: Path
    keys: Callable[[Task], Mapping[str, object]]
    clock: Clock
    _client: LogsClient = field(default_factory=LogsClient)
    _lines: list[LogLine] = field(default_factory=list)
    _count: int = 0
    _held: int = 0
    _rest: bytes = b""
    _made: bool = False
    _lost: bool = False

    async def write(self, data: bytes) -> None:
        """Something was printed."""
        if self._lost:
            return
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._add(line)
        while len(self._rest) > LINE_BYTES_MAX:
            self._add(self._rest[:LINE_BYTES_MAX])
            self._rest = self._rest[LINE_BYTES_MAX:]
        self._held += len(data)
        if self._held > HELD_BYTES:
            self._held = 0
            await self._send()

    async def close(self) -> None:
        """Send what is left."""
        if self._rest:
            self._add(self._rest)
        if self._lines and not self._lost:
            await self._send()
        self._client.close()

    def _add(self, line: bytes) -> None:
        text = line.rstrip(b"\r").decode(errors="replace")
        self._count += 1
        self._lines.append(LogLine(int(self.clock.now() * 1e9), text, self._count))

    async def _send(self) -> None:
        place = {"logGroupName": self.target.group, "logStreamName": self.target.stream}
        try:
            if not self._made:
                await self._ask("CreateLogStream", place, "ResourceAlreadyExistsException")
                self._made = True
            while (batch := next_batch(self._lines, LIMITS)) is not None:
                if events := log_events(batch):
                    await self._ask("PutLogEvents", {**place, "logEvents": events})
                self._lines = [line for line in self._lines if line.end > batch.end]
        except Lost as why:
            self._lost = True
            _log.warning("the log of %s is lost: %s", self.target.stream, why)

    async def _ask(self, operation: str, request: dict[str, Any], will_do: str = "") -> None:
        """Call the service with the task's packets. Raises Lost."""
        try:
            order = self._order()
        except NoKeys as error:
            raise Lost(str(error)) from error

        async def ask(_: int) -> tuple[int, str, str]:
            try:
                answer = await self._client.call(order, operation, request)
            except (Denied, Away) as error:
                raise Unreachable(str(error)) from error
            return answer.status, answer.code, str(answer.body.get("message", ""))

        try:
            status, code, message = await retried(ask)
        except Unreachable as error:
            raise Lost(str(error)) from error
        if status != 200 and code != will_do:
            raise Lost(f"{operation}: {code}: {message}")

    def _order(self) -> CloudWatchOrder:
        keys = self.keys(self.task)
        return CloudWatchOrder(
            cid=self.target.stream,
            netns=self.task.eni_id,
            resolver=str(self.task.resolver),
            trust=str(self.trust.resolve()),
            region=self.target.region or self.task.region,
            group=self.target.group,
            stream=self.target.stream,
            access_key=str(keys["AccessKeyId"]),
            secret_key=str(keys["SecretAccessKey"]),
            token=str(keys["Token"]),
            expires=float(str(keys["Expiration"])),
        )
