"""Questions for zones whose queries are logged, a line each, until somebody has taken them away.

The line is Route 53's own.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/query-logs-format.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dns.message
import dns.rcode
import dns.rdatatype

from hiyoko.plane.dns.spool import Spool

if TYPE_CHECKING:
    from hiyoko.plane.dns.served import Served

VERSION = "1.0"
EDGE = "NRT1"
"""The edge location: this internet has one, in Tokyo."""
FILE = "queries.log"


@dataclass(frozen=True, slots=True)
class QueryLog(Spool):
    """The log of what authoritative servers were asked."""

    @classmethod
    def below(cls, run_dir: Path) -> QueryLog:
        """The log of a world."""
        return cls(run_dir / FILE)

    def note(
        self, served: Served, wire: bytes, answer: bytes, address: str, client: str, *, tcp: bool
    ) -> None:
        """Write down a question that was answered, if its zone's queries are logged."""
        # Who answers has these; the daemon, which takes the lines away, does without.
        from hiyoko.plane.dns.answers import client_subnet, parse_question
        from hiyoko.plane.dns.authority import deepest

        query = parse_question(wire)
        if not isinstance(query, dns.message.Message):
            return
        question = query.question[0]
        zones = served.authorities.by_address.get(address, {})
        zone = deepest(zones, question.name, question.rdtype)
        if zone is None or zone.zone_id not in served.logged.get(address, ()):
            return
        subnet = client_subnet(query)
        asker = f"{subnet.address}/{subnet.srclen}" if subnet else "-"
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        words = (
            VERSION, now, zone.zone_id, question.name.to_text(omit_final_dot=True),
            dns.rdatatype.to_text(question.rdtype), _rcode(answer), "TCP" if tcp else "UDP", EDGE,
            client, asker,
        )  # fmt: skip
        self.append(" ".join(words))


def _rcode(answer: bytes) -> str:
    code = answer[3] & 0x0F
    return dns.rcode.to_text(dns.rcode.Rcode(code))
