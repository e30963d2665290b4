"""TestDNSAnswer: what a public zone's name server answers to somebody somewhere.

The name servers themselves are asked, so the answer is theirs, by the code that answers everybody.
"""

from __future__ import annotations

import ipaddress
from typing import Protocol

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.route53 import errors, names, rows
from hiyoko.services.route53.model import (
    VIRGINIA_RESOLVER,
    DnsAnswer,
    DnsQuestion,
    HostedZone,
    server_name,
)

SUBNET_BITS = {4: 24, 6: 64}
"""How much of a client's address is told when the caller does not say."""


class NameServers(Protocol):
    """Asks a name server; None when none answers."""

    def __call__(self, question: DnsQuestion, /) -> DnsAnswer | None:
        """The answer."""
        ...


_servers: list[NameServers] = []


def use_name_servers(servers: NameServers) -> None:
    """Say how name servers are asked; the last word holds."""
    _servers[:] = [servers]


@operation("TestDNSAnswer")
def test_dns_answer(call: Call, request: Request) -> Response:
    """Ask for a name of a public zone, as a resolver somewhere or for a client of its."""
    zone = rows.get_zone(call.tx, call.account, request["HostedZoneId"])
    if zone.private:
        raise errors.invalid_input("TestDNSAnswer is not supported for private hosted zones.")
    question = DnsQuestion(
        number=zone.servers[0],
        name=_name(zone, request["RecordName"]),
        type=request["RecordType"],
        resolver=_address(request.get("ResolverIP") or VIRGINIA_RESOLVER),
        subnet=_subnet(request),
    )
    answer = _servers[0](question) if _servers else None
    if answer is None:
        raise AwsError(
            "ServiceUnavailable",
            "The hosted zone's name servers do not answer yet; try again in a moment.",
            status=503,
            fault="Receiver",
        )
    return {
        "Nameserver": server_name(question.number).rstrip("."),
        "RecordName": question.name,
        "RecordType": question.type,
        "RecordData": list(answer.values),
        "ResponseCode": answer.code,
        "Protocol": answer.protocol,
    }


def _name(zone: HostedZone, text: str) -> str:
    try:
        name = names.stored_name(text)
    except names.BadName as error:
        raise errors.invalid_input(f"{text} is not a valid domain name.") from error
    if name != zone.name and not name.endswith(f".{zone.name}"):
        raise errors.invalid_input(f"{name} is not in the hosted zone {zone.name}")
    return name


def _subnet(request: Request) -> str | None:
    given, bits = request.get("EDNS0ClientSubnetIP"), request.get("EDNS0ClientSubnetMask")
    if not given:
        if bits:
            raise errors.invalid_input(
                "EDNS0ClientSubnetMask can be specified only together with EDNS0ClientSubnetIP."
            )
        return None
    address = ipaddress.ip_address(_address(given))
    length = str(bits or SUBNET_BITS[address.version])
    if not length.isdecimal() or int(length) > address.max_prefixlen:
        raise errors.invalid_input(
            f"EDNS0ClientSubnetMask must be a number from 0 to {address.max_prefixlen}."
        )
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise errors.invalid_input(f"{text} is not a valid IP address.") from error
