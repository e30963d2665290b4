"""The container plane: what tasks are there, and how a step is taken.

Long steps (a pull, a stop) run beside the event loop's other work, one at a time per task; when
one ends, the reconciler is woken and observes what came of it. Files and processes are the truth:
a daemon that starts anew adopts every task.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import shutil
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import assert_never

from hiyoko.blueprint.tasks import Container, LogTarget, Task, Tasks
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.containers import etc_files
from hiyoko.plane.containers.agent import TaskFailed
from hiyoko.plane.containers.agent_protection import AskProtection, no_protection
from hiyoko.plane.containers.agent_server import AgentServer, RoleKeys, no_keys
from hiyoko.plane.containers.bundle import (
    OPEN_FILES,
    Identity,
    Place,
    find_identity,
    render_config,
)
from hiyoko.plane.containers.cgroups import (
    limit_task,
    limits_enforced,
    remove_groups,
    remove_task_group,
    task_group,
)
from hiyoko.plane.containers.directory import (
    ContainerDirectory,
    Progress,
    Stopping,
    TaskDirectory,
    runtime_id,
    task_id,
)
from hiyoko.plane.containers.exec import Terminal, watch_agent
from hiyoko.plane.containers.firelens import make_places, router_paths
from hiyoko.plane.containers.health import watch_health
from hiyoko.plane.containers.layers import resolve
from hiyoko.plane.containers.proxy_log import ProxyLog
from hiyoko.plane.containers.pull import PulledImage, Puller
from hiyoko.plane.containers.runtime import Runtime, StartFailed
from hiyoko.plane.containers.session_log import SessionLog
from hiyoko.plane.containers.shared_pids import end_shared_pids, shared_pids
from hiyoko.plane.containers.steps import (
    ContainersState,
    ContainerStep,
    FailTask,
    PullImages,
    RemoveTask,
    StartContainer,
    StopTask,
)
from hiyoko.plane.containers.storage import TaskStorage
from hiyoko.plane.containers.task_logs import Outputs, TaskLogs, routed
from hiyoko.plane.containers.task_states import TaskStates
from hiyoko.plane.containers.usage import TaskUsage, task_usage
from hiyoko.plane.containers.volumes import check_places, make_volumes
from hiyoko.plane.containers.waiting import give_pipes, set_controls
from hiyoko.plane.containers.watch import Watch
from hiyoko.plane.error import PlaneError, words_of
from hiyoko.plane.log_driver.control import LogDriverPlane
from hiyoko.plane.log_driver.order import POSITION, sent
from hiyoko.plane.process import NETNS_DIR
from hiyoko.plane.ready import wait_end
from hiyoko.plane.user_namespaces import UserNamespace
from hiyoko.plane.user_namespaces import find as find_users
from hiyoko.plane.world import this_world
from hiyoko.settings import Settings

logger = logging.getLogger(__name__)

RETRY_S = 1.0
"""How long a task is left alone after a step that the world refused."""
STARTS = max(4, 2 * (os.cpu_count() or 1))
"""How many containers are made at once: it is work for processors, and runc takes 30 MB for it."""
PROCESSES_MAX = 16_384
"""Where no control group counts: of a container's user, in all of the world."""
USER_FILE_BYTES_MAX = 1 << 20
KILL_TIMEOUT_S = 10.0
"""SIGKILL can't be refused; what takes longer hangs in the kernel and is reported."""


