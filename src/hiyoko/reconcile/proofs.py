"""Look-ups for certificates: is the proof in DNS, and does a CAA record forbid."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.blueprint.certificates import Validation
from hiyoko.plane.dns.lookup import Lookup
from hiyoko.plane.error import PlaneError

CHAIN_MAX = 5
"""https://docs.aws.amazon.com/acm/latest/userguide/troubleshooting-DNS-validation.html"""
CAA_ISSUERS = frozenset({"amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"})
"""https://docs.aws.amazon.com/acm/latest/userguide/setup-caa.html"""
CRITICAL = 128
"""RFC 8659, section 4.1: the flag of a property that must be understood or obeyed."""
KNOWN_TAGS = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc"})


@dataclass(frozen=True, slots=True)
class Proof:
    """What a look-up for a domain's proof gave. ``answered`` is False when no server did."""

    found: bool
    detail: str
    answered: bool = True


async def prove(validation: Validation, lookup: Lookup) -> Proof:
    """Look for a validation's CNAME from the root. The value's ``_`` may be missing, as for ACM."""
    found = await lookup.look_up(validation.name, "CNAME")
    name = validation.name
    for _ in range(CHAIN_MAX):
        targets = found.values("CNAME")
        if not targets:
            return Proof(False, f"{name} CNAME: {_why(found.rcode)}", found.rcode != "SERVFAIL")
        target = targets[0].lower()
        if target in (validation.value, validation.value.removeprefix("_")):
            return Proof(True, f"{validation.name} CNAME {target}")
        name = target
        found = await lookup.look_up(name, "CNAME")
    return Proof(False, f"{validation.name} CNAME: the value asked for is not in the chain")


def _why(rcode: str) -> str:
    return {"NOERROR": "no such record", "SERVFAIL": "no server answered"}.get(rcode, rcode)


async def forbidding_caa(domain: str, lookup: Lookup) -> str | None:
    """The CAA records that forbid Amazon to issue for a domain; None when nothing does.

    The closest set from the name upwards counts (RFC 8659, section 3); no set at all allows.
    Raises PlaneError when no server answered: what cannot be seen is not allowed.
    """
    wildcard = domain.startswith("*.")
    name = domain.removeprefix("*.") + "."
    while name.rstrip("."):
        found = await lookup.look_up(name, "CAA")
        if found.rcode == "SERVFAIL":
            raise PlaneError(f"look up CAA of {name}: no server answered")
        records = [parse_caa(value) for value in found.values("CAA")]
        if records:
            return judge_caa(name, records, wildcard)
        name = name.split(".", 1)[1]
    return None


def judge_caa(name: str, records: list[tuple[int, str, str]], wildcard: bool) -> str | None:
    """Why a set of CAA records forbids; None when it allows."""
    for flags, tag, _ in records:
        if flags & CRITICAL and tag not in KNOWN_TAGS:
            return f"CAA records of {name} have the critical property {tag}, which is unknown"
    issue = [value for _, tag, value in records if tag == "issue"]
    wild = [value for _, tag, value in records if tag == "issuewild"]
    judged = wild if wildcard and wild else issue
    if judged and not CAA_ISSUERS & set(judged):
        return f"CAA records of {name} do not name Amazon: {', '.join(judged)}"
    return None


def parse_caa(value: str) -> tuple[int, str, str]:
    """Flags, tag and issuer of a CAA record (``0 issue "amazon.com; policy=ev"``)."""
    flags, tag, text = value.split(" ", 2)
    return int(flags), tag.lower(), text.strip('"').split(";")[0].strip().lower()
