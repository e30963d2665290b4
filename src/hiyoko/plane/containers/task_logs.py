"""A task's logs from the daemon's side: what is made before a container starts, and its order.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html: a missing group
stops the task before a container starts, unless ``awslogs-create-group`` is set.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hiyoko.blueprint.tasks import Container, LogTarget, RoutedLog, Task
from hiyoko.plane.containers.agent import TaskFailed, Unreachable, retried
from hiyoko.plane.containers.agent_server import KEYS_RENEWED_S, NoKeys, RoleKeys
from hiyoko.plane.containers.directory import runtime_id, task_id
from hiyoko.plane.containers.firelens import NoOutput, configuration, socket_directory
from hiyoko.plane.containers.proxy_log import ProxyLog
from hiyoko.plane.containers.task_states import TaskState
from hiyoko.plane.containers.watch import Watch
from hiyoko.plane.error import PlaneError
from hiyoko.plane.log_driver.client import LogsClient
from hiyoko.plane.log_driver.control import LogDriverPlane
from hiyoko.plane.log_driver.formats import datetime_pattern
from hiyoko.plane.log_driver.order import (
    POSITION,
    CloudWatchOrder,
    RouterOrder,
    read_order,
    sent,
    write_order,
)
from hiyoko.plane.log_driver.sender import Away, Denied

logger = logging.getLogger("hiyoko.plane.containers")

ROUTED_TIMEOUT_S = 10.0
"""So long a router that is to be stopped goes on for what others have printed and it has not."""
_VALIDATE = "ResourceInitializationError: failed to validate logger args: "


@dataclass(frozen=True, slots=True)
class Outputs:
    """A task's directories with output to send: of containers that run, and of those that do not.

    They follow from this very task and state. Of an ended one all may have been sent by now.
    """

    task: Task
    state: TaskState
    running: tuple[tuple[Path, Task], ...]
    ended: tuple[Path, ...]

    @classmethod
    def of(cls, task: Task, state: TaskState, top: Path) -> Outputs:
        """Find them below the directory of all tasks."""
        running, ended = [], []
        for container in task.containers:
            found = state.containers.get(container.name)
            if container.log is None or found is None:
                continue
            path = top / task_id(task.arn) / container.name
            if found.monitor is not None:
                running.append((path, task))
            elif not task.run:
                ended.append(path)
        return cls(task, state, tuple(running), tuple(ended))


@dataclass(slots=True)
class TaskLogs:
    """Sends the output of this cloud's tasks. ``keys`` gives those of execution roles."""

    driver: LogDriverPlane
    trust: Path
    keys: RoleKeys
    _expires: dict[str, float] = field(default_factory=dict)
    _foreseen: asyncio.Task[None] | None = None
    _asked: asyncio.Task[None] | None = None
    """Whether the driver answers: known after a while, and tasks do not wait for it."""
    _looked: Sequence[tuple[Path, Task]] = ()
    """What was looked at for keys last, whether any of it is sent, until when that has keys."""
    _some: bool = False
    _enough_until: float = -math.inf

    def foresee(self) -> None:
        """Begin to start the driver: that takes a moment, and containers wait for it."""
        if self.driver.pid() is None and (self._foreseen is None or self._foreseen.done()):
            self._foreseen = asyncio.get_running_loop().create_task(self._begin())

    async def _begin(self) -> None:
        try:
            await self.driver.take()
        except PlaneError as error:  # whoever needs it tries again, and tells
            logger.info("start the log driver ahead: %s", error)

    async def close(self) -> None:
        """Let go of a start and of a question that are under way."""
        jobs = [job for job in (self._foreseen, self._asked) if job is not None]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    async def _replace_silent(self) -> None:
        try:
            await self.driver.replace_silent()
        except PlaneError as error:  # asked again at the next look
            logger.warning("%s", error)

    async def prepare(self, task: Task) -> None:
        """Make the streams with the task's own packets. Raises TaskFailed with AWS's reason."""
        for container in task.containers:
            if container.router is not None:
                try:
                    configuration(container.router)
                except NoOutput as error:
                    raise TaskFailed(f"ResourceInitializationError: {error}") from error
        targets = [(one.name, one.log) for one in task.containers]
        for name, log in (*targets, (task.proxy, task.proxy_log)):
            if not isinstance(log, LogTarget):
                continue
            order = self._order(task, runtime_id(task.arn, name), log)
            client = LogsClient()
            try:
                if log.create_group:
                    await _make(client, order, "CreateLogGroup", {"logGroupName": order.group})
                names = {"logGroupName": order.group, "logStreamName": order.stream}
                await _make(client, order, "CreateLogStream", names)
            finally:
                client.close()

    async def take(self, task: Task, container: Container, directory: Path, writable: Path) -> None:
        """From here on the container's log is sent. Raises TaskFailed or PlaneError.

        ``writable`` is the directory below which the task's containers write.
        """
        match container.log:
            case None:
                return
            case RoutedLog():
                write_order(directory, _routed(task, container, container.log, writable))
            case LogTarget():
                cid = runtime_id(task.arn, container.name)
                write_order(directory, self._order(task, cid, container.log))
        await self.driver.take(directory)

    async def take_proxy(self, task: Task, log: ProxyLog) -> None:
        """See that what a proxy writes is sent, also when it was started anew.

        Raises TaskFailed or PlaneError.
        """
        if task.proxy_log is not None and log.adopt():
            order = replace(self._order(task, log.cid, task.proxy_log), endless=True)
            write_order(log.directory, order)
            await self.driver.take(log.directory)

    @property
    def process(self) -> tuple[int, ...]:
        """The driver's process, whose end is worth a look; none when it has none."""
        pid = self.driver.pid()
        return () if pid is None else (pid,)

    async def keep(self, running: Sequence[tuple[Path, Task]], ended: Collection[Path]) -> None:
        """See that the driver works, with keys that last, where there are logs to send.

        Raises PlaneError.
        """
        soon = time.time() + KEYS_RENEWED_S
        if soon >= self._enough_until or running != self._looked:
            self._enough_until = self._renew(running, soon)
            self._looked = running
        if ended or self._some:
            # First: one that hangs takes no more messages once its socket is full.
            if self._asked is None or self._asked.done():
                self._asked = asyncio.get_running_loop().create_task(self._replace_silent())
            await self.driver.take()

    def _renew(self, running: Sequence[tuple[Path, Task]], soon: float) -> float:
        """See that each has keys that last beyond ``soon``; until when they all do."""
        unordered = 0
        for directory, task in running:
            cid = runtime_id(task.arn, directory.name)
            if self._expires.get(cid, 0.0) < soon:
                order = read_order(directory)
                if isinstance(order, CloudWatchOrder):
                    if order.expires < soon:
                        order = replace(order, **self._session(task))
                        write_order(directory, order)
                    self._expires[cid] = order.expires
                elif order is not None:
                    self._expires[cid] = math.inf
                else:
                    unordered += 1
        known = {runtime_id(task.arn, directory.name) for directory, task in running}
        for gone in self._expires.keys() - known:
            del self._expires[gone]
        self._some = len(running) > unordered
        return -math.inf if unordered else min(self._expires.values(), default=math.inf)

    def _order(self, task: Task, cid: str, log: LogTarget) -> CloudWatchOrder:
        order = CloudWatchOrder(
            cid=cid,
            netns=task.eni_id,
            resolver=str(task.resolver),
            trust=str(self.trust.resolve()),
            region=log.region or task.region,
            group=log.group,
            stream=log.stream,
            start=_start(log),
            blocking=log.blocking,
            buffer_bytes=log.buffer_bytes,
            **self._session(task),
        )
        self._expires[order.cid] = order.expires
        return order

    def _session(self, task: Task) -> dict[str, Any]:
        role = task.identity.execution_role
        try:
            keys = self.keys(task, role)
        except NoKeys as error:
            raise TaskFailed(
                f"ECS was unable to assume the role '{role}' that was provided for this task."
                " Please verify that the role being passed has the proper trust relationship and"
                " permissions and that your IAM user has permissions to pass this role."
            ) from error
        return {
            "access_key": str(keys["AccessKeyId"]),
            "secret_key": str(keys["SecretAccessKey"]),
            "token": str(keys["Token"]),
            "expires": float(str(keys["Expiration"])),
        }


