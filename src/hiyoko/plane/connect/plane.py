"""Proxies as processes: started in their tasks' namespaces, told of servers, adopted, stopped.

Each has a directory named by the task's interface, as a balancer's node has. Its structure is
settled when the task starts, so it is never reloaded; where it differs (another version of the
program wrote it), the proxy is started anew.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.blueprint.proxies import Proxy
from hiyoko.blueprint.step import Step
from hiyoko.plane.balancer.events import Events
from hiyoko.plane.balancer.master import (
    CONFIG,
    MASTER_SOCKET,
    PID_FILE,
    change_servers,
    check,
    end_master,
    find_all,
    find_pid,
    loading,
    spawn,
    written,
)
from hiyoko.plane.balancer.observe import parse_info
from hiyoko.plane.balancer.render import digest_of
from hiyoko.plane.balancer.socket import ask_worker
from hiyoko.plane.connect.access_log import DESCRIPTOR, FILE
from hiyoko.plane.connect.counters import Counted, parse_counters
from hiyoko.plane.connect.render import render_proxy, render_redirections
from hiyoko.plane.connect.servers import Key, ServerSeen, parse_servers, server_changes
from hiyoko.plane.containers.cgroups import limits_enforced, place_helper, remove_helper
from hiyoko.plane.containers.directory import task_id
from hiyoko.plane.error import NotYetError, PlaneError
from hiyoko.plane.files import write_private
from hiyoko.plane.process import NETNS_DIR, run
from hiyoko.settings import Settings

CPU_SHARES = 256
"""What a task that has a proxy should have beyond what its containers take, by AWS's advice.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-concepts-deploy.html"""
_STILL_IN_USE = "Server still has connections attached"
"""Sessions that just begin to end: looked at again."""


@dataclass(frozen=True, slots=True)
class ProxyObserved:
    """A running proxy: the digest of its structure, its servers, and what it has counted."""

    pid: int
    digest: str
    servers: Mapping[Key, ServerSeen] = field(default_factory=dict)
    counters: Mapping[Key, Counted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StartProxy(Step):
    """Lead the aliases to the proxy, and start it in the task's namespace."""

    proxy: Proxy

    def __str__(self) -> str:
        """The step in words."""
        return f"start {self.proxy.name} on {self.proxy.eni_id}"


@dataclass(frozen=True, slots=True)
class ChangeProxy(Step):
    """Tell a running proxy of its servers."""

    proxy: Proxy
    commands: tuple[str, ...]

    def __str__(self) -> str:
        """The step in words."""
        return f"{self.proxy.name} on {self.proxy.eni_id}: {'; '.join(self.commands[:3])}"


@dataclass(frozen=True, slots=True)
class StopProxy(Step):
    """End a proxy whose task is gone, or that is another than the wished one."""

    eni_id: str

    def __str__(self) -> str:
        """The step in words."""
        return f"stop the proxy on {self.eni_id}"


ProxyStep = StartProxy | ChangeProxy | StopProxy


def steps(wished: Mapping[str, Proxy], observed: Mapping[str, ProxyObserved]) -> list[ProxyStep]:
    """What makes the observed proxies the wished ones, by interface: puts before drops."""
    found: list[ProxyStep] = []
    for eni_id, proxy in sorted(wished.items()):
        seen = observed.get(eni_id)
        if seen is None:
            found.append(StartProxy(proxy))
        elif seen.digest != digest_of(render_proxy(proxy)):
            found += [StopProxy(eni_id), StartProxy(proxy)]
        elif commands := server_changes(proxy, seen.servers):
            found.append(ChangeProxy(proxy, tuple(commands)))
    found += [StopProxy(eni_id) for eni_id in sorted(observed) if eni_id not in wished]
    return found


@dataclass(frozen=True, slots=True)
class ProxyPlane:
    """All proxies of a cloud. With ``events`` their end, and health, is heard."""

    settings: Settings
    events: Events | None = None

    @classmethod
    def hearing(cls, settings: Settings, wake: Callable[[], None]) -> ProxyPlane:
        """A plane that calls ``wake`` when a server's check ends otherwise, or a proxy ends."""
        return cls(settings, Events(settings.run_dir / "connect", wake))

    @property
    def directory(self) -> Path:
        """Below this each has its own."""
        return self.settings.run_dir / "connect"

    async def observe(self) -> dict[str, ProxyObserved]:
        """Every proxy that runs. One that does not answer has an empty digest."""
        if not self.directory.is_dir():
            return {}
        if self.events is not None:
            self.events.open()
        running = await find_all(self.directory)
        found = {place.name: await _observe(place, pid) for place, pid in running.items()}
        if self.events is not None:
            self.events.watch({seen.pid for seen in found.values()})
        return found

    async def apply(self, step: ProxyStep) -> None:
        """Take one step; taking it again does nothing more. Raises PlaneError."""
        match step:
            case StartProxy(proxy):
                await self._start(proxy)
            case ChangeProxy(proxy, commands):
                place = self.directory / proxy.eni_id
                with written(place, render_proxy(proxy)):
                    await change_servers(place, commands, _STILL_IN_USE)
            case StopProxy(eni_id):
                place = self.directory / eni_id
                pid = await find_pid(place)
                if pid is not None:
                    await end_master(place, pid)
                remove_helper(self.settings, eni_id)
                shutil.rmtree(place, ignore_errors=True)

    async def _start(self, proxy: Proxy) -> None:
        place, text = self.directory / proxy.eni_id, render_proxy(proxy)
        if not (NETNS_DIR / proxy.eni_id).exists():
            raise NotYetError(f"start {proxy.name}: {proxy.eni_id} has no namespace yet")
        place.mkdir(parents=True, mode=0o700, exist_ok=True)
        if self.events is not None:
            self.events.open()
        for name in (PID_FILE, MASTER_SOCKET, FILE):
            (place / name).unlink(missing_ok=True)
        await check(place, text)
        write_private(place / CONFIG, text)
        await run("nft", "-f", "-", stdin=render_redirections(proxy), netns=proxy.eni_id)
        async with loading(place):
            await spawn(place, self._surroundings(proxy))

    def _surroundings(self, proxy: Proxy) -> tuple[str, ...]:
        """What puts the proxy on its task's account: the time and the memory that it takes.

        And what gives it the file of its access log: a new one each time, because HAProxy sets the
        descriptor's flags, and what was to be appended to would be written over.

        When memory runs out, the kernel ends a container before it, whose score is higher
        (``bundle.OOM_SCORE``); a proxy that is ended all the same is started anew.
        """
        first = f"exec {DESCRIPTOR}>{FILE} && " if proxy.access_log else ""
        if limits_enforced():
            task = task_id(proxy.task_arn)
            doors = place_helper(self.settings, task, proxy.eni_id, CPU_SHARES)
            first += "".join(f"echo $$ > {shlex.quote(str(door))} && " for door in doors)
        return ("sh", "-c", f'{first}exec "$@"', "sh", "env") if first else ("env",)


async def _observe(place: Path, pid: int) -> ProxyObserved:
    try:
        said = await ask_worker(place / MASTER_SOCKET, ["show info", "show stat"])
    except PlaneError:
        return ProxyObserved(pid, "")
    info, _, stat = said.partition("\n\n")
    digest = parse_info(info).get("description", "")
    table = stat.strip()
    return ProxyObserved(pid, digest, parse_servers(table), parse_counters(table))
