"""What a record's value may look like.

Shapes that Route 53 treats in its own way (quotes, field counts) are checked here, with its words;
the rest is left to dnspython's parser of presentation format.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html
"""

from __future__ import annotations

import ipaddress
import re

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass

from hiyoko.services.route53.names import BadName, stored_name

VALUE_MAX = 4000
STRING_MAX = 255

SINGLE_VALUE_TYPES = frozenset({"CNAME", "SOA"})

_STRING = re.compile(r'"((?:[^"\\]|\\[0-3][0-7]{2}|\\.)*)"', re.DOTALL)
_OCTAL = re.compile(r"\\([0-3][0-7]{2})|\\(.)", re.DOTALL)
_FIELDS = {"MX": 2, "SRV": 4, "NAPTR": 6, "CAA": 3}
_COUNT = {2: "two", 3: "three", 4: "four", 6: "six"}
_QUOTED_FIELDS = {"NAPTR": (2, 3, 4), "CAA": (2,)}


class BadValue(ValueError):
    """The value can't be one of its type; the text is Route 53's."""

    def __init__(self, code: str, text: str, value: str) -> None:
        super().__init__(
            f"Invalid Resource Record: 'FATAL problem: {code} ({text}) encountered with '{value}''"
        )


def check_value(record_type: str, value: str) -> None:
    """Raise BadValue unless ``value`` can be served as a record of this type."""
    if not value.isascii():
        raise BadValue("UnsupportedCharacter", "Value contains unsupported characters", value)
    match record_type:
        case "A":
            _check_address(ipaddress.IPv4Address, "ARRDATAIllegalIPv4Address", "IPv4", value)
        case "AAAA":
            _check_address(ipaddress.IPv6Address, "AAAARRDATAIllegalIPv6Address", "IPv6", value)
        case "CNAME" | "NS" | "PTR":
            _check_name(value)
        case "TXT" | "SPF":
            _check_strings(value)
        case _:
            _check_fields(record_type, value)
            _check_parsed(record_type, value)


def _check_address(
    kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address],
    code: str,
    family: str,
    value: str,
) -> None:
    try:
        kind(value)
    except ValueError as error:
        raise BadValue(code, f"Value is not a valid {family} address", value) from error


def _check_name(value: str) -> None:
    if value == ".":
        return  # the root: "no service here" in MX (RFC 7505) and SRV
    try:
        stored_name(value)
    except BadName as error:
        wrapped = BadValue("", "", value)
        wrapped.args = (f"Invalid Resource Record: '{error}'",)
        raise wrapped from error


def _check_strings(value: str) -> None:
    rest = value.strip()
    if not rest:
        raise BadValue(
            "InvalidCharacterString", "Value should be enclosed in quotation marks", value
        )
    while rest:
        found = _STRING.match(rest)
        if found is None:
            raise BadValue(
                "InvalidCharacterString", "Value should be enclosed in quotation marks", value
            )
        if len(_OCTAL.sub("x", found[1])) > STRING_MAX:
            raise BadValue("CharacterStringTooLong", "Value is too long", value)
        rest = rest[found.end() :].lstrip()


def _check_fields(record_type: str, value: str) -> None:
    wanted = _FIELDS.get(record_type)
    if wanted is None:
        return
    fields = re.findall(r'"(?:[^"\\]|\\.)*"|\S+', value)
    if len(fields) != wanted:
        word = _COUNT[wanted]
        raise BadValue(
            f"{record_type}RRDATANot{word.title()}Fields",
            f"{record_type} record doesn't have {word} fields",
            value,
        )
    for place in _QUOTED_FIELDS.get(record_type, ()):
        if not fields[place].startswith('"'):
            raise BadValue(
                "InvalidCharacterString", "Value should be enclosed in quotation marks", value
            )


def _check_parsed(record_type: str, value: str) -> None:
    if record_type == "MX" or record_type == "SRV":
        _check_name(value.split()[-1])
    try:
        dns.rdata.from_text(
            dns.rdataclass.IN, record_type, value, origin=dns.name.root, relativize=False
        )
    except (dns.exception.DNSException, ValueError) as error:
        raise BadValue(
            f"{record_type}RRDATAInvalid", f"Value is not a valid {record_type} record", value
        ) from error