def _routed(task: Task, container: Container, log: RoutedLog, writable: Path) -> RouterOrder:
    return RouterOrder(
        cid=runtime_id(task.arn, container.name),
        name=container.name,
        router=log.router,
        directory=str(socket_directory(writable)),
        tag=log.tag,
        acknowledges=log.acknowledges,
        buffer_lines=log.buffer_lines,
    )


async def routed(router: str, directories: Iterable[Path]) -> None:
    """Wait until this router was sent all that these containers, which have ended, had to say."""
    waiting = [path for path in directories if _goes_to(router, path)]
    if not waiting:
        return
    came = asyncio.Event()
    watch = Watch(came.set)
    try:
        async with asyncio.timeout(ROUTED_TIMEOUT_S):
            while True:
                came.clear()
                watch.files(path / POSITION for path in waiting)
                # Looked at after it is watched: what is sent from here on wakes us.
                if all(map(sent, waiting)):
                    return
                await came.wait()
    except TimeoutError:
        logger.warning("%s is stopped before it has taken all of %s", router, waiting)
    finally:
        watch.close()


def _goes_to(router: str, directory: Path) -> bool:
    order = read_order(directory)
    return isinstance(order, RouterOrder) and order.router == router


def _start(log: LogTarget) -> str:
    """What an event begins with. Raises TaskFailed for what is no pattern."""
    try:
        pattern = datetime_pattern(log.datetime_format) or log.multiline_pattern
        re.compile(pattern)
    except (ValueError, re.error) as error:
        option = "datetime format" if log.datetime_format else "multiline pattern"
        text = log.datetime_format or log.multiline_pattern
        raise TaskFailed(
            f'{_VALIDATE}awslogs could not parse {option} "{text}": {error}'
        ) from error
    return pattern


async def _make(
    client: LogsClient, order: CloudWatchOrder, operation: str, names: dict[str, str]
) -> None:
    """Make a group or a stream; one that is there already will do. Raises TaskFailed."""
    what = "stream" if operation == "CreateLogStream" else "group"

    async def ask(_: int) -> tuple[int, str, str]:
        try:
            answer = await client.call(order, operation, dict(names))
        except (Denied, Away) as error:
            raise Unreachable(str(error)) from error
        return answer.status, answer.code, str(answer.body.get("message", ""))

    try:
        status, code, message = await retried(ask)
    except Unreachable as error:
        raise TaskFailed(
            f"{_VALIDATE}The task cannot find the Amazon CloudWatch log group defined in the task"
            " definition. There is a connection issue between the task and Amazon CloudWatch."
            " Check your network configuration. : signal: killed"
        ) from error
    if status != 200 and code != "ResourceAlreadyExistsException":
        raise TaskFailed(
            f"{_VALIDATE}create {what} has been retried 1 times: failed to create Cloudwatch log"
            f" {what}: {code}: {message}"
        )
