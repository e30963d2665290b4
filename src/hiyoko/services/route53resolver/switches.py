"""What a VPC's resolver does or leaves: found, asked for and changed in one way."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from hiyoko.api import Call, Request, unsupported
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.route53resolver import errors
from hiyoko.services.route53resolver.model import Switch
from hiyoko.store.table import Table

S = TypeVar("S", bound=Switch)


def switch_of(call: Call, request: Request, table: Table[S], unset: type[S]) -> S:
    """That of the asked-for VPC, or what it is where nobody has set anything.

    Raises ResourceNotFoundException.
    """
    vpc_id = request["ResourceId"]
    if ec2.VPCS.find(call, vpc_id) is None:
        raise errors.not_found("VPC", vpc_id)
    found = table.find(call.tx, account=call.account, region=call.region, vpc_id=vpc_id)
    # A kind of switch has its own default, so the type's own says nothing of ``on``.
    return found or unset(call.account, call.region, vpc_id)  # type: ignore[call-arg]


def switched(call: Call, request: Request, member: str, table: Table[S], unset: type[S]) -> S:
    """The switch as ``member`` of the request asks. Raises NotImplemented for other values."""
    if (wanted := request[member]) not in ("ENABLE", "DISABLE"):
        raise unsupported(member, wanted)
    before = switch_of(call, request, table, unset)
    if before.on == (wanted == "ENABLE"):
        return before
    changed = replace(before, on=not before.on, revision=call.tx.revision)
    table.put(call.tx, changed)
    return changed
