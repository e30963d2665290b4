"""The DNS plane: asks the process what it serves, starts it, gives it another zone set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from hiyoko.blueprint.step import Step
from hiyoko.blueprint.zones import Zones
from hiyoko.plane.containers.watch import Watch
from hiyoko.plane.dns import zone_change
from hiyoko.plane.dns.control import ask
from hiyoko.plane.dns.zone_change import ZoneChange
from hiyoko.plane.dns.zone_keys import Role, ZoneKeys
from hiyoko.plane.dns.zone_store import ZoneStore
from hiyoko.plane.error import NotYetError, PlaneError
from hiyoko.plane.process import NETNS_DIR
from hiyoko.plane.ready import spawn_ready
from hiyoko.plane.silent import kill, patiently
from hiyoko.settings import Settings

START_S = 20.0


@dataclass(frozen=True, slots=True)
class Served:
    """What the process says of itself. ``open`` are the namespaces that it has sockets in:
    routers, and endpoints' interfaces. ``refused``: where it could not have any, and why.
    """

    digest: str
    revision: int
    open: tuple[str, ...]
    refused: dict[str, str]


@dataclass(frozen=True, slots=True)
class StartServer(Step):
    """Start the process; it serves the stored zone set at once."""

    def __str__(self) -> str:
        """In words."""
        return "start the DNS server"


@dataclass(frozen=True, slots=True)
class PushZones(Step):
    """Give the process this zone set."""

    zones: Zones

    def __str__(self) -> str:
        """In words."""
        return f"serve {len(self.zones.zones)} zones as of revision {self.zones.revision}"


@dataclass(frozen=True, slots=True)
class ChangeZones(Step):
    """Give the process what is new in this zone set since the one that it serves."""

    change: ZoneChange
    zones: Zones

    def __str__(self) -> str:
        """In words."""
        return f"serve {self.change.size} changed records as of revision {self.zones.revision}"


@dataclass(frozen=True, slots=True)
class OpenResolver(Step):
    """The resolver of a VPC, or an interface of an endpoint, has no sockets yet."""

    netns: str
    reason: str

    def __str__(self) -> str:
        """In words."""
        return f"open the resolver of {self.netns}"


DnsStep = StartServer | PushZones | ChangeZones | OpenResolver


def steps(
    zones: Zones, digest: str, served: Served | None, before: Zones | None = None
) -> Iterator[DnsStep]:
    """What is missing until the process serves these zones, whose digest is given.

    ``before`` is the set that it serves now, if that is at hand: then only what is new is told.
    """
    if served is None:
        yield StartServer()
        yield PushZones(zones)
        return
    if served.digest != digest:
        if before is None:
            yield PushZones(zones)
        else:
            yield ChangeZones(zone_change.between(before, served.digest, zones), zones)
        return
    for netns in (*(entry.vpc_id for entry in zones.resolvers), *endpoint_interfaces(zones)):
        if netns not in served.open:
            yield OpenResolver(netns, served.refused.get(netns, "it does not listen"))


def endpoint_interfaces(zones: Zones) -> tuple[str, ...]:
    """The interfaces of every inbound and outbound endpoint."""
    inward, outward = (one.eni_id for one in zones.inlets), (one.eni_id for one in zones.outlets)
    return (*inward, *outward)


@dataclass(frozen=True, slots=True)
class DnsServer:
    """The process of this cloud. ``watch`` tells of its end."""

    settings: Settings
    watch: Watch | None = None

    @classmethod
    def hearing(cls, settings: Settings, wake: Callable[[], None]) -> DnsServer:
        """One that calls ``wake`` when the process has ended."""
        return cls(settings, Watch(wake))

    async def observe(self) -> Served | None:
        """What the process serves now; None when none runs.

        Raises PlaneError, and Silent when the process has not answered for a long while.
        """
        if not self.settings.run_dir.is_dir():
            return None
        answer = await patiently(partial(ask, self.settings.run_dir, "status"))
        if self.watch is not None:
            self.watch.processes([answer["pid"]] if answer is not None else [])
        if answer is None:
            return None
        return Served(
            digest=answer["digest"],
            revision=answer["revision"],
            open=tuple(answer["open"]),
            refused=dict(answer["refused"]),
        )

    async def end(self, pid: int) -> None:
        """End a process that does not answer: nobody is served by it. Raises PlaneError."""
        await kill([pid], "the DNS server")

    def zone_key(self, zone_id: str) -> str:
        """The DNSKEY of a zone's own key, in presentation format. Raises PlaneError."""
        keys = ZoneKeys.open(self.settings.zone_key_dir)
        return str(keys.key(zone_id, Role.ZONE_SIGNING).public.to_text())

    async def apply(self, step: DnsStep) -> None:
        """Take one step. Raises PlaneError."""
        match step:
            case StartServer():
                await self._start()
            case PushZones(zones):
                await self._push(zones)
            case ChangeZones(change, zones):
                if ZoneStore(self.settings.run_dir).append(change):
                    await self._tell("advance")
                else:
                    await self._push(zones)
            case OpenResolver(netns, reason):
                if not (NETNS_DIR / netns).exists():
                    raise NotYetError(f"open the resolver of {netns}: it has no namespace yet")
                answer = await ask(self.settings.run_dir, "status")
                if answer is None or netns not in answer["open"]:
                    raise PlaneError(f"open the resolver of {netns}: {reason}")
            case _:
                assert_never(step)

    async def _push(self, zones: Zones) -> None:
        ZoneStore(self.settings.run_dir).put(zones)
        await self._tell("load")

    async def _tell(self, request: str) -> None:
        if await ask(self.settings.run_dir, request) is None:
            raise PlaneError("give the DNS process its zones: it does not run")

    async def _start(self) -> None:
        """Start the process and wait until it says that it serves."""
        run_dir = self.settings.run_dir
        run_dir.mkdir(parents=True, exist_ok=True)
        log = self.settings.log_dir / "dns.log"
        await spawn_ready(
            *(sys.executable, "-m", "hiyoko.plane.dns", "--run-dir", str(run_dir)),
            *("--key-dir", str(self.settings.zone_key_dir)),
            what="the DNS server",
            log=log,
            timeout_s=START_S,
        )


__all__ = [
    "ChangeZones",
    "DnsServer",
    "DnsStep",
    "OpenResolver",
    "PushZones",
    "Served",
    "StartServer",
    "endpoint_interfaces",
    "steps",
]
