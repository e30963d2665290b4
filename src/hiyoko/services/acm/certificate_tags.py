"""Tags of certificates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.acm import errors, rows
from hiyoko.services.acm.model import Certificate

TAGS_MAX = 50


def parsed_tags(tags: Iterable[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Tags as they are stored, each key once."""
    pairs = {tag["Key"]: tag.get("Value") or "" for tag in tags}
    if len(pairs) > TAGS_MAX:
        raise errors.too_many_tags()
    return tuple(sorted(pairs.items()))


@operation("AddTagsToCertificate")
def add_tags_to_certificate(call: Call, request: Request) -> Response:
    """Add tags, or replace their values."""
    certificate = _get(call, request)
    have = [{"Key": key, "Value": value} for key, value in certificate.tags]
    tags = parsed_tags([*have, *request["Tags"]])
    rows.put_certificate(call.tx, replace(certificate, tags=tags))
    return {}


@operation("RemoveTagsFromCertificate")
def remove_tags_from_certificate(call: Call, request: Request) -> Response:
    """Remove tags: by key, or by key and value where a value is given."""
    certificate = _get(call, request)
    gone = {(tag["Key"], tag.get("Value")) for tag in request["Tags"]}
    tags = tuple(
        (key, value)
        for key, value in certificate.tags
        if (key, value) not in gone and (key, None) not in gone
    )
    rows.put_certificate(call.tx, replace(certificate, tags=tags))
    return {}


@operation("ListTagsForCertificate")
def list_tags_for_certificate(call: Call, request: Request) -> Response:
    """The certificate's tags."""
    tags = _get(call, request).tags
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags]}


def _get(call: Call, request: Request) -> Certificate:
    return rows.get_certificate(call.tx, call.account, call.region, request["CertificateArn"])
