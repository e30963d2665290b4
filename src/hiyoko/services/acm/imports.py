"""ImportCertificate: somebody else's certificate, with its key.

https://docs.aws.amazon.com/acm/latest/APIReference/API_ImportCertificate.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.acm import errors, rows
from hiyoko.services.acm.certificate_tags import parsed_tags
from hiyoko.services.acm.key_store import key_store
from hiyoko.services.acm.model import Certificate, Imported
from hiyoko.services.acm.parsing import Bundle, read_bundle
from hiyoko.services.acm.requests import CERTIFICATES_MAX


@operation("ImportCertificate")
def import_certificate(call: Call, request: Request) -> Response:
    """Keep the certificate, or put it in the place of one that was imported before.

    The key is on disk before the row that names it is committed; see ``key_store``.
    """
    arn, tags = request.get("CertificateArn"), request.get("Tags")
    before = None
    if arn is not None:
        before = rows.get_certificate(call.tx, call.account, call.region, arn)
        if before.imported is None:
            raise errors.validation(f"The certificate {arn} was not imported.")
        if tags:
            raise errors.invalid_parameter("Tagging is not permitted on re-import.")
    bundle = read_bundle(
        request["Certificate"],
        request["PrivateKey"],
        request.get("CertificateChain") or b"",
        call.now,
    )
    if before is not None:
        _check_replacement(before, bundle)
    elif len(rows.list_certificates(call.tx, call.account, call.region)) >= CERTIFICATES_MAX:
        raise errors.limit_exceeded(
            "You have reached the maximum number of certificates. Delete certificates that are not"
            " in use, or contact AWS Support to request an increase."
        )
    imported = Imported(
        certificate_pem=bundle.certificate_pem,
        chain_pem=bundle.chain_pem,
        key_id=key_store().hold(bundle.key_pem),
        imported_at=call.now,
        facts=bundle.facts,
    )
    made = before or Certificate(
        arn=call.arn("acm", f"certificate/{call.ids.uuid()}"),
        account=call.account,
        region=call.region,
        domain=bundle.names[0],
        names=bundle.names,
        key_algorithm=bundle.key_algorithm,
        validations=(),
        created_at=call.now,
        tags=parsed_tags(tags or ()),
    )
    rows.put_certificate(
        call.tx, replace(made, domain=bundle.names[0], names=bundle.names, imported=imported)
    )
    return {"CertificateArn": made.arn}


def _check_replacement(before: Certificate, bundle: Bundle) -> None:
    """A certificate in a place of its own keeps that place's kind of key and usages.

    https://docs.aws.amazon.com/acm/latest/userguide/import-reimport.html
    """
    assert before.imported is not None
    if bundle.key_algorithm != before.key_algorithm:
        raise errors.validation(
            f"The key algorithm {bundle.key_algorithm} differs from that of the certificate to"
            f" replace, {before.key_algorithm}."
        )
    old, new = before.imported.facts, bundle.facts
    if not set(old.key_usages) <= set(new.key_usages):
        raise errors.validation("Key usages of the certificate to replace can't be removed.")
    if not set(old.extended_key_usages) <= set(new.extended_key_usages):
        raise errors.validation(
            "Extended key usages of the certificate to replace can't be removed."
        )
