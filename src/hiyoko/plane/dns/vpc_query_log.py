"""Questions to the resolvers of VPCs that are logged, a line of JSON each.

As AWS's resolver does, it writes a question down when it is new: until its answer's TTL is over,
the same one is answered from the cache.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-query-logs-format.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from hiyoko.plane.dns.spool import Spool

VERSION = "1.100000"
FILE = "vpc-queries.log"
TOLD_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's way: from whom, to which address, and through which interface it went on."""

    vpc_id: str
    region: str
    client: tuple[str, int]
    address: str
    tcp: bool
    outlet: str = ""


@dataclass(frozen=True, slots=True)
class VpcQueryLog(Spool):
    """The log of what VPCs' resolvers were asked. ``_told``: until when a question is known."""

    now: Callable[[], float] = time.time
    _told: dict[tuple[str, str, str], float] = field(default_factory=dict)

    @classmethod
    def below(cls, run_dir: Path) -> VpcQueryLog:
        """The log of a world."""
        return cls(run_dir / FILE)

    def note(self, asked: Asked, wire: bytes) -> None:
        """Write down the question of an answer, and what was answered.

        ``at`` and ``outlet`` tell whose endpoint it came in by, or went out by: they are not AWS's.
        """
        answer = dns.message.from_wire(wire)
        if not answer.question:
            return
        question, now = answer.question[0], self.now()
        key = (asked.vpc_id, question.name.to_text().lower(), question.rdtype.name)
        if self._told.get(key, 0.0) > now:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        sets = (*answer.answer, *answer.authority)
        self._told[key] = now + min((each.ttl for each in sets), default=0)
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        line: dict[str, Any] = {
            "version": VERSION,
            "region": asked.region,
            "vpc_id": asked.vpc_id,
            "query_timestamp": moment.replace("+00:00", "Z"),
            "query_name": question.name.to_text(),
            "query_type": dns.rdatatype.to_text(question.rdtype),
            "query_class": dns.rdataclass.to_text(question.rdclass),
            "rcode": dns.rcode.to_text(answer.rcode()),
            "answers": [
                {
                    "Rdata": datum.to_text(),
                    "Type": dns.rdatatype.to_text(each.rdtype),
                    "Class": dns.rdataclass.to_text(each.rdclass),
                }
                for each in answer.answer
                for datum in each
            ],
            "srcaddr": asked.client[0],
            "srcport": str(asked.client[1]),
            "transport": "TCP" if asked.tcp else "UDP",
            "at": asked.address,
            "outlet": asked.outlet,
        }
        self.append(json.dumps(line, separators=(",", ":")))
