"""What ECR tells EventBridge of images: a notice beside the change, in one transaction.

``reconcile.registry`` carries it to the default bus afterwards.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
"""

from __future__ import annotations

import json

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.model import Notice

IMAGE_ACTION = "ECR Image Action"


def tell_image(call: Call, action: str, repository: str, digest: str, tag: str = "") -> None:
    """An image was pushed (``PUSH``) or deleted (``DELETE``)."""
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": digest,
        "action-type": action,
    }
    if tag:
        detail["image-tag"] = tag
    last = max((notice.sequence for notice in rows.NOTICES.list(call.tx)), default=0)
    notice = Notice(last + 1, call.account, call.region, call.now, IMAGE_ACTION, json.dumps(detail))
    rows.NOTICES.insert(call.tx, notice)


@operation("_ForgetNotices")
def forget_notices(call: Call, request: Request) -> Response:
    """These have been told; ``{Last}`` (a sequence number, the earlier ones too)."""
    for notice in rows.NOTICES.list(call.tx):
        if notice.sequence <= request["Last"]:
            rows.NOTICES.delete(call.tx, sequence=notice.sequence)
    return {}
