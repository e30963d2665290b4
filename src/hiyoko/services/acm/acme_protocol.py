"""What an ACME endpoint's clients ask for (RFC 8555), as operations of neighbours only.

The gateway checks signatures, nonces and URLs; here is what an account may do. A refusal's code is
the problem's type without its prefix (``badCSR``), its status the problem's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.acm import rows
from hiyoko.services.acm.acme_bindings import mac_key_of
from hiyoko.services.acm.model import (
    AcmeAccount,
    AcmeBinding,
    AcmeEndpoint,
    AcmeOrder,
    AcmeRequest,
    Certificate,
    Revocation,
    Status,
)
from hiyoko.services.acm.parsing import algorithm_of, serial_text
from hiyoko.services.acm.requests import NAMES_MAX, check_name
from hiyoko.services.acm.seen import ACME_VALIDATIONS_SEEN, ISSUED_SEEN

ORDER_TIME_S = 7 * 86400
_MACS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_REASONS = {
    0: "UNSPECIFIED",
    1: "KEY_COMPROMISE",
    3: "AFFILIATION_CHANGED",
    4: "SUPERSEDED",
    5: "CESSATION_OF_OPERATION",
    9: "PRIVILEGE_WITHDRAWN",
}
"""RFC 5280, section 5.3.1; the ones that a subscriber may give."""


def problem(code: str, detail: str, status: int = 400) -> AwsError:
    """A refusal, with a type of RFC 8555, section 6.7."""
    return AwsError(code, detail, status=status)


@operation("_AcmeEndpoint")
def acme_endpoint(call: Call, request: Request) -> Response:
    """Whose endpoint it is and what it demands. Raises ``malformed`` (404) when there is none."""
    found = _endpoint(call, request)
    return {"Url": found.url, "Account": found.account, "Contact": found.contact_required}


@operation("_AcmeNewAccount")
def new_account(call: Call, request: Request) -> Response:
    """Register a key, by a binding; a key that is registered already is found."""
    endpoint = _endpoint(call, request)
    thumbprint = request["Thumbprint"]
    for account in rows.ACME_ACCOUNTS.list(call.tx, thumbprint=thumbprint):
        if account.endpoint_arn == endpoint.arn:
            return {"Account": _account_view(_alive(account)), "Created": False}
    if request["OnlyExisting"]:
        raise problem("accountDoesNotExist", "No account has this key.")
    binding = _checked_binding(call, endpoint, request)
    contacts = _checked_contacts(request["Contacts"])
    if endpoint.contact_required and not contacts:
        raise problem("invalidContact", "The endpoint requires a contact.")
    account = AcmeAccount(
        account_id=call.ids.uuid(),
        endpoint_arn=endpoint.arn,
        binding_arn=binding.arn,
        key=request["Key"],
        thumbprint=thumbprint,
        status="VALID",
        contacts=contacts,
        created_at=call.now,
    )
    rows.ACME_ACCOUNTS.insert(call.tx, account)
    rows.ACME_BINDINGS.put(call.tx, replace(binding, last_used_at=call.now))
    return {"Account": _account_view(account), "Created": True}


@operation("_AcmeAccount")
def find_account(call: Call, request: Request) -> Response:
    """The account with this id, that may still ask for something."""
    return {"Account": _account_view(_account(call, request))}


@operation("_AcmeUpdateAccount")
def update_account(call: Call, request: Request) -> Response:
    """New contacts, another key, or the end of the account."""
    account = _account(call, request)
    if (contacts := request.get("Contacts")) is not None:
        account = replace(account, contacts=_checked_contacts(contacts))
    if request.get("Deactivate"):
        account = replace(account, status="DEACTIVATED")
    if (key := request.get("Key")) is not None:
        for other in rows.ACME_ACCOUNTS.list(call.tx, thumbprint=request["Thumbprint"]):
            if other.endpoint_arn == account.endpoint_arn:
                raise problem("malformed", "The new key is another account's.", 409)
        account = replace(account, key=key, thumbprint=request["Thumbprint"])
    rows.ACME_ACCOUNTS.put(call.tx, account)
    return {"Account": _account_view(account)}


@operation("_AcmeNewOrder")
def new_order(call: Call, request: Request) -> Response:
    """Order a certificate for names that are proved already: it is ready at once."""
    endpoint, account = _endpoint(call, request), _account(call, request)
    names = []
    for identifier in request["Identifiers"]:
        if not isinstance(identifier, Mapping) or identifier.get("type") != "dns":
            raise problem("unsupportedIdentifier", "Only identifiers of type dns are issued for.")
        names.append(str(identifier.get("value", "")).lower())
    wanted = tuple(dict.fromkeys(names))
    if not 1 <= len(wanted) <= NAMES_MAX:
        raise problem("malformed", f"An order has 1 to {NAMES_MAX} identifiers.")
    _check_approved(call, endpoint, wanted)
    order = AcmeOrder(
        order_id=call.ids.uuid(),
        endpoint_arn=endpoint.arn,
        account_id=account.account_id,
        names=wanted,
        created_at=call.now,
    )
    rows.ACME_ORDERS.insert(call.tx, order)
    return _order_view(call, order)


@operation("_AcmeOrder")
def find_order(call: Call, request: Request) -> Response:
    """An order of the account's, and how far it is."""
    return _order_view(call, _order(call, request))


