"""One question to a name server of ours, put to the process that is all of them.

It goes by the control socket: the process takes it as if it had come from the given address, which
a packet of the daemon's could not, and no query log has it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode

from hiyoko.plane.dns.control import socket_path

WAIT_S = 2.0
PAYLOAD = 4096


@dataclass(frozen=True, slots=True)
class Told:
    """The code's name, the answer section's values, and whether it took TCP."""

    code: str
    values: Sequence[str]
    tcp: bool


def ask_as(
    run_dir: Path, server: IPv4Address, client: str, name: str, kind: str, subnet: str | None
) -> Told | None:
    """What ``server`` tells ``client``, or a client's ``subnet`` behind it; None: no answer.

    ``name`` is as in a master file.
    """
    options: list[dns.edns.Option] = []
    if subnet is not None:
        network = ip_network(subnet)
        options.append(dns.edns.ECSOption(str(network.network_address), network.prefixlen))
    query = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD, options=options)
    query.flags &= ~dns.flags.RD
    question = query.to_wire().hex()
    answer = _exchange(run_dir, f"ask {server} {client} udp {question}")
    cut = answer is not None and bool(answer.flags & dns.flags.TC)
    if cut:
        answer = _exchange(run_dir, f"ask {server} {client} tcp {question}")
    if answer is None:
        return None
    values = [value.to_text() for records in answer.answer for value in records]
    return Told(dns.rcode.to_text(answer.rcode()), values, tcp=cut)


def _exchange(run_dir: Path, request: str) -> dns.message.Message | None:
    try:
        with socket_path(run_dir) as path, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT_S)
            connection.connect(path)
            connection.sendall(request.encode() + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline()
    except OSError:
        return None  # it does not run, or not yet
    wire = json.loads(line or b"{}").get("wire")
    return dns.message.from_wire(bytes.fromhex(wire)) if wire else None
