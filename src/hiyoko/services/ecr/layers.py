"""Layers lie in a bucket of S3, behind presigned links: made here, and checked here.

The signature is AWS's version 4 with the registry's own secret, so it is really judged, unlike
those of callers, whose secrets nobody knows.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlencode

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.errors import LayersNotFound
from hiyoko.services.ecr.repositories import own_registry

LIFETIME_S = 3600
_ALGORITHM = "AWS4-HMAC-SHA256"
_STAMP = "%Y%m%dT%H%M%SZ"


def layer_host(region: str) -> str:
    """The bucket's name on the internet."""
    return f"prod-{region}-starport-layer-bucket.s3.{region}.amazonaws.com"


def _signature(secret: str, region: str, path: str, query: dict[str, str]) -> str:
    """The signature of a GET with these parameters."""
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query.items())
    canonical = "\n".join(
        (
            "GET",
            path,
            "&".join(f"{key}={value}" for key, value in pairs),
            f"host:{layer_host(region)}\n",
            "host",
            "UNSIGNED-PAYLOAD",
        )
    )
    stamp = query["X-Amz-Date"]
    scope = (stamp[:8], region, "s3", "aws4_request")
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    said = "\n".join((_ALGORITHM, stamp, "/".join(scope), digest))
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def _url(call: Call, digest: str) -> str:
    secret = rows.ensure_secret(call.tx, call.account)
    path = f"/{call.account}/{digest.removeprefix('sha256:')}"
    stamp = datetime.fromtimestamp(call.now, UTC).strftime(_STAMP)
    query = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{call.account}/{stamp[:8]}/{call.region}/s3/aws4_request",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(LIFETIME_S),
        "X-Amz-SignedHeaders": "host",
    }
    query["X-Amz-Signature"] = _signature(secret, call.region, path, query)
    return f"https://{layer_host(call.region)}{path}?{urlencode(query)}"


@operation("_LayerUrl")
def layer_url(call: Call, request: Request) -> Response:
    """The registry's question: where a blob that it has is to be fetched."""
    return {"url": _url(call, request["digest"])}


@operation("_CheckLayerUrl")
def check_layer_url(call: Call, request: Request) -> Response:
    """Whether a link opens its layer. Raises AccessDenied or SignatureDoesNotMatch."""
    query = dict(parse_qsl(request["query"], keep_blank_values=True))
    given = query.pop("X-Amz-Signature", "")
    secret = rows.find_secret(call.tx, call.account)
    try:
        begun = datetime.strptime(query["X-Amz-Date"], _STAMP).replace(tzinfo=UTC).timestamp()
        ends = begun + int(query["X-Amz-Expires"])
    except (KeyError, ValueError) as error:
        raise AwsError("AccessDenied", "Access Denied", status=403) from error
    wanted = _signature(secret or "", call.region, request["path"], query)
    if secret is None or not hmac.compare_digest(wanted, given):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided."
            " Check your key and signing method.",
            status=403,
        )
    if call.now > ends:
        raise AwsError("AccessDenied", "Request has expired", status=403)
    return {}


@operation("GetDownloadUrlForLayer")
def get_download_url_for_layer(call: Call, request: Request) -> Response:
    """A link to a layer that the repository has. Raises LayersNotFound."""
    own_registry(call, request)
    repository = rows.get_repository(call.tx, call.account, call.region, request["repositoryName"])
    digest = request["layerDigest"]
    if rows.find_layer(call.tx, repository, digest) is None:
        raise LayersNotFound(digest, repository.name, call.account)
    return {"downloadUrl": _url(call, digest), "layerDigest": digest}