@operation("_AcmeFinalize")
def finalize(call: Call, request: Request) -> Response:
    """Record the wish for a certificate with the request's key; the reconciler has it signed."""
    endpoint, account = _endpoint(call, request), _account(call, request)
    order = _order(call, request)
    if _order_view(call, order)["Status"] != "ready":
        raise problem("orderNotReady", "The order is not ready to be finalized.", 403)
    _check_approved(call, endpoint, order.names)
    csr = _csr(request["Csr"])
    if set(_csr_names(csr)) != set(order.names):
        raise problem("badCSR", "The request's names are not those of the order.")
    try:
        algorithm = algorithm_of(csr.public_key())
    except (AwsError, ValueError, UnsupportedAlgorithm) as error:
        raise problem("badCSR", "The request's key is not supported.") from error
    if algorithm not in endpoint.key_algorithms:
        raise problem("badCSR", f"The endpoint does not issue for keys of {algorithm}.")
    certificate = Certificate(
        arn=f"arn:aws:acm:{endpoint.region}:{endpoint.account}:certificate/{call.ids.uuid()}",
        account=endpoint.account,
        region=endpoint.region,
        domain=order.names[0],
        names=order.names,
        key_algorithm=algorithm,
        validations=(),
        created_at=call.now,
        tags=endpoint.certificate_tags,
        acme=AcmeRequest(
            endpoint_arn=endpoint.arn,
            account_id=account.account_id,
            request_pem=csr.public_bytes(Encoding.PEM).decode(),
        ),
    )
    rows.insert_certificate(call.tx, certificate)
    order = replace(order, certificate_arn=certificate.arn)
    rows.ACME_ORDERS.put(call.tx, order)
    return _order_view(call, order)


@operation("_AcmeCertificate")
def download(call: Call, request: Request) -> Response:
    """The issued certificate and what a server sends after it."""
    order = _order(call, request)
    issued = ISSUED_SEEN.find(call.tx, certificate_arn=order.certificate_arn or "")
    if issued is None:
        raise problem("malformed", "There is no such certificate.", 404)
    end = "-----END CERTIFICATE-----\n"
    # The root, which comes last, is the client's to have.
    intermediate = issued.chain_pem.partition(end)
    return {"Pem": issued.certificate_pem + intermediate[0] + intermediate[1]}


@operation("_AcmeRevoke")
def revoke(call: Call, request: Request) -> Response:
    """Revoke a certificate, for the account that ordered it or for whoever has its key."""
    endpoint = _endpoint(call, request)
    reason = _REASONS.get(request["Reason"])
    if reason is None:
        raise problem("badRevocationReason", "The reason must be 0, 1, 3, 4, 5 or 9.")
    try:
        leaf = x509.load_der_x509_certificate(_decoded(request["Certificate"]))
    except ValueError as error:
        raise problem("malformed", "The certificate can't be read.") from error
    serial = serial_text(leaf.serial_number)
    for certificate in rows.CERTIFICATES.list(call.tx, account=endpoint.account):
        ours = certificate.acme is not None and certificate.acme.endpoint_arn == endpoint.arn
        issued = ISSUED_SEEN.find(call.tx, certificate_arn=certificate.arn) if ours else None
        if issued is None or issued.serial != serial or certificate.acme is None:
            continue
        by_key = request.get("Spki") == _spki(leaf)
        if not by_key and request.get("AccountId") != certificate.acme.account_id:
            raise problem("unauthorized", "The certificate is another account's.", 403)
        if rows.REVOCATIONS.find(call.tx, serial=serial) is not None:
            raise problem("alreadyRevoked", "The certificate is revoked already.")
        rows.REVOCATIONS.insert(
            call.tx, Revocation(serial, endpoint.account, certificate.arn, reason, call.now)
        )
        return {}
    raise problem("malformed", "The endpoint did not issue this certificate.", 404)


def _endpoint(call: Call, request: Request) -> AcmeEndpoint:
    found = rows.ACME_ENDPOINTS.find(call.tx, endpoint_id=request["EndpointId"])
    if found is None or found.region != call.region:
        raise problem("malformed", "There is no such endpoint.", 404)
    return found


def _account(call: Call, request: Request) -> AcmeAccount:
    endpoint = _endpoint(call, request)
    found = rows.ACME_ACCOUNTS.find(call.tx, account_id=request["AccountId"])
    if found is None or found.endpoint_arn != endpoint.arn:
        raise problem("accountDoesNotExist", "There is no such account.")
    return _alive(found)


def _alive(account: AcmeAccount) -> AcmeAccount:
    if account.status != "VALID":
        raise problem("unauthorized", f"The account is {account.status.lower()}.", 403)
    return account


