"""Prefix lists: AWS's own of the services with gateway endpoints, and the account's.

https://docs.aws.amazon.com/vpc/latest/userguide/managed-prefix-lists.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.cidr import read_cidr
from hiyoko.services.ec2.filters import Filters, page, select
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.model import PrefixList, PrefixListEntry, aws_prefix_lists
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.tags import shown, wanted_tags

ENTRIES_MAX = 1000
"""https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"""

_FILTERS: Filters[PrefixList] = {
    "owner-id": lambda each: each.account,
    "prefix-list-id": lambda each: each.prefix_list_id,
    "prefix-list-name": lambda each: each.name,
}


def _chosen(call: Call, request: Request, known: Iterable[PrefixList]) -> list[PrefixList]:
    """The lists that are asked for by id and filter, sorted by id."""
    by_id = {each.prefix_list_id: each for each in known}
    wanted = request.get("PrefixListIds") or by_id
    for key in wanted:
        if key not in by_id:
            rows.PREFIX_LISTS.get(call, key)
            raise AwsError(
                "InvalidPrefixListID.NotFound", f"The prefix list ID '{key}' does not exist"
            )
    return select([by_id[key] for key in sorted(wanted)], request.get("Filters") or (), _FILTERS)


@operation("DescribePrefixLists", "PrefixListIds", "Filters", "MaxResults", "NextToken")
def describe_prefix_lists(call: Call, request: Request) -> Response:
    """AWS's lists with their CIDRs."""
    return page(
        _chosen(call, request, aws_prefix_lists(call.region)),
        request,
        lambda each: each.prefix_list_id,
        lambda each: {
            "PrefixListId": each.prefix_list_id,
            "PrefixListName": each.name,
            "Cidrs": [entry.cidr for entry in each.entries],
        },
        "PrefixLists",
    )


def _view(each: PrefixList, state: str = "create-complete") -> dict[str, Any]:
    owner = "aws" if each.account == "AWS" else each.account
    arn = f"arn:aws:ec2:{each.region}:{owner}:prefix-list/{each.prefix_list_id}"
    view: dict[str, Any] = {
        "PrefixListId": each.prefix_list_id,
        "PrefixListName": each.name,
        "PrefixListArn": arn,
        "AddressFamily": "IPv4",
        "State": state,
        "OwnerId": each.account,
        "Tags": shown(each.tags),
    }
    if each.account != "AWS":
        view |= {"MaxEntries": each.max_entries, "Version": each.version}
    return view


@operation("DescribeManagedPrefixLists", "PrefixListIds", "Filters", "MaxResults", "NextToken")
def describe_managed_prefix_lists(call: Call, request: Request) -> Response:
    """AWS's lists and the account's."""
    every = (*aws_prefix_lists(call.region), *rows.PREFIX_LISTS.list(call))
    chosen = _chosen(call, request, every)
    return page(chosen, request, lambda each: each.prefix_list_id, _view, "PrefixLists")


@operation(
    "GetManagedPrefixListEntries", "PrefixListId", "TargetVersion", "MaxResults", "NextToken"
)
def get_managed_prefix_list_entries(call: Call, request: Request) -> Response:
    """A list's CIDRs. Earlier versions are not kept, so they are refused."""
    found = rows.get_prefix_list(call, request["PrefixListId"])
    if request.get("TargetVersion", found.version) != found.version:
        raise unsupported("TargetVersion", str(request["TargetVersion"]))
    entries = sorted(found.entries, key=lambda entry: entry.cidr)
    return page(entries, request, lambda entry: entry.cidr, _entry_view, "Entries")


def _entry_view(entry: PrefixListEntry) -> dict[str, str]:
    described = {"Description": entry.description} if entry.description else {}
    return {"Cidr": entry.cidr, **described}


