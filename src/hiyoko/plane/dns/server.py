"""The DNS process: the zone set in force, the sockets it needs, and a control socket.

Control is a line of JSON each way. ``status`` says what is served and by which resolvers (and opens
those whose router has appeared or was made anew); ``load`` reads the zone file again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dns.message
import dns.name

from hiyoko.blueprint.places import HOME, PLACES, Place, place_of_region
from hiyoko.blueprint.zones import VpcResolver, Zone, Zones
from hiyoko.plane.addresses import INTERNET_RESOLVER, ROOT_SERVER, VPC_RESOLVER_LINK_LOCAL
from hiyoko.plane.dns import zone_file
from hiyoko.plane.dns.answers import (
    SUBNET_MARK,
    Authorities,
    client_subnet,
    parse_question,
    place_of,
)
from hiyoko.plane.dns.authority import LoadedZone
from hiyoko.plane.dns.choice import Asker
from hiyoko.plane.dns.control import ZONE_FILE, socket_path
from hiyoko.plane.dns.recursive import RecursiveAnswers
from hiyoko.plane.dns.resolver import Resolver
from hiyoko.plane.dns.service import Service
from hiyoko.plane.dns.sockets import open_pair, open_pairs_in
from hiyoko.plane.dns.upstream import Upstream
from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import identity
from hiyoko.plane.process import NETNS_DIR

NOWHERE = "192.0.2.0"
"""Asked for on behalf of clients that are nowhere on this internet (RFC 5737)."""

Answer = bytes | Awaitable[bytes | None] | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A zone set with everything that is made of it. Replaced whole, caches and all."""

    zones: Zones
    parsed: dict[Zone, LoadedZone]
    digest: str
    authorities: Authorities
    internet: dict[Place | None, RecursiveAnswers]
    vpcs: dict[str, RecursiveAnswers]

    @classmethod
    def build(cls, zones: Zones, upstream: Upstream, before: Loaded | None = None) -> Loaded:
        """Parse every zone that is new, and start with empty caches."""
        known = before.parsed if before is not None else {}
        parsed = {zone: known.get(zone) or LoadedZone.load(zone) for zone in zones.zones}
        by_address: dict[str, dict[Any, LoadedZone]] = {}
        private: dict[str, dict[Any, LoadedZone]] = {}
        for zone, loaded in parsed.items():
            for server in zone.servers:
                by_address.setdefault(str(server), {})[loaded.origin] = loaded
            for vpc_id in zone.vpcs:
                private.setdefault(vpc_id, {})[loaded.origin] = loaded
        resolvers = {place: _resolver(upstream, place) for place in (*PLACES, None)}
        return cls(
            zones=zones,
            parsed=parsed,
            digest=zone_file.digest(zones),
            authorities=Authorities(by_address),
            internet={place: RecursiveAnswers(made) for place, made in resolvers.items()},
            vpcs={
                entry.vpc_id: RecursiveAnswers(
                    resolvers[place_of_region(entry.region)],
                    entry,
                    private.get(entry.vpc_id, {}),
                    {dns.name.from_text(name): str(address) for name, address in entry.hosts},
                    Asker(place_of_region(entry.region)),
                )
                for entry in zones.resolvers
            },
        )


@dataclass(frozen=True, slots=True)
class Listening:
    """A VPC resolver's sockets, and the namespace that they are in."""

    address: str
    namespace: tuple[int, int]
    services: tuple[Service, ...]


