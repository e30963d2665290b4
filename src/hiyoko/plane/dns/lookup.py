"""A look-up from the root, with packets, for whoever must see what the world sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import dns.name
import dns.rcode
import dns.rdatatype

from hiyoko.plane.addresses import ROOT_SERVER
from hiyoko.plane.dns.resolver import Resolver
from hiyoko.plane.dns.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: values in presentation format, by record type, in the answer's order."""

    rcode: str
    records: tuple[tuple[str, str], ...]

    def values(self, rdtype: str) -> tuple[str, ...]:
        """The values of one type."""
        return tuple(value for kind, value in self.records if kind == rdtype)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Look-ups that share what they learn on the way, for as long as the block lasts."""

    resolver: Resolver

    async def look_up(self, name: str, rdtype: str) -> Found:
        """Ask from the root down. ``SERVFAIL`` when no server answered."""
        reply = await self.resolver.resolve(
            dns.name.from_text(name), dns.rdatatype.from_text(rdtype)
        )
        return Found(
            rcode=dns.rcode.to_text(reply.rcode),
            records=tuple(
                (dns.rdatatype.to_text(records.type), datum.to_text())
                for records in reply.answer
                for datum in records.data
            ),
        )


@asynccontextmanager
async def from_the_root() -> AsyncIterator[Lookup]:
    """Look-ups with an empty cache: nothing that was true a moment ago is believed."""
    upstream = Upstream()
    await upstream.open()
    try:
        yield Lookup(Resolver(upstream, str(ROOT_SERVER)))
    finally:
        upstream.close()
