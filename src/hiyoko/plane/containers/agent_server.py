"""Fargate's agent as a task hears it at 169.254.170.2: metadata, its role's keys, protection.

One listening socket in each VPC's router, which lets nobody send from another's address: so the
address tells which task asks, and it hears of itself only. (Not in the task's namespace: there it
would be in the way of a container that binds port 80.) The sockets are this process's: when it
ends they end, and the next one opens them anew.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web

from hiyoko.blueprint.tasks import Task
from hiyoko.clock import Clock
from hiyoko.plane.addresses import AGENT_ADDRESS
from hiyoko.plane.containers.agent_protection import AskProtection, answer, wish_in
from hiyoko.plane.containers.directory import (
    ContainerDirectory,
    ContainerState,
    Progress,
    TaskDirectory,
    runtime_id,
    task_id,
)
from hiyoko.plane.containers.metadata import (
    Shape,
    container_metadata,
    task_metadata,
    version_3,
)
from hiyoko.plane.containers.storage import storage_mib
from hiyoko.plane.containers.usage import container_usage
from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import IP_FREEBIND, identity, in_namespace
from hiyoko.plane.process import NETNS_DIR
from hiyoko.settings import Settings

PORT = 80
BACKLOG = 64
KEYS_RENEWED_S = 600.0
"""How long before their end keys are replaced."""


class NoKeys(Exception):
    """The role can't be assumed; the text says why."""


RoleKeys = Callable[[Task, str], Mapping[str, object]]
"""The keys of a role (its ARN) for a task: AccessKeyId, SecretAccessKey, Token, Expiration (s).

Raises NoKeys."""


def no_keys(task: Task, role: str) -> Mapping[str, object]:
    """No role can be assumed."""
    raise NoKeys(f"nobody gives keys of {role} to {task.arn}")


@dataclass(frozen=True, slots=True)
class _Open:
    namespace: tuple[int, int] | None
    runner: web.ServerRunner