@dataclass(slots=True)
class Server:
    """The process's state."""

    run_dir: Path
    upstream: Upstream
    loaded: Loaded
    listening: dict[str, Listening] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def answer_world(self, wire: bytes, address: str, client: str, *, tcp: bool) -> Answer:
        """For the simulated internet: the resolver at its address, authority at the others."""
        if address == str(INTERNET_RESOLVER):
            return _recursive(self.loaded.internet[_place(wire, client)], wire, tcp)
        return self.loaded.authorities.answer(wire, address, client, tcp=tcp)

    def answer_vpc(
        self, vpc_id: str, wire: bytes, address: str, client: str, *, tcp: bool
    ) -> Answer:
        """For the clients of a VPC's resolver."""
        answers = self.loaded.vpcs.get(vpc_id)
        return None if answers is None else _recursive(answers, wire, tcp)

    def load(self) -> None:
        """Serve what the zone file says, from the next question on. Raises PlaneError."""
        self.loaded = Loaded.build(read_zone_file(self.run_dir), self.upstream, self.loaded)

    def settle_resolvers(self) -> None:
        """Listen in every router that there is, and no longer where there is none."""
        wanted = {entry.vpc_id: entry for entry in self.loaded.zones.resolvers}
        for vpc_id, open_one in list(self.listening.items()):
            entry = wanted.get(vpc_id)
            there = identity(NETNS_DIR / vpc_id)
            if entry is None or (str(entry.address), there) != (
                open_one.address,
                open_one.namespace,
            ):
                for service in open_one.services:
                    service.stop()
                del self.listening[vpc_id]
        self.refused = {}
        for vpc_id, entry in wanted.items():
            if vpc_id not in self.listening:
                self._listen(entry)

    def _listen(self, entry: VpcResolver) -> None:
        namespace = NETNS_DIR / entry.vpc_id
        there = identity(namespace)
        if there is None:
            self.refused[entry.vpc_id] = "its router is not there yet"
            return
        addresses = (str(entry.address), str(VPC_RESOLVER_LINK_LOCAL))
        try:
            pairs = open_pairs_in(namespace, addresses)
        except PlaneError as error:
            self.refused[entry.vpc_id] = str(error)
            return
        services = tuple(Service(p, partial(self.answer_vpc, entry.vpc_id)) for p in pairs)
        for service in services:
            service.start()
        self.listening[entry.vpc_id] = Listening(str(entry.address), there, services)

    def status(self) -> dict[str, Any]:
        """What is served, for whoever observes."""
        return {
            "pid": os.getpid(),
            "digest": self.loaded.digest,
            "revision": self.loaded.zones.revision,
            "resolvers": sorted(self.listening),
            "refused": self.refused,
        }

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of the control socket."""
        try:
            request = (await reader.readline()).decode().strip()
            answer: dict[str, Any]
            if request not in ("status", "load"):
                answer = {"error": f"unknown request {request!r}"}
            else:
                answer = self._controlled(request)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    def _controlled(self, request: str) -> dict[str, Any]:
        if request == "load":
            try:
                self.load()
            except PlaneError as error:
                return {"error": str(error)}
        self.settle_resolvers()
        return self.status()


def _resolver(upstream: Upstream, place: Place | None) -> Resolver:
    """The resolver of a place's clients; home's needs no subnet, it is where everybody else is."""
    if place is None:
        return Resolver(upstream, str(ROOT_SERVER), NOWHERE)
    subnet = "" if place == HOME else str(place.network.network_address)
    return Resolver(upstream, str(ROOT_SERVER), subnet)


def _place(wire: bytes, client: str) -> Place | None:
    """Where a resolver's client is: where it says that its own client is, or where it asks from."""
    if SUBNET_MARK in wire:
        query = parse_question(wire)
        subnet = client_subnet(query) if isinstance(query, dns.message.Message) else None
        if subnet is not None:
            client = subnet.address
    return place_of(client)


def _recursive(answers: RecursiveAnswers, wire: bytes, tcp: bool) -> Answer:
    return answers.quick(wire, tcp=tcp) or answers.answer(wire, tcp=tcp)


def read_zone_file(run_dir: Path) -> Zones:
    """The stored zone set; an empty one when none was stored. Raises PlaneError."""
    path = run_dir / ZONE_FILE
    try:
        return zone_file.parse(path.read_text())
    except FileNotFoundError:
        return Zones()
    except (ValueError, KeyError, TypeError) as error:
        raise PlaneError(f"read {path}: {error!r}") from error


async def serve(run_dir: Path, ready: Path | None) -> None:
    """Serve until SIGTERM. ``ready`` is a socket of whoever wants to know when we do."""
    upstream = Upstream()
    await upstream.open()
    service_pair = open_pair("0.0.0.0")
    try:
        zones = read_zone_file(run_dir)
    except PlaneError:
        # A file of another version, say: serve nothing, and be given the zones in a moment.
        zones = Zones()
    server = Server(run_dir, upstream, Loaded.build(zones, upstream))
    service = Service(service_pair, server.answer_world)
    service.start()
    server.settle_resolvers()
    with socket_path(run_dir) as path:
        # Whoever holds port 53 is the one server: a socket left here is a dead process's.
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - once, before anything is served
        control = await asyncio.start_unix_server(server.control, path)
    if ready is not None:
        _, writer = await asyncio.open_unix_connection(str(ready))
        writer.close()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with control:
        await stopped.wait()
    service.stop()
    upstream.close()
