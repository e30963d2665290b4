"""Changes and whether the name servers already answer from them."""

from __future__ import annotations

from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.route53 import rows, views
from hiyoko.services.route53.model import GLOBAL, Change
from hiyoko.services.route53.seen import SERVED_SEEN


def submit(call: Call, comment: str | None = None) -> dict[str, Any]:
    """Record a change made by this transaction; its ChangeInfo (PENDING: nobody saw it yet)."""
    change = Change(
        account=call.account,
        region=GLOBAL,
        change_id="C" + call.ids.hex(20).upper(),
        revision=call.tx.revision,
        submitted_at=call.now,
        comment=comment,
    )
    rows.insert_change(call.tx, change)
    return views.change_info(change, in_sync=False)


@operation("GetChange")
def get_change(call: Call, request: Request) -> Response:
    """INSYNC once the DNS server was seen to answer from the change's revision or a later one."""
    change = rows.get_change(call.tx, call.account, request["Id"])
    served = SERVED_SEEN.find(call.tx, key="dns")
    in_sync = served is not None and served.revision >= change.revision
    return {"ChangeInfo": views.change_info(change, in_sync=in_sync)}
