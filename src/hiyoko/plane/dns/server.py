"""The DNS process: the zone set in force, the sockets it needs, and a control socket.

Control is a line of JSON each way. ``status`` says what is served and by which resolvers (and opens
those whose namespace has appeared or was made anew); ``load`` reads the stored zone set again,
``advance`` the changes that were added to it; ``ask`` is a question from an address of choice.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import dns.message

from hiyoko.blueprint.places import Place
from hiyoko.blueprint.resolvers import Outlet
from hiyoko.blueprint.zones import Zones
from hiyoko.plane.addresses import INTERNET_RESOLVER, VPC_RESOLVER_LINK_LOCAL
from hiyoko.plane.dns.answers import SUBNET_MARK, client_subnet, parse_question, place_of
from hiyoko.plane.dns.control import socket_path
from hiyoko.plane.dns.listening import Listening, Stop, Wanted
from hiyoko.plane.dns.outlet import Exit
from hiyoko.plane.dns.query_log import QueryLog
from hiyoko.plane.dns.recursive import RecursiveAnswers
from hiyoko.plane.dns.served import Served
from hiyoko.plane.dns.service import Service
from hiyoko.plane.dns.sockets import open_pair, open_pairs_in
from hiyoko.plane.dns.upstream import Upstream
from hiyoko.plane.dns.vpc_query_log import Asked, VpcQueryLog
from hiyoko.plane.dns.zone_keys import ZoneKeys
from hiyoko.plane.dns.zone_store import ZoneStore
from hiyoko.plane.error import PlaneError

RESOLVER = str(INTERNET_RESOLVER)
REQUESTS = ("status", "load", "advance")
LOOK_S = 600.0
RENEW_S = 6 * 3600.0
"""How long a rendered answer may be kept, well below the day that a signature is given out."""

Answer = bytes | Awaitable[bytes | None] | None


@dataclass(slots=True)
class Server:
    """The process's state. ``journal`` is how far the journal of changes was read."""

    store: ZoneStore
    keys: ZoneKeys
    upstream: Upstream
    queries: QueryLog
    vpc_queries: VpcQueryLog
    served: Served
    journal: int = 0
    renewed_at: float = field(default_factory=time.time)
    listening: Listening = field(default_factory=Listening)

    @classmethod
    def of(cls, run_dir: Path, key_dir: Path, upstream: Upstream) -> Server:
        """A server of what is stored. Raises PlaneError when its keys can't be read."""
        store, keys = ZoneStore(run_dir), ZoneKeys.open(key_dir)
        logs = QueryLog.below(run_dir), VpcQueryLog.below(run_dir)
        made = cls(store, keys, upstream, *logs, Served.load(Zones(), keys, upstream))
        # A file of another version, say: serve nothing, and be given the zones in a moment.
        with suppress(PlaneError):
            made.load()
        return made

    def answer_world(
        self, wire: bytes, address: str, client: tuple[str, int], *, tcp: bool
    ) -> Answer:
        """For the simulated internet: the resolver at its address, authority at the others."""
        if address == RESOLVER:
            return _recursive(self.served.internet[_place(wire, client[0])], wire, tcp)
        served = self.served
        answer = served.authorities.answer(wire, address, client[0], tcp=tcp)
        if address in served.logged and answer is not None:
            self.queries.note(served, wire, answer, address, client[0], tcp=tcp)
        return answer

    def answer_vpc(
        self, vpc_id: str, wire: bytes, address: str, client: tuple[str, int], *, tcp: bool
    ) -> Answer:
        """For the clients of a VPC's resolver."""
        answers = self.served.vpcs.get(vpc_id)
        if answers is None or answers.vpc is None:
            return None
        if not answers.vpc.logged:
            return _recursive(answers, wire, tcp)
        asked = Asked(vpc_id, answers.vpc.region, client, address, tcp)
        return answers.quick(wire, tcp=tcp) or self._logged(answers, wire, asked)

    async def _logged(self, answers: RecursiveAnswers, wire: bytes, asked: Asked) -> bytes | None:
        answer = await answers.answer(wire, tcp=asked.tcp)
        if answer is not None:
            self.vpc_queries.note(replace(asked, outlet=answers.outlet(wire)), answer)
        return answer

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

    def settle(self) -> None:
        """Listen in every router and at every endpoint's interface that stands; no longer in
        those that don't.
        """
        rest, link_local = self.served.rest, str(VPC_RESOLVER_LINK_LOCAL)
        wanted = {
            entry.vpc_id: self._resolver(entry.vpc_id, str(entry.address), link_local)
            for entry in rest.resolvers
        }
        wanted |= {one.eni_id: self._resolver(one.vpc_id, str(one.address)) for one in rest.inlets}
        wanted |= {one.eni_id: _outlet(one) for one in rest.outlets}
        self.listening.settle(wanted)

    def _resolver(self, vpc_id: str, *addresses: str) -> Wanted:
        """A VPC's resolver, listening at these addresses."""

        def make(namespace: Path) -> Stop:
            pairs = open_pairs_in(namespace, addresses)
            services = [Service(pair, partial(self.answer_vpc, vpc_id)) for pair in pairs]
            for service in services:
                service.start()

            def stop() -> None:
                for service in services:
                    service.stop()

            return stop

        return Wanted((vpc_id, *addresses), make)

    def status(self) -> dict[str, Any]:
        """What is served, for whoever observes."""
        return {
            "pid": os.getpid(),
            "digest": self.served.digest,
            "revision": self.served.rest.revision,
            "open": sorted(self.listening.open),
            "refused": self.listening.refused,
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
        self.settle()
        return self.status()


def _outlet(outlet: Outlet) -> Wanted:
    """A look whether questions can leave from there; each will have a socket of its own."""

    def make(_: Path) -> Stop:
        Exit(outlet).new_socket(socket.SOCK_DGRAM).close()
        return lambda: None

    return Wanted((str(outlet.address),), make)


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
    server.settle()
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