@dataclass(slots=True)
class AgentServer:
    """The sockets of all VPCs that have running tasks."""

    settings: Settings
    keys: RoleKeys
    protection: AskProtection
    clock: Clock
    _served: list[Task] = field(default_factory=list)
    _tasks: dict[tuple[str, str], Task] = field(default_factory=dict)
    _open: dict[str, _Open] = field(default_factory=dict)
    _kept: dict[str, Mapping[str, object]] = field(default_factory=dict)

    async def serve(self, tasks: Sequence[Task], namespaces: Collection[str]) -> None:
        """Listen in the VPCs of these tasks, where their routers are there, and in no other."""
        if list(tasks) != self._served:
            self._served = list(tasks)
            self._tasks = {(task.vpc_id, str(task.address)): task for task in tasks}
            arns = {task.arn for task in tasks}
            self._kept = {arn: keys for arn, keys in self._kept.items() if arn in arns}
        wanted = {task.vpc_id for task in tasks} & set(namespaces)
        for vpc_id, one in list(self._open.items()):
            if vpc_id not in wanted or identity(NETNS_DIR / vpc_id) != one.namespace:
                await self._open.pop(vpc_id).runner.cleanup()
        for vpc_id in sorted(wanted - self._open.keys()):
            self._open[vpc_id] = await self._listen(vpc_id)

    def task(self, arn: str) -> Task | None:
        """The running task of this ARN."""
        return next((task for task in self._tasks.values() if task.arn == arn), None)

    def role_keys(self, task: Task) -> Mapping[str, object]:
        """The keys of the task's own role, which last for a while. Raises NoKeys."""
        kept = self._kept.get(task.arn)
        if kept is None or float(str(kept["Expiration"])) - KEYS_RENEWED_S < self.clock.now():
            kept = self._kept[task.arn] = self.keys(task, task.identity.role)
        return kept

    async def close(self) -> None:
        """Listen no more."""
        for one in self._open.values():
            await one.runner.cleanup()
        self._open.clear()

    async def _listen(self, vpc_id: str) -> _Open:
        namespace = NETNS_DIR / vpc_id
        there = identity(namespace)
        listener = in_namespace(namespace, _listener)
        server = web.Server(partial(self._answer, vpc_id), access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1.0, handle_signals=False)
        await runner.setup()
        await web.SockSite(runner, listener, backlog=BACKLOG).start()
        return _Open(there, runner)

    async def _answer(self, vpc_id: str, request: web.BaseRequest) -> web.StreamResponse:
        task = self._tasks.get((vpc_id, request.remote or ""))
        path = [part for part in request.path.split("/") if part]
        protects = path[:1] == ["api"] and path[2:] == ["task-protection", "v1", "state"]
        if request.method not in ("GET", "PUT" if protects else "GET"):
            return _refused(405, "method not allowed")
        match path:
            case ["api", cid, *_] if protects:
                return await self._protection(task, cid, request)
            case ["v2", "credentials", name]:
                return self._credentials(task, name)
            case ["v3" | "v4" as version, cid, *rest]:
                return self._metadata(task, cid, version, rest)
            case _:
                return _refused(404, "404 page not found")

    def _credentials(self, task: Task | None, name: str) -> web.Response:
        if task is None or not name or task.identity.credentials_id != name:
            return _credentials_refused("InvalidIdInRequest", "Credentials not found", 400)
        try:
            kept = self.role_keys(task)
        except NoKeys as error:
            return _credentials_refused("AccessDenied", str(error), 400)
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(str(kept["Expiration"]))))
        return web.json_response({"RoleArn": task.identity.role, **kept, "Expiration": ends})

    async def _protection(
        self, task: Task | None, cid: str, request: web.BaseRequest
    ) -> web.Response:
        own = task if task is not None and _container(task, cid) else None
        body = await request.read()
        get = request.method == "GET"
        status, shape = answer(own, lambda: None if get else wish_in(body), self.protection)
        return web.json_response(shape, status=status)

    def _metadata(self, task: Task | None, cid: str, version: str, rest: list[str]) -> web.Response:
        name = _container(task, cid) if task is not None else ""
        if task is None or not name:
            return _lost(cid, version)
        shape = self._of(task, name, rest)
        if shape is _NOT_THERE:
            return _lost(cid, version)
        if version == "v3" and rest[-1:] != ["stats"] and isinstance(shape, dict):
            shape = version_3(shape)
        return web.json_response(shape)

    def _of(self, task: Task, name: str, rest: list[str]) -> object:
        directory = TaskDirectory(self.settings.task_dir / task_id(task.arn))
        progress = directory.read() or Progress(task.arn)
        files = {one.name: one for one in directory.containers(task.arn)}
        states = {each: one.state() for each, one in files.items()}
        match rest:
            case []:
                container = next(one for one in task.containers if one.name == name)
                state = states.get(name, ContainerState(name))
                return container_metadata(task, container, progress, state)
            case ["stats"]:
                return self._usage(files.get(name))
            case ["task"] | ["taskWithTags"]:
                tags = rest == ["taskWithTags"]
                return task_metadata(
                    task,
                    progress,
                    states,
                    tags=tags,
                    now=self.clock.now(),
                    storage_mib=storage_mib(directory),
                )
            case ["task", "stats"]:
                return {one.cid: self._usage(one) for one in files.values()}
            case _:
                return _NOT_THERE

    def _usage(self, files: ContainerDirectory | None) -> Shape | None:
        return container_usage(self.settings, files) if files is not None else None


_NOT_THERE = object()


def _container(task: Task, cid: str) -> str:
    """The name of its container with this id; empty when it has none."""
    found = (one.name for one in task.containers if runtime_id(task.arn, one.name) == cid)
    return next(found, "")


def _lost(cid: str, version: str) -> web.Response:
    text = f"{version.upper()} metadata handler: unable to get task arn for {cid}"
    return web.json_response(text, status=404)


def _refused(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")


def _credentials_refused(code: str, message: str, status: int) -> web.Response:
    text = json.dumps({"code": code, "message": message, "HTTPErrorCode": status})
    return web.Response(status=status, text=text, content_type="application/json")


def _listener() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The router is there before its addresses are.
        listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        listener.bind((str(AGENT_ADDRESS), PORT))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PlaneError(f"listen on {AGENT_ADDRESS}:{PORT}: {error}") from error
    return listener