@dataclass
class ContainerPlane:
    """Tasks' containers. ``trust`` is the bundle of certificate authorities that pulls trust.

    ``storage_limited``: whether the host lets ephemeral storage have an end.
    """

    settings: Settings
    trust: Path
    wake: Callable[[], None] = lambda: None
    keys: RoleKeys = no_keys
    clock: Clock = field(default_factory=SystemClock)
    storage_limited: bool = True
    protection: AskProtection = no_protection
    _refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By task what could not be done and will be tried again, and why."""
    _jobs: dict[str, tuple[ContainerStep, asyncio.Task[None]]] = field(default_factory=dict)
    _checks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _agents: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _outputs: dict[str, Outputs] = field(default_factory=dict)
    _fetched: dict[str, dict[str, str]] = field(default_factory=dict)
    """Variables of containers that have not started yet: of secrets, which no file holds before."""

    def __post_init__(self) -> None:
        self._puller = Puller(self.settings.image_dir, self.trust)
        self._runtime = Runtime(self.settings.run_dir / "runc")
        self._watch = Watch(self._woken)
        self._storage = TaskStorage(self.settings.task_dir, self.settings.run_dir / "storage")
        self._states = TaskStates(self.settings.task_dir)
        self._starts = asyncio.Semaphore(STARTS)
        self._agent = AgentServer(self.settings, self.keys, self.protection, self.clock)
        driver = LogDriverPlane(self.settings.task_dir, self.settings.run_dir / "log_driver")
        self._logs = TaskLogs(driver, self.trust, self.keys)

    def _woken(self) -> None:
        self.wake()

    async def open_terminal(
        self, arn: str, cid: str, argv: list[str], log: LogTarget | None = None
    ) -> Terminal:
        """A command in a running container of a task. Raises OSError or PlaneError."""
        task = self._agent.task(arn)
        kept = None
        if log is not None and task is not None:
            kept = SessionLog(task, log, self.trust, self._agent.role_keys, self.clock)
        return await Terminal.open(self.settings.run_dir / "runc", cid, argv, kept)

    @property
    def pulling(self) -> bool:
        """Whether an image is on its way to a task."""
        return any(isinstance(step, PullImages) for step, _ in self._jobs.values())

    def images(self) -> frozenset[PulledImage]:
        """The images that the tasks on disk were made from."""
        top = self.settings.task_dir
        states = [TaskDirectory(path).read() for path in top.iterdir()] if top.is_dir() else []
        return frozenset(image for state in states if state for image in state.images)

    def directory(self, arn: str) -> TaskDirectory:
        """A task's files."""
        return TaskDirectory(self.settings.task_dir / task_id(arn))

    def usage(self, arn: str) -> TaskUsage | None:
        """What a task's containers use; None where the host gives them no control group."""
        return task_usage(self.settings, task_id(arn))

    async def observe(self) -> ContainersState:
        """What is on disk and what runs; exits from here on wake us."""
        if self.storage_limited:
            self._storage.adopt()
        tasks = self._states.observe(self._watch.living())
        states = (state for task in tasks.values() for state in task.containers.values())
        monitors = (state.monitor for state in states if state.monitor is not None)
        self._watch.processes((*monitors, *self._logs.process))
        return ContainersState(
            tasks,
            _names(NETNS_DIR),
            busy=frozenset(self._jobs),
            stopping=frozenset(
                arn for arn, (step, _) in self._jobs.items() if isinstance(step, StopTask)
            ),
        )

    async def apply(self, step: ContainerStep) -> None:
        """Take one step; a long one is begun, and ``wake`` is called when it has ended."""
        match step:
            case PullImages(task):
                self._begin(task.arn, step, self._pull(task))
            case StartContainer(task, container):
                self._begin(task.arn, step, self._start_in_turn(task, container))
            case FailTask(task, reason):
                self._note(task.arn, failure=reason)
            case StopTask(arn):
                self._begin(arn, step, self._stop(arn, self._jobs.pop(arn, None)))
            case RemoveTask(name):
                top = self.settings.task_dir
                await asyncio.to_thread(shutil.rmtree, top / name)
                remove_task_group(self.settings, name)
                # With the last task goes the cloud's own control group; never beside a start.
                if not self._jobs and not any(top.iterdir()):
                    remove_groups(self.settings)
            case _:
                assert_never(step)

    def _begin(self, arn: str, step: ContainerStep, work: Coroutine[None, None, None]) -> None:
        job = asyncio.get_running_loop().create_task(work, name=str(step))
        self._jobs[arn] = (step, job)
        job.add_done_callback(partial(self._done, arn, step))

    def _done(self, arn: str, step: ContainerStep, job: asyncio.Task[None]) -> None:
        error = None if job.cancelled() else job.exception()
        refusal = self._refusal(arn, step, error) if error is not None else ""
        if refusal:
            self._refused[arn] = (str(step), refusal)
            asyncio.get_running_loop().call_later(RETRY_S, self._let_go, arn, job)
            self.wake()
            return
        self._refused.pop(arn, None)
        self._let_go(arn, job)

    def _let_go(self, arn: str, job: asyncio.Task[None]) -> None:
        """The task's next step may come."""
        current = self._jobs.get(arn)
        if current is not None and current[1] is job:
            del self._jobs[arn]
        self.wake()

    def _refusal(self, arn: str, step: ContainerStep, error: BaseException) -> str:
        """Why a step is to be tried again; empty when it made the task fail instead."""
        if isinstance(step, StopTask):  # until nothing is left
            return words_of(error)
        if not isinstance(error, PlaneError | OSError):
            logger.error("%s failed", step, exc_info=error)
        try:
            self._note(arn, failure=self._failure(step, error))
        except OSError as full:
            # Nobody would know of the failure: so it is none.
            return f"{error}; its failure cannot be noted: {words_of(full)}"
        return ""

    def refusals(self, wished: Tasks) -> dict[str, str]:
        """The steps that will be tried again, and why; forgotten with the task."""
        known = {task.arn for task in wished.tasks} | self._jobs.keys()
        self._refused = {arn: one for arn, one in self._refused.items() if arn in known}
        return dict(self._refused.values())

    @staticmethod
    def _failure(step: ContainerStep, error: BaseException) -> str:
        match error:
            case TaskFailed():
                return str(error)
            case StartFailed():
                return (
                    "CannotStartContainerError: ResourceInitializationError: failed to create"
                    " new container runtime task: failed to create shim task: OCI runtime create"
                    f" failed: runc create failed: {error}: unknown"
                )
            case _:
                return f"ResourceInitializationError: {step}: {error}"

    def _note(self, arn: str, **changes: object) -> Progress:
        directory = self.directory(arn)
        progress = replace(directory.read() or Progress(arn), **changes)  # type: ignore[arg-type]
        directory.write(progress)
        return progress

    async def _pull(self, task: Task) -> None:
        self._note(task.arn, pull_started_at=self.clock.now())
        images: dict[str, PulledImage] = {}
        for container in task.containers:
            name = container.reference
            if name not in images:
                images[name] = await self._puller.pull(task, name)
        for container in task.containers:
            cid = runtime_id(task.arn, container.name)
            self._fetched[cid] = await self._puller.variables(task, container)
        await self._logs.prepare(task)
        self._note(
            task.arn,
            images=tuple(images.values()),
            pull_stopped_at=self.clock.now(),
            world=this_world(),
        )

    async def _start_in_turn(self, task: Task, container: Container) -> None:
        async with self._starts:
            await self._start(task, container)

    async def _start(self, task: Task, container: Container) -> None:
        directory = self.directory(task.arn)
        progress = directory.read()
        image = progress.image(container.reference) if progress is not None else None
        assert image is not None, "a container is started after its pull"
        if progress is not None and progress.world != this_world():
            self._note(task.arn, world=this_world())
        # Never under a task that has already written beside it.
        beside = not directory.storage.is_dir() and bool(directory.containers(task.arn))
        if self.storage_limited and not beside:
            await self._storage.mount(directory, task.storage_gib)
        files = directory.container(task.arn, container.name)
        if files.state().status == "STOPPED":
            files.begin_restart()
        # Left over from a daemon that died between create and start, or by the run before.
        await self._clear(files)
        users = find_users(task.eni_id)
        layers = [self._puller.layer_path(digest) for digest in image.layers]
        await self._runtime.mount(files, layers, users)
        # A daemon that died since the pull has to ask again.
        fetched = self._fetched.pop(files.cid, None)
        if fetched is None:
            fetched = await self._puller.variables(task, container)
        check_places(container, files.rootfs, router_paths(container.router))
        await asyncio.to_thread(make_volumes, directory.volumes, container, files.rootfs, users)
        pids = await shared_pids(directory, users) if task.shared_pids else ""
        identity = self._write_bundle(task, container, files, image, fetched, pids, users)
        await self._runtime.create(
            files, interactive=container.interactive, terminal=container.terminal
        )
        if users is not None:
            give_pipes(files, users, identity.uid)
        await set_controls(files, container, users)
        await self._logs.take(task, container, files.path, directory.writable)
        await self._runtime.start(files)
        files.mark_started(self.clock.now())

    def _write_bundle(
        self,
        task: Task,
        container: Container,
        files: ContainerDirectory,
        image: PulledImage,
        fetched: Mapping[str, str],
        pids: str,
        users: UserNamespace | None,
    ) -> Identity:
        try:
            config = self._puller.blobs.config(image.config)
            identity = find_identity(
                container.user or config.user,
                _text(files.rootfs, "passwd"),
                _text(files.rootfs, "group"),
            )
        except (OSError, ValueError) as error:
            raise StartFailed(str(error)) from error
        etc = files.path / "etc"
        etc_files.write(etc, task, self.trust, users)
        group = None
        if limits_enforced():
            name = task_id(task.arn)
            limit_task(self.settings, name, task.cpu_units, task.memory_mib)
            group = f"/{task_group(self.settings, name)}/{files.cid}"
        places: tuple[Place, ...] = ()
        if container.router is not None:
            writable = self.directory(task.arn).writable
            places = make_places(container.router, etc, writable, identity, users)
        document = render_config(
            task,
            container,
            config,
            identity,
            rootfs=files.rootfs,
            files=etc,
            volumes=self.directory(task.arn).volumes,
            cgroup=group,
            open_files=_open_files(),
            processes=_processes(),
            fetched=fetched,
            shared_pids=pids,
            places=places,
            users=users,
        )
        config_file = files.bundle / "config.json"
        config_file.touch(mode=0o600)
        config_file.write_text(json.dumps(document))
        needs = tuple(name for name, _ in container.depends_on)
        files.write_stopping(Stopping(config.stop_signal, container.stop_timeout_s, needs))
        return identity

    async def _clear(self, files: ContainerDirectory) -> None:
        """Nothing of the container runs or is mounted after this; its exit and log stay."""
        await self._runtime.delete(files)
        monitor = files.monitor()
        if monitor is not None and not await wait_end(monitor, KILL_TIMEOUT_S):
            raise PlaneError(f"conmon {monitor} of {files.name} does not end")
        await self._runtime.unmount(files)

    async def _stop(
        self, arn: str, under_way: tuple[ContainerStep, asyncio.Task[None]] | None
    ) -> None:
        if under_way is not None:
            under_way[1].cancel()
            await asyncio.wait([under_way[1]])
        for cid in [cid for cid in self._fetched if cid.startswith(f"{task_id(arn)}-")]:
            del self._fetched[cid]  # secrets of what will never start
        containers = self.directory(arn).containers(arn)
        ended = {one.name: asyncio.Event() for one in containers}
        needs = {one.name: one.stopping().needs for one in containers}

        async def stop(files: ContainerDirectory) -> None:
            """After all that depend on it have ended, as they were started before them."""
            try:
                for name in ended:
                    if files.name in needs[name]:
                        await ended[name].wait()
                if files.state().status == "RUNNING":
                    over = [one.path for one in containers if ended[one.name].is_set()]
                    await routed(files.name, over)
                await self._stop_container(files)
            finally:
                ended[files.name].set()

        await asyncio.gather(*(stop(one) for one in containers))
        end_shared_pids(self.directory(arn))
        await self._storage.unmount(self.directory(arn))
        self._note(arn, stopped=True)

    async def _stop_container(self, files: ContainerDirectory) -> None:
        check = self._checks.pop(files.cid, None)
        if check is not None:
            check.cancel()
        state = files.state()
        if state.status == "RUNNING" and state.monitor is not None:
            wanted = files.stopping()
            await self._runtime.kill(files, wanted.signal)
            if not await wait_end(state.monitor, wanted.timeout_s):
                await self._runtime.kill(files, "SIGKILL")
                await wait_end(state.monitor, KILL_TIMEOUT_S)
        await self._clear(files)

    def check_health(self, tasks: Iterable[Task], seen: ContainersState) -> None:
        """Keep a health check going for each running container that has one, and for no other."""
        wanted: dict[str, tuple[Container, ContainerDirectory]] = {}
        for task in tasks:
            state = seen.tasks.get(task_id(task.arn))
            for container in task.containers if task.run and state is not None else ():
                found = state.containers.get(container.name) if state is not None else None
                if container.health_command and found is not None and found.status == "RUNNING":
                    files = self.directory(task.arn).container(task.arn, container.name)
                    wanted[runtime_id(task.arn, container.name)] = (container, files)
        over = {cid for cid, check in self._checks.items() if check.done()}
        for cid in (self._checks.keys() - wanted.keys()) | over:
            self._checks.pop(cid).cancel()
        for cid in wanted.keys() - self._checks.keys():
            container, files = wanted[cid]
            self._checks[cid] = asyncio.get_running_loop().create_task(
                watch_health(self._runtime, container, files, self.wake, self.clock)
            )

    def check_agents(self, tasks: Iterable[Task], seen: ContainersState) -> None:
        """See whether ECS Exec has its way, for each running container that is to have it."""
        wanted: dict[str, tuple[Task, ContainerDirectory]] = {}
        for task in tasks:
            state = seen.tasks.get(task_id(task.arn))
            for name, found in state.containers.items() if state is not None else ():
                runs = task.run and found.status == "RUNNING"
                if runs and task.exec_enabled and found.agent_at is None:
                    files = self.directory(task.arn).container(task.arn, name)
                    wanted[files.cid] = task, files
        over = {cid for cid, check in self._agents.items() if check.done()}
        for cid in (self._agents.keys() - wanted.keys()) | over:
            self._agents.pop(cid).cancel()
        for cid in wanted.keys() - self._agents.keys():
            job = watch_agent(*wanted[cid], self.trust, self.wake, self.clock)
            self._agents[cid] = asyncio.get_running_loop().create_task(job)

    async def deliver_logs(self, tasks: Iterable[Task], seen: ContainersState) -> frozenset[str]:
        """See that logs are sent; the tasks whose directories are still needed for that.

        Raises PlaneError when there is no log driver to do it.
        """
        tasks = tuple(tasks)
        if any(one.log is not None for task in tasks if task.run for one in task.containers):
            self._logs.foresee()
        running: list[tuple[Path, Task]] = []
        ended: set[Path] = set()
        known, self._outputs = self._outputs, {}
        for task in tasks:
            state = seen.tasks.get(task_id(task.arn))
            if state is not None:
                outputs = known.get(task.arn)
                if outputs is None or outputs.task is not task or outputs.state is not state:
                    outputs = Outputs.of(task, state, self.settings.task_dir)
                self._outputs[task.arn] = outputs
                running += outputs.running
                ended.update(path for path in outputs.ended if not sent(path))
            if task.proxy_log is not None and state is not None and state.progress is not None:
                log = self._proxy_log(task)
                await self._logs.take_proxy(task, log)
                if log.writer() is not None:
                    running.append((log.directory, task))
                elif not sent(log.directory):
                    ended.add(log.directory)
        # Watched before it is looked at once more: what is sent from here on wakes us.
        self._watch.files(path / POSITION for path in ended)
        ended = {path for path in ended if not sent(path)}
        await self._logs.keep(running, ended)
        # Also one that was started right now: it may end before anything else makes us look.
        self._watch.more(self._logs.process)
        return frozenset(
            (*(task_id(task.arn) for _, task in running), *(path.parent.name for path in ended))
        )

    def _proxy_log(self, task: Task) -> ProxyLog:
        directory = self.settings.task_dir / task_id(task.arn) / f"{task.proxy}.d"
        return ProxyLog(directory, self.settings.run_dir / "connect" / task.eni_id)

    async def tell_tasks(self, tasks: Iterable[Task], namespaces: frozenset[str]) -> None:
        """Answer each running task at 169.254.170.2, in whose VPC a router is among these."""
        await self._agent.serve([task for task in tasks if task.run], namespaces)

    async def close(self) -> None:
        """Stop watching and let go of unfinished steps; containers go on."""
        jobs = [job for _, job in self._jobs.values()]
        jobs += [*self._checks.values(), *self._agents.values()]
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs)
        await self._storage.close()
        await self._logs.close()
        self._watch.close()
        self._states.close()
        await self._agent.close()


def _names(directory: Path) -> frozenset[str]:
    if not directory.is_dir():
        return frozenset()
    return frozenset(os.listdir(directory))  # noqa: PTH208 - of hundreds: a Path costs more


def _open_files() -> int:
    """Fargate's limit, or the host's where that is lower and we may not raise it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)


def _processes() -> int:
    """What a container's user may have where no control group counts: the rest is for the world."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return PROCESSES_MAX if hard == resource.RLIM_INFINITY else min(PROCESSES_MAX, hard // 2)


def _text(rootfs: Path, name: str) -> str:
    """A user file of the image, never one outside of it. Empty when there is none.

    Its beginning: a run before this one may have made of it what it liked.
    """
    path = resolve(rootfs, ["etc", name])
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(USER_FILE_BYTES_MAX).decode(errors="replace")
