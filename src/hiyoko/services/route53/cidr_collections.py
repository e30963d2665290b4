"""CIDR collections: networks under names, which IP-based routing goes by.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-ipbased.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.route53 import errors, rows
from hiyoko.services.route53.model import GLOBAL, CidrCollection
from hiyoko.services.route53.pages import token_page

COLLECTIONS_MAX = 5
BLOCKS_MAX = 1000
PREFIX_MAX = {4: 24, 6: 48}
_LOCATION = "https://route53.amazonaws.com/2013-04-01/cidrcollection/"


@operation("CreateCidrCollection")
def create_cidr_collection(call: Call, request: Request) -> Response:
    """An empty collection. The same name with the same caller reference is the one there is."""
    mine = rows.CIDR_COLLECTIONS.list(call.tx, account=call.account)
    for found in mine:
        if found.name == request["Name"] or found.caller_reference == request["CallerReference"]:
            if (found.name, found.caller_reference) != (
                request["Name"],
                request["CallerReference"],
            ):
                raise errors.cidr_collection_exists(request["Name"])
            return _created(found)
    if len(mine) >= COLLECTIONS_MAX:
        raise errors.limits_exceeded(f"Limit of {COLLECTIONS_MAX} CIDR collections exceeded.")
    made = CidrCollection(
        call.account, GLOBAL, call.ids.uuid(), request["Name"], request["CallerReference"]
    )
    rows.CIDR_COLLECTIONS.insert(call.tx, made)
    return _created(made)


def _created(collection: CidrCollection) -> Response:
    return {
        "Collection": _summary(collection),
        "Location": _LOCATION + collection.collection_id,
    }


@operation("ChangeCidrCollection")
def change_cidr_collection(call: Call, request: Request) -> Response:
    """Put blocks into locations and take them out: every change or none."""
    collection = rows.get_collection(call.tx, call.account, request["Id"])
    version = request.get("CollectionVersion")
    if version is not None and int(version) != collection.version:
        raise errors.cidr_version_mismatch(collection.version)
    locations = {name: list(blocks) for name, blocks in collection.locations}
    for change in request["Changes"]:
        name = change["LocationName"]
        blocks = [_block(text) for text in change["CidrList"]]
        if change["Action"] == "PUT":
            _put(locations, name, blocks)
        else:
            kept = [block for block in locations.get(name, ()) if block not in blocks]
            locations[name] = kept
            if not kept:
                _check_unused(call, collection, name)
                del locations[name]
    if sum(len(blocks) for blocks in locations.values()) > BLOCKS_MAX:
        raise errors.limits_exceeded(f"Limit of {BLOCKS_MAX} CIDR blocks exceeded.")
    rows.CIDR_COLLECTIONS.put(
        call.tx,
        replace(
            collection,
            version=collection.version + 1,
            locations=tuple((name, tuple(blocks)) for name, blocks in sorted(locations.items())),
        ),
    )
    return {"Id": collection.collection_id}


def _put(locations: dict[str, list[str]], name: str, blocks: Sequence[str]) -> None:
    for other, taken in locations.items():
        shared = set(blocks) & set(taken)
        if other != name and shared:
            raise errors.cidr_block_in_use(
                f"The CIDR block {min(shared)} is already in the location {other}."
            )
    mine = locations.setdefault(name, [])
    mine += [block for block in dict.fromkeys(blocks) if block not in mine]


def _check_unused(call: Call, collection: CidrCollection, location: str) -> None:
    for record in rows.list_all_records(call.tx):
        cidr = record.cidr
        if cidr is None or cidr.collection_id != collection.collection_id:
            continue
        if cidr.location == location:
            raise errors.cidr_block_in_use(
                f"The location {location} is in use by the record set {record.name}."
            )


def _block(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise errors.invalid_input(f"Invalid CIDR block: {text}") from error
    if not 1 <= network.prefixlen <= PREFIX_MAX[network.version]:
        most = PREFIX_MAX[network.version]
        raise errors.invalid_input(f"The prefix of {text} must be from /1 to /{most}.")
    return str(network)


@operation("DeleteCidrCollection")
def delete_cidr_collection(call: Call, request: Request) -> Response:
    """Delete a collection that holds nothing and that nothing goes by."""
    collection = rows.get_collection(call.tx, call.account, request["Id"])
    if collection.locations:
        raise errors.cidr_collection_in_use("This CIDR collection is in use, and isn't empty.")
    for record in rows.list_all_records(call.tx):
        if record.cidr is not None and record.cidr.collection_id == collection.collection_id:
            raise errors.cidr_collection_in_use(
                f"This CIDR collection is in use by the record set {record.name}."
            )
    rows.CIDR_COLLECTIONS.delete(call.tx, collection_id=collection.collection_id)
    return {}


@operation("ListCidrCollections")
def list_cidr_collections(call: Call, request: Request) -> Response:
    """The account's collections."""
    found = sorted(
        rows.CIDR_COLLECTIONS.list(call.tx, account=call.account), key=lambda c: c.collection_id
    )
    return token_page(request, "CidrCollections", [_summary(collection) for collection in found])


@operation("ListCidrLocations")
def list_cidr_locations(call: Call, request: Request) -> Response:
    """The names in a collection."""
    collection = rows.get_collection(call.tx, call.account, request["CollectionId"])
    names = [{"LocationName": name} for name, _ in collection.locations]
    return token_page(request, "CidrLocations", names)


@operation("ListCidrBlocks")
def list_cidr_blocks(call: Call, request: Request) -> Response:
    """The blocks in a collection, or in one of its locations."""
    collection = rows.get_collection(call.tx, call.account, request["CollectionId"])
    wanted = request.get("LocationName")
    if wanted and not collection.blocks(wanted):
        raise errors.no_such_cidr_location(wanted)
    blocks = [
        {"CidrBlock": block, "LocationName": name}
        for name, found in collection.locations
        if wanted in (None, name)
        for block in found
    ]
    return token_page(request, "CidrBlocks", blocks)


def _summary(collection: CidrCollection) -> dict[str, Any]:
    return {
        "Arn": f"arn:aws:route53:::cidrcollection/{collection.collection_id}",
        "Id": collection.collection_id,
        "Name": collection.name,
        "Version": collection.version,
    }
