"""CreateTrustStore and its kin: the authorities that clients' certificates are verified against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from hiyoko import api
from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.elbv2 import errors, rows
from hiyoko.services.elbv2.model import TrustStore, TrustStoreRevocation
from hiyoko.services.elbv2.pem_bundles import read_ca_bundle, read_crl
from hiyoko.services.elbv2.requests import check_arn, page, parse_tags

TRUST_STORES_MAX = 20
REVOCATION_LISTS_MAX = 30
REVOKED_MAX = 500_000
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html"""


@operation("CreateTrustStore")
def create_trust_store(call: Call, request: Request) -> Response:
    """Keep a copy of the bundle that S3 holds: a later change of the object changes nothing."""
    name = request["Name"]
    tags = parse_tags(request.get("Tags") or [])
    if rows.find_trust_store(call.tx, call.account, call.region, name) is not None:
        raise errors.duplicate_trust_store(name)
    if len(rows.list_trust_stores(call.tx, call.account, call.region)) >= TRUST_STORES_MAX:
        raise errors.too_many("TooManyTrustStores", "The limit of trust stores is reached")
    bundle, count = _read_bundle(call, request)
    row = TrustStore(
        arn=call.arn("elasticloadbalancing", f"truststore/{name}/{call.ids.hex(16)}"),
        account=call.account,
        region=call.region,
        name=name,
        created_at=call.now,
        ca_bundle=bundle,
        ca_count=count,
        tags=tags,
    )
    rows.TRUST_STORES.insert(call.tx, row)
    return {"TrustStores": [_view(call, row)]}


@operation("ModifyTrustStore")
def modify_trust_store(call: Call, request: Request) -> Response:
    """Replace the whole bundle; its revocation lists stay."""
    row = _get(call, request)
    bundle, count = _read_bundle(call, request)
    row = replace(row, ca_bundle=bundle, ca_count=count)
    rows.TRUST_STORES.put(call.tx, row)
    return {"TrustStores": [_view(call, row)]}


@operation("DeleteTrustStore")
def delete_trust_store(call: Call, request: Request) -> Response:
    """Delete it with its revocation lists, unless a listener uses it."""
    row = _get(call, request)
    if rows.listeners_trusting(call.tx, row.arn):
        raise errors.trust_store_in_use(row.arn)
    rows.REVOCATIONS.delete(call.tx, trust_store_arn=row.arn)
    rows.TRUST_STORES.delete(call.tx, arn=row.arn)
    return {}


@operation("DescribeTrustStores")
def describe_trust_stores(call: Call, request: Request) -> Response:
    """All trust stores, or those of the given ARNs or names."""
    arns, names = request.get("TrustStoreArns") or [], request.get("Names") or []
    if arns and names:
        raise errors.validation("Trust store ARNs and names cannot be specified together")
    found = rows.list_trust_stores(call.tx, call.account, call.region)
    if arns or names:
        for arn in arns:
            check_arn("trust store", arn)
        asked = {(row.arn if arns else row.name): row for row in found}
        if not asked.keys() >= {*arns, *names}:
            raise errors.trust_store_not_found()
        found = [asked[key] for key in dict.fromkeys([*arns, *names])]
    shown, more = page("TrustStores", found, request)
    return {"TrustStores": [_view(call, row) for row in shown], **more}


@operation("DescribeTrustStoreAssociations")
def describe_trust_store_associations(call: Call, request: Request) -> Response:
    """The load balancers whose listeners verify clients against it."""
    row = _get(call, request)
    used = rows.listeners_trusting(call.tx, row.arn)
    arns = sorted({listener.balancer_arn for listener in used})
    shown, more = page("TrustStoreAssociations", arns, request)
    return {"TrustStoreAssociations": [{"ResourceArn": arn} for arn in shown], **more}


@operation("GetTrustStoreCaCertificatesBundle")
def get_trust_store_ca_certificates_bundle(call: Call, request: Request) -> Response:
    """Where the kept bundle can be fetched."""
    row = _get(call, request)
    return {"Location": _location(call, arn=row.arn)}


@operation("AddTrustStoreRevocations")
def add_trust_store_revocations(call: Call, request: Request) -> Response:
    """Keep copies of revocation lists; each gets a number of its own."""
    row = _get(call, request)
    present = rows.list_revocations(call.tx, row.arn)
    added: list[TrustStoreRevocation] = []
    for content in request.get("RevocationContents") or []:
        raw = _fetch(call, content, "S3", errors.revocation_content_not_found)
        crl, entries = read_crl(raw)
        number = row.next_revocation_id + len(added)
        added.append(TrustStoreRevocation(row.arn, number, crl, entries))
    if not added:
        raise errors.validation("At least one revocation content must be specified")
    total = sum(item.entries for item in (*present, *added))
    if total > REVOKED_MAX or len(present) + len(added) > REVOCATION_LISTS_MAX:
        raise errors.too_many(
            "TooManyTrustStoreRevocationEntries",
            f"The limit of revocation entries is reached for trust store '{row.arn}'",
        )
    for item in added:
        rows.REVOCATIONS.insert(call.tx, item)
    last = added[-1].revocation_id
    rows.TRUST_STORES.put(call.tx, replace(row, next_revocation_id=last + 1))
    return {"TrustStoreRevocations": [_revocation(item) for item in added]}


