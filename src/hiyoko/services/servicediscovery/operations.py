"""Operations: what a change of a namespace, a service or an instance has come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.servicediscovery import errors, rows
from hiyoko.services.servicediscovery.model import Operation
from hiyoko.services.servicediscovery.pages import page

_FILTERS = {"NAMESPACE_ID": "NAMESPACE", "SERVICE_ID": "SERVICE"}


def begin(
    call: Call,
    kind: str,
    targets: Mapping[str, str],
    *,
    dns: bool,
    creator: str = "",
    failure: AwsError | None = None,
) -> Response:
    """Note an operation of this transaction; ``dns``: it is over when DNS answers from it.

    ``targets`` are NAMESPACE, SERVICE, INSTANCE by id.
    """
    made = Operation(
        account=call.account,
        region=call.region,
        operation_id=f"{call.ids.hex(32)}-{call.ids.hex(8)}",
        type=kind,
        created_at=call.now,
        targets=tuple(targets.items()),
        change_revision=call.tx.revision if dns else 0,
        error_code=failure.code if failure else "",
        error_message=failure.message if failure else "",
        creator=creator,
    )
    rows.insert_operation(call.tx, made)
    return {"OperationId": made.operation_id}


@operation("GetOperation")
def get_operation(call: Call, request: Request) -> Response:
    """An operation with its status: SUCCESS once the DNS servers answer from it."""
    if request.get("OwnerAccount") not in (None, call.account):
        raise unsupported("OwnerAccount", request["OwnerAccount"])
    found = rows.OPERATIONS.find(
        call.tx,
        account=call.account,
        region=call.region,
        operation_id=request["OperationId"],
    )
    if found is None:
        raise errors.operation_not_found(request["OperationId"])
    shown: dict[str, Any] = {
        "Id": found.operation_id,
        "OwnerAccount": found.account,
        "Type": found.type,
        "Status": found.status(rows.served_revision(call.tx)),
        "CreateDate": found.created_at,
        "UpdateDate": found.created_at,
        "Targets": dict(found.targets),
    }
    if found.error_code:
        shown |= {"ErrorCode": found.error_code, "ErrorMessage": found.error_message}
    return {"Operation": shown}


@operation("ListOperations")
def list_operations(call: Call, request: Request) -> Response:
    """Operations, newest first, by namespace, service, status, type or date."""
    served = rows.served_revision(call.tx)
    found = rows.list_operations(call.tx, call.account, call.region)
    for one in request.get("Filters") or ():
        found = [item for item in found if _passes(item, one, served)]
    shown = [{"Id": one.operation_id, "Status": one.status(served)} for one in found]
    return page(request, "Operations", shown)


def _passes(one: Operation, wanted: dict[str, Any], served: int) -> bool:
    name, values = wanted["Name"], wanted["Values"]
    condition = wanted.get("Condition") or "EQ"
    if name == "UPDATE_DATE":
        if condition != "BETWEEN" or len(values) != 2:
            raise errors.invalid_input("UPDATE_DATE needs the condition BETWEEN and two values.")
        first, last = (float(value) for value in values)
        # The dates are written in milliseconds: https://docs.aws.amazon.com/cloud-map/latest/api/API_OperationFilter.html
        return first <= one.created_at * 1000 <= last
    if condition not in ("EQ", "IN"):
        raise errors.invalid_input(f"The condition {condition} is not for the filter {name}.")
    told = {"STATUS": one.status(served), "TYPE": one.type}.get(name)
    return (one.target(_FILTERS[name]) if told is None else told) in values
