"""The bucket that the registries' layers lie in: S3, answered from the blob store.

Only presigned links open it, for GET and HEAD. It has nothing to do with users' buckets.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from aiohttp import web

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.gateway import hosts
from hiyoko.plane.containers.blobs import Blobs
from hiyoko.settings import Settings
from hiyoko.store.database import Store

HOST = "prod-*-starport-layer-bucket.s3.*.amazonaws.com"
"""The pattern of its names: one bucket in each region."""
_NAME = re.compile(r"prod-([a-z0-9-]+)-starport-layer-bucket\.s3\.([a-z0-9-]+)\.amazonaws\.com")
_PATH = re.compile(r"/(\d{12})/([0-9a-f]{64})")


class LayerBucket:
    """Answers for the bucket of every region."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._blobs = Blobs(settings.image_dir)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return self._answer(request)
        except AwsError as error:
            text = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
            body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}</Error>'
            return web.Response(status=error.status, text=body, content_type="application/xml")

    def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        name = _NAME.fullmatch(hosts.host_name(request.host))
        path = _PATH.fullmatch(request.path)
        # Whoever may not list a bucket is not told what is in it.
        if name is None or path is None or request.method not in ("GET", "HEAD"):
            raise AwsError("AccessDenied", "Access Denied", status=403)
        asked = {"path": request.path, "query": request.rel_url.raw_query_string}
        api.invoke(self._store, "ecr", "_CheckLayerUrl", asked, account=path[1], region=name[2])
        digest = f"sha256:{path[2]}"
        if not self._blobs.has(digest):
            raise AwsError("NoSuchKey", "The specified key does not exist.", status=404)
        # FileResponse knows HEAD and ranges, and lets the kernel copy where it can.
        return web.FileResponse(
            self._blobs.path(digest), headers={"Content-Type": "application/octet-stream"}
        )
