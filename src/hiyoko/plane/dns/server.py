"""The DNS process: the zone set in force, the sockets it needs, and a control socket.

Control is a line of JSON each way. ``status`` says what is served and by which resolvers (and opens
those whose router has appeared or was made anew); ``load`` reads the stored zone set again,
``advance`` the changes that were added to it; ``ask`` is a question from an address of choice.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dns.message

from hiyoko.blueprint.places import Place
from hiyoko.blueprint.zones import VpcResolver, Zones
from hiyoko.plane.addresses import INTERNET_RESOLVER, VPC_RESOLVER_LINK_LOCAL
from hiyoko.plane.dns.answers import SUBNET_MARK, client_subnet, parse_question, place_of
from hiyoko.plane.dns.control import socket_path
from hiyoko.plane.dns.query_log import QueryLog
from hiyoko.plane.dns.recursive import RecursiveAnswers
from hiyoko.plane.dns.served import Served
from hiyoko.plane.dns.service import Service
from hiyoko.plane.dns.sockets import open_pair, open_pairs_in
from hiyoko.plane.dns.upstream import Upstream
from hiyoko.plane.dns.zone_keys import ZoneKeys
from hiyoko.plane.dns.zone_store import ZoneStore
from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import identity
from hiyoko.plane.process import NETNS_DIR

RESOLVER = str(INTERNET_RESOLVER)
REQUESTS = ("status", "load", "advance")
LOOK_S = 600.0
RENEW_S = 6 * 3600.0
"""How long a rendered answer may be kept, well below the day that a signature is given out."""

Answer = bytes | Awaitable[bytes | None] | None


@dataclass(frozen=True, slots=True)
class Listening:
    """A VPC resolver's sockets, and the namespace that they are in."""

    address: str
    namespace: tuple[int, int]
    services: tuple[Service, ...]


@dataclass(slots=True)
class Server:
    """The process's state. ``journal`` is how far the journal of changes was read."""

    store: ZoneStore
    keys: ZoneKeys
    upstream: Upstream
    queries: QueryLog
    served: Served
    journal: int = 0
    renewed_at: float = field(default_factory=time.time)
    listening: dict[str, Listening] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, run_dir: Path, key_dir: Path, upstream: Upstream) -> Server:
        """A server of what is stored. Raises PlaneError when its keys can't be read."""
        store, keys = ZoneStore(run_dir), ZoneKeys.open(key_dir)
        queries = QueryLog.below(run_dir)
        made = cls(store, keys, upstream, queries, Served.load(Zones(), keys, upstream))
        # A file of another version, say: serve nothing, and be given the zones in a moment.
        with suppress(PlaneError):
            made.load()
        return made

    def answer_world(self, wire: bytes, address: str, client: str, *, tcp: bool) -> Answer:
        """For the simulated internet: the resolver at its address, authority at the others."""
        if address == RESOLVER:
            return _recursive(self.served.internet[_place(wire, client)], wire, tcp)
        served = self.served
        answer = served.authorities.answer(wire, address, client, tcp=tcp)
        if address in served.logged and answer is not None:
            self.queries.note(served, wire, answer, address, client, tcp=tcp)
        return answer

    def answer_vpc(
        self, vpc_id: str, wire: bytes, address: str, client: str, *, tcp: bool
    ) -> Answer:
        """For the clients of a VPC's resolver."""
        answers = self.served.vpcs.get(vpc_id)
        return None if answers is None else _recursive(answers, wire, tcp)

    def load(self) -> None:
        """Serve what is stored, from the next question on. Raises PlaneError."""
        self.served = Served.load(self.store.zones(), self.keys, self.upstream)
        self.journal = 0
        self.advance()
        # What stays is many objects: let the collector look only at what comes and goes.
        gc.collect()
        gc.freeze()

    def advance(self) -> None:
        """Serve the changes that were stored since. Raises PlaneError.

        One that does not fit what is served ends it: it belongs to another whole set, and whoever
        compares digests sees that.
        """
        changes, self.journal = self.store.changes(self.journal)
        for change in changes:
            if change.base != self.served.digest:
                return
            self.served = self.served.changed(change, self.keys, self.upstream)

    def renew(self) -> None:
        """Sign anew what was signed a while ago, whatever the clock did meanwhile."""
        now = time.time()
        if not 0 <= now - self.renewed_at < RENEW_S:
            self.served = self.served.renewed(self.upstream)
            self.renewed_at = now

    def settle_resolvers(self) -> None:
        """Listen in every router that there is, and no longer where there is none."""
        wanted = {entry.vpc_id: entry for entry in self.served.rest.resolvers}
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
            "digest": self.served.digest,
            "revision": self.served.rest.revision,
            "resolvers": sorted(self.listening),
            "refused": self.refused,
        }

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of the control socket."""
        try:
            request = (await reader.readline()).decode().strip()
            answer: dict[str, Any]
            if request.startswith("ask "):
                answer = self._asked(*request.split()[1:])
            elif request not in REQUESTS:
                answer = {"error": f"unknown request {request!r}"}
            else:
                answer = self._controlled(request)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    def _asked(self, server: str, client: str, protocol: str, wire: str) -> dict[str, Any]:
        """The wire of an authoritative answer, in hex."""
        authorities = self.served.authorities
        answer = authorities.answer(bytes.fromhex(wire), server, client, tcp=protocol == "tcp")
        return {"wire": (answer or b"").hex()}

    def _controlled(self, request: str) -> dict[str, Any]:
        try:
            if request == "load":
                self.load()
            elif request == "advance":
                self.advance()
            self.renew()  # a machine that slept may have missed its hour
        except PlaneError as error:
            return {"error": str(error)}
        self.settle_resolvers()
        return self.status()


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


async def serve(run_dir: Path, key_dir: Path, ready: Path | None) -> None:
    """Serve until SIGTERM. ``ready`` is a socket of whoever wants to know when we do."""
    upstream = Upstream()
    await upstream.open()
    service_pair = open_pair("0.0.0.0")
    server = Server.of(run_dir, key_dir, upstream)
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
        while not stopped.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await stopped.wait()
            server.renew()
    service.stop()
    upstream.close()