@operation(
    "CreateManagedPrefixList", "PrefixListName", "Entries", "MaxEntries", "AddressFamily",
    "TagSpecifications", "ClientToken",
)  # fmt: skip
def create_managed_prefix_list(call: Call, request: Request) -> Response:
    """Record a list of the account's own."""
    if request["AddressFamily"] != "IPv4":
        raise unsupported("AddressFamily", request["AddressFamily"])
    made = PrefixList(
        account=call.account,
        region=call.region,
        prefix_list_id=new_id(call, "pl"),
        name=_name(request["PrefixListName"]),
        max_entries=_size(request["MaxEntries"]),
        entries=_with((), request.get("Entries") or ()),
        tags=wanted_tags(request, "prefix-list"),
    )
    rows.PREFIX_LISTS.put(call, _fitting(made))
    return {"PrefixList": _view(made, "create-in-progress")}


def _name(name: str) -> str:
    if not name or len(name) > 255 or name.startswith("com.amazonaws"):
        raise errors.bad_value(f"Value ({name}) for parameter PrefixListName is invalid.")
    return name


def _size(size: int) -> int:
    if not 1 <= size <= ENTRIES_MAX:
        raise errors.bad_value(f"Value ({size}) for parameter MaxEntries is invalid.")
    return size


def _with(
    entries: tuple[PrefixListEntry, ...], more: Iterable[Mapping[str, Any]]
) -> tuple[PrefixListEntry, ...]:
    found = {entry.cidr: entry for entry in entries}
    for item in more:
        cidr = str(read_cidr(item["Cidr"], "cidr"))
        found[cidr] = PrefixListEntry(cidr, item.get("Description") or "")
    return tuple(found.values())


def _fitting(wanted: PrefixList) -> PrefixList:
    if len(wanted.entries) > wanted.max_entries:
        raise AwsError(
            "PrefixListMaxEntriesExceeded",
            f"You've reached the maximum number of entries for the prefix list"
            f" ({wanted.max_entries}).",
        )
    return wanted


@operation(
    "ModifyManagedPrefixList", "PrefixListId", "CurrentVersion", "PrefixListName", "AddEntries",
    "RemoveEntries", "MaxEntries",
)  # fmt: skip
def modify_managed_prefix_list(call: Call, request: Request) -> Response:
    """Change entries (which makes a new version), name or size of a list of the account's."""
    old = _own(call, request["PrefixListId"])
    current = request.get("CurrentVersion")
    drop = {item["Cidr"] for item in request.get("RemoveEntries") or ()}
    added = request.get("AddEntries") or ()
    if (drop or added) and current != old.version:
        raise AwsError(
            "PrefixListVersionMismatch",
            f"The prefix list has the incorrect version number. The current version is"
            f" {old.version}.",
        )
    unknown = drop - {entry.cidr for entry in old.entries}
    if unknown:
        raise errors.bad_value(f"The prefix list has no entry {min(unknown)}.")
    left = tuple(entry for entry in old.entries if entry.cidr not in drop)
    new = replace(
        old,
        name=_name(request.get("PrefixListName") or old.name),
        max_entries=_size(request.get("MaxEntries") or old.max_entries),
        entries=_with(left, added),
        version=old.version + bool(drop or added),
    )
    return {"PrefixList": _view(rows.PREFIX_LISTS.put(call, _fitting(new)), "modify-in-progress")}


def _own(call: Call, prefix_list_id: str) -> PrefixList:
    found = rows.get_prefix_list(call, prefix_list_id)
    if found.account == "AWS":
        raise AwsError(
            "UnauthorizedOperation", "You are not authorized to perform this operation.", status=403
        )
    return found


@operation("DeleteManagedPrefixList", "PrefixListId")
def delete_managed_prefix_list(call: Call, request: Request) -> Response:
    """Delete a list of the account's that no rule and no route names."""
    found = _own(call, request["PrefixListId"])
    key = found.prefix_list_id
    ruled = any(rule.prefix_list == key for rule in rows.RULES.list(call))
    routed = any(
        route.destination == key for table in rows.ROUTE_TABLES.list(call) for route in table.routes
    )
    if ruled or routed:
        raise errors.has_dependencies("prefix list", key)
    rows.PREFIX_LISTS.delete(call, found)
    return {"PrefixList": _view(found, "delete-in-progress")}