def _account_view(account: AcmeAccount) -> dict[str, Any]:
    return {
        "AccountId": account.account_id,
        "Key": account.key,
        "Status": account.status.lower(),
        "Contacts": list(account.contacts),
    }


def _order(call: Call, request: Request) -> AcmeOrder:
    account = _account(call, request)
    found = rows.ACME_ORDERS.find(call.tx, order_id=request["OrderId"])
    if found is None or found.account_id != account.account_id:
        raise problem("malformed", "There is no such order.", 404)
    return found


def _order_view(call: Call, order: AcmeOrder) -> Response:
    return {
        "OrderId": order.order_id,
        "Names": list(order.names),
        "ExpiresAt": order.created_at + ORDER_TIME_S,
        **_order_state(call, order),
    }


def _order_state(call: Call, order: AcmeOrder) -> dict[str, str]:
    """How far it is, computed from the certificate that it led to."""
    if order.certificate_arn is None:
        late = call.now >= order.created_at + ORDER_TIME_S
        return {"Status": "invalid" if late else "ready"}
    certificate = rows.CERTIFICATES.find(call.tx, arn=order.certificate_arn)
    if certificate is None:
        return {"Status": "invalid"}
    known = rows.get_known(call.tx, certificate.account, certificate.region, certificate.arn)
    if known.failure is not None:
        return {"Status": "invalid", "Reason": known.failure.reason, "Detail": known.failure.detail}
    pending = known.status(call.now) is Status.PENDING_VALIDATION
    return {"Status": "processing" if pending else "valid"}


def _check_approved(call: Call, endpoint: AcmeEndpoint, names: tuple[str, ...]) -> None:
    """Every name must be covered by a domain validation that is valid."""
    found = rows.ACME_VALIDATIONS.list(call.tx, endpoint_arn=endpoint.arn)
    valid = [v for v in found if ACME_VALIDATIONS_SEEN.find(call.tx, arn=v.arn) is not None]
    for name in names:
        try:
            check_name(name)
        except AwsError as error:
            raise problem("rejectedIdentifier", error.message) from error
        if not any(validation.covers(name) for validation in valid):
            raise problem(
                "rejectedIdentifier",
                f"No valid domain validation of this endpoint covers {name}.",
                403,
            )


def _checked_binding(call: Call, endpoint: AcmeEndpoint, request: Request) -> AcmeBinding:
    """The binding whose MAC key signed the account's key (RFC 8555, section 7.3.4)."""
    given = request.get("Binding")
    if not isinstance(given, Mapping):
        raise problem("externalAccountRequired", "An external account binding is required.", 403)
    refused = problem("unauthorized", "The external account binding is not valid.", 403)
    try:
        protected, payload = str(given["protected"]), str(given["payload"])
        header, bound = json.loads(_decoded(protected)), json.loads(_decoded(payload))
        signature = _decoded(str(given["signature"]))
        digest = _MACS[header["alg"]]
        key_id, url = str(header["kid"]), str(header["url"])
    except (KeyError, TypeError, ValueError) as error:
        raise problem("malformed", "The external account binding can't be read.") from error
    binding = rows.ACME_BINDINGS.find(call.tx, key_id=key_id)
    if binding is None or binding.endpoint_arn != endpoint.arn or not binding.usable(call.now):
        raise refused
    expected = hmac.digest(mac_key_of(binding), f"{protected}.{payload}".encode(), digest)
    same_key = bound == json.loads(request["Key"])
    if not hmac.compare_digest(expected, signature) or not same_key or url != request["Url"]:
        raise refused
    return binding


def _checked_contacts(contacts: object) -> tuple[str, ...]:
    if not isinstance(contacts, list) or not all(isinstance(c, str) for c in contacts):
        raise problem("malformed", "Contacts are a list of URLs.")
    for contact in contacts:
        if not contact.startswith("mailto:"):
            raise problem("unsupportedContact", "Only mailto contacts are supported.")
        if "@" not in contact or "," in contact or "?" in contact:
            raise problem("invalidContact", f"{contact} is not one address.")
    return tuple(contacts)


def _csr(text: object) -> x509.CertificateSigningRequest:
    try:
        csr = x509.load_der_x509_csr(_decoded(str(text)))
        valid = csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise problem("badCSR", "The certificate request can't be read.") from error
    if not valid:
        raise problem("badCSR", "The certificate request is not signed by its key.")
    return csr


def _csr_names(csr: x509.CertificateSigningRequest) -> list[str]:
    try:
        common = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        found = [str(attribute.value) for attribute in common]
        extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return [name.lower() for name in found]
    except ValueError as error:
        raise problem("badCSR", "The certificate request's names can't be read.") from error
    alternative = extension.value
    if len(alternative.get_values_for_type(x509.DNSName)) != len(list(alternative)):
        raise problem("badCSR", "Only DNS names are issued for.")
    found += alternative.get_values_for_type(x509.DNSName)
    return [name.lower() for name in found]


def _spki(leaf: x509.Certificate) -> str:
    raw = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    """Base64url without padding (RFC 7515, section 2). Raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64url: {error}") from error