@operation("RemoveTrustStoreRevocations")
def remove_trust_store_revocations(call: Call, request: Request) -> Response:
    """Forget revocation lists: what they revoked is let in again."""
    row = _get(call, request)
    found = [_get_revocation(call, row, number) for number in request["RevocationIds"]]
    for item in found:
        rows.REVOCATIONS.delete(call.tx, trust_store_arn=row.arn, revocation_id=item.revocation_id)
    return {}


@operation("DescribeTrustStoreRevocations")
def describe_trust_store_revocations(call: Call, request: Request) -> Response:
    """All revocation lists of a trust store, or those with the given ids."""
    row = _get(call, request)
    asked = request.get("RevocationIds") or []
    found = [_get_revocation(call, row, number) for number in asked]
    if not asked:
        found = rows.list_revocations(call.tx, row.arn)
    shown, more = page("TrustStoreRevocations", found, request)
    return {"TrustStoreRevocations": [_revocation(item) for item in shown], **more}


@operation("GetTrustStoreRevocationContent")
def get_trust_store_revocation_content(call: Call, request: Request) -> Response:
    """Where a kept revocation list can be fetched."""
    row = _get(call, request)
    item = _get_revocation(call, row, request["RevocationId"])
    return {"Location": _location(call, arn=row.arn, revocation=item.revocation_id)}


@operation("DeleteSharedTrustStoreAssociation")
def delete_shared_trust_store_association(call: Call, request: Request) -> Response:
    """Trust stores are not shared between accounts here, so there is no association to delete."""
    row = _get(call, request)
    used = rows.listeners_trusting(call.tx, row.arn)
    if request["ResourceArn"] in {listener.balancer_arn for listener in used}:
        raise AwsError(
            "DeleteAssociationSameAccount",
            "The specified association can't be within the same account.",
        )
    raise AwsError(
        "AssociationNotFound",
        f"Trust store '{row.arn}' has no association with '{request['ResourceArn']}'",
    )


@operation("_TrustStoreContent")
def trust_store_content(call: Call, request: Request) -> Response:
    """The text behind a ``Location``: a bundle, or a revocation list."""
    row = rows.get_trust_store(call.tx, request["TrustStoreArn"])
    number = request.get("RevocationId")
    if number is None:
        return {"Text": row.ca_bundle}
    return {"Text": _get_revocation(call, row, number).crl}


def _get(call: Call, request: Request) -> TrustStore:
    check_arn("trust store", request["TrustStoreArn"])
    return rows.get_trust_store(call.tx, request["TrustStoreArn"])


def _get_revocation(call: Call, row: TrustStore, number: int) -> TrustStoreRevocation:
    found = rows.REVOCATIONS.find(call.tx, trust_store_arn=row.arn, revocation_id=number)
    if found is None:
        raise errors.revocation_id_not_found(number)
    return found


def _read_bundle(call: Call, request: Request) -> tuple[str, int]:
    raw = _fetch(call, request, "CaCertificatesBundleS3", errors.ca_bundle_not_found)
    return read_ca_bundle(raw)


def _fetch(
    call: Call, given: Request, prefix: str, missing: Callable[[str, str], AwsError]
) -> bytes:
    """An object of S3, by members named ``prefix`` + Bucket, Key, ObjectVersion."""
    if given.get("RevocationType", "CRL") != "CRL":
        raise unsupported("RevocationType", given["RevocationType"])
    bucket, key = given.get(f"{prefix}Bucket") or "", given.get(f"{prefix}Key") or ""
    if not bucket or not key:
        raise errors.validation("An S3 bucket and an S3 key must be specified")
    asked = {"Bucket": bucket, "Key": key}
    if version := given.get(f"{prefix}ObjectVersion"):
        asked["VersionId"] = version
    try:
        answer = api.ask_neighbour(
            "s3", "GetObject", asked, account=call.account, region=call.region
        )
    except AwsError as error:
        # What S3 says of an object that is not there, or that may not be read.
        if error.status in (400, 403, 404):
            raise missing(bucket, key) from error
        raise
    return bytes(answer["Body"])


def _location(call: Call, arn: str, revocation: int | None = None) -> str:
    """A URL that the endpoint answers, at one of AWS's names."""
    asked = {"arn": arn} | ({"revocation": str(revocation)} if revocation else {})
    return f"https://s3.{call.region}.amazonaws.com/_hiyoko/trust-stores?{urlencode(asked)}"


def _view(call: Call, row: TrustStore) -> Response:
    return {
        "Name": row.name,
        "TrustStoreArn": row.arn,
        "Status": "ACTIVE",
        "NumberOfCaCertificates": row.ca_count,
        "TotalRevokedEntries": sum(
            item.entries for item in rows.list_revocations(call.tx, row.arn)
        ),
    }


def _revocation(row: TrustStoreRevocation) -> Response:
    return {
        "TrustStoreArn": row.trust_store_arn,
        "RevocationId": row.revocation_id,
        "RevocationType": "CRL",
        "NumberOfRevokedEntries": row.entries,
    }
