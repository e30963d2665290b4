"""ACME over HTTP (RFC 8555): signed requests in, JSON out, nonces between.

What a request may do is decided in ``services.acm.acme_protocol``; here is who signed it, whether
for this URL, and whether for the first time.
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from josepy import jwa, jwk
from josepy.errors import Error as JoseError

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.clock import Clock, SystemClock
from hiyoko.store.database import Store

_log = logging.getLogger(__name__)

NONCES_MAX = 10_000
BODY_BYTES_MAX = 65_536
RETRY_S = 1
_ALGORITHMS: dict[str, jwa.JWASignature] = {
    "RS256": jwa.RS256,
    "ES256": jwa.ES256,
    "ES384": jwa.ES384,
    "ES512": jwa.ES512,
}


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature holds. ``account_id`` is empty when the key speaks for itself."""

    endpoint_id: str
    region: str
    base: str
    url: str
    key: jwk.JWK
    account_id: str
    payload: Any
    """None for POST-as-GET (section 6.3)."""

    def members(self) -> Mapping[str, Any]:
        """The payload as an object. Raises ``malformed``."""
        if not isinstance(self.payload, Mapping):
            raise AwsError("malformed", "The payload must be an object.")
        return self.payload


Handler = Callable[["AcmeServer", Signed, list[str]], Awaitable[web.Response]]


@dataclass(slots=True)
class AcmeServer:
    """Every ACME endpoint of this cloud: they differ by region in the host, and id in the path."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    nonces: OrderedDict[str, None] = field(default_factory=OrderedDict)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, with a fresh nonce; a refusal is a problem document."""
        parts = request.path.strip("/").split("/")
        host = request.headers.get("Host", "").partition(":")[0].lower()
        try:
            response = await self._answer(request, host, parts)
        except AwsError as error:
            response = _problem(error)
        response.headers["Replay-Nonce"] = self._new_nonce()
        response.headers["Cache-Control"] = "no-store"
        if parts[1:] != ["directory"]:
            directory = f"https://{host}/{parts[0]}/directory"
            response.headers.add("Link", f'<{directory}>;rel="index"')
        return response

    async def _answer(self, request: web.BaseRequest, host: str, parts: list[str]) -> web.Response:
        region, endpoint_id = host.split(".")[1], parts[0]
        found = self.ask("_AcmeEndpoint", region, EndpointId=endpoint_id)
        base = f"https://{host}/{endpoint_id}"
        if request.method in ("GET", "HEAD"):
            if parts[1:] == ["directory"]:
                return web.json_response(_directory(base))
            if parts[1:] == ["new-nonce"]:
                return web.Response(status=200 if request.method == "HEAD" else 204)
        handler = _HANDLERS.get(parts[1]) if len(parts) > 1 else None
        if handler is None:
            raise AwsError("malformed", "There is nothing here.", status=404)
        if request.method != "POST":
            raise AwsError("malformed", "This resource is asked for by POST.", status=405)
        assert found["Url"] == base, f"{found['Url']} was asked for as {base}"
        signed = await self._signed(request, region, endpoint_id, base)
        return await handler(self, signed, parts[2:])

    def ask(self, operation: str, region: str, **members: Any) -> dict[str, Any]:
        """One operation in one transaction."""
        return api.invoke(self.store, "acm", operation, members, region=region, clock=self.clock)

    async def _signed(
        self, request: web.BaseRequest, region: str, endpoint_id: str, base: str
    ) -> Signed:
        if request.content_type != "application/jose+json":
            raise AwsError("malformed", "The body must be application/jose+json.", status=415)
        body = await request.content.read(BODY_BYTES_MAX)
        url = f"{base.rpartition('/')[0]}{request.path}"
        protected, payload, signature, header = _flattened(body)
        if header.get("url") != url:
            raise AwsError("unauthorized", "The request was signed for another URL.", status=401)
        self._spend(header.get("nonce"))
        algorithm = _ALGORITHMS.get(str(header.get("alg")))
        if algorithm is None:
            raise AwsError("badSignatureAlgorithm", f"Sign with one of {', '.join(_ALGORITHMS)}.")
        key, account_id = self._key(header, region, endpoint_id, base)
        if not _verifies(algorithm, key, f"{protected}.{payload}".encode(), signature):
            raise AwsError("malformed", "The signature is not the key's.", status=403)
        try:
            parsed = json.loads(_decoded(payload)) if payload else None
        except ValueError as error:
            raise AwsError("malformed", "The payload is no JSON.") from error
        return Signed(endpoint_id, region, base, url, key, account_id, parsed)

    def _key(
        self, header: Mapping[str, Any], region: str, endpoint_id: str, base: str
    ) -> tuple[jwk.JWK, str]:
        """The key that shall have signed: given, or the account's."""
        kid, given = header.get("kid"), header.get("jwk")
        if (kid is None) == (given is None):
            raise AwsError("malformed", "A request has either a kid or a jwk.")
        if given is not None:
            return _jwk(given), ""
        prefix = f"{base}/acct/"
        if not isinstance(kid, str) or not kid.startswith(prefix):
            raise AwsError("accountDoesNotExist", "There is no such account.")
        account_id = kid.removeprefix(prefix)
        members = {"EndpointId": endpoint_id, "AccountId": account_id}
        account = self.ask("_AcmeAccount", region, **members)["Account"]
        return _jwk(json.loads(account["Key"])), account_id

    def _new_nonce(self) -> str:
        nonce = secrets.token_urlsafe(24)
        self.nonces[nonce] = None
        if len(self.nonces) > NONCES_MAX:
            self.nonces.popitem(last=False)
        return nonce

    def _spend(self, nonce: object) -> None:
        """Each nonce once. After a restart none is known, and clients ask again with a new one."""
        if not isinstance(nonce, str) or nonce not in self.nonces:
            raise AwsError("badNonce", "The nonce is unknown, old or was used before.")
        del self.nonces[nonce]


async def _new_account(server: AcmeServer, signed: Signed, _: list[str]) -> web.Response:
    if signed.account_id:
        raise AwsError("malformed", "A new account is asked for with its key.")
    wanted = signed.members()
    answer = server.ask(
        "_AcmeNewAccount",
        signed.region,
        EndpointId=signed.endpoint_id,
        Key=_key_text(signed.key),
        Thumbprint=_thumbprint(signed.key),
        Contacts=wanted.get("contact") or [],
        OnlyExisting=wanted.get("onlyReturnExisting") is True,
        Binding=wanted.get("externalAccountBinding"),
        Url=signed.url,
    )
    return _account_response(signed, answer["Account"], 201 if answer["Created"] else 200)


async def _account(server: AcmeServer, signed: Signed, rest: list[str]) -> web.Response:
    _own(signed, rest)
    if rest[1:] == ["orders"]:
        return web.json_response({"orders": []})
    members: dict[str, Any] = {"EndpointId": signed.endpoint_id, "AccountId": signed.account_id}
    if signed.payload is not None:
        wanted = signed.members()
        if wanted.get("status") == "deactivated":
            members["Deactivate"] = True
        if "contact" in wanted:
            members["Contacts"] = wanted["contact"]
    answer = server.ask("_AcmeUpdateAccount", signed.region, **members)
    return _account_response(signed, answer["Account"], 200)


async def _key_change(server: AcmeServer, signed: Signed, _: list[str]) -> web.Response:
    """Section 7.3.5: the old key signs what the new key has signed."""
    if not signed.account_id:
        raise AwsError("malformed", "A key is changed by its account.")
    protected, payload, signature, header = _flattened(json.dumps(signed.members()).encode())
    key = _jwk(header.get("jwk"))
    algorithm = _ALGORITHMS.get(str(header.get("alg")))
    if algorithm is None or not _verifies(
        algorithm, key, f"{protected}.{payload}".encode(), signature
    ):
        raise AwsError("malformed", "The inner signature is not the new key's.")
    try:
        inner = json.loads(_decoded(payload))
        old = _jwk(inner["oldKey"])
    except (ValueError, KeyError, TypeError) as error:
        raise AwsError("malformed", "The inner payload can't be read.") from error
    account_url = f"{signed.base}/acct/{signed.account_id}"
    if header.get("url") != signed.url or inner.get("account") != account_url or old != signed.key:
        raise AwsError("malformed", "The inner request is for another account, key or URL.")
    answer = server.ask(
        "_AcmeUpdateAccount",
        signed.region,
        EndpointId=signed.endpoint_id,
        AccountId=signed.account_id,
        Key=_key_text(key),
        Thumbprint=_thumbprint(key),
    )
    return _account_response(signed, answer["Account"], 200)


async def _new_order(server: AcmeServer, signed: Signed, _: list[str]) -> web.Response:
    wanted = signed.members()
    if wanted.get("notBefore") or wanted.get("notAfter"):
        raise AwsError("malformed", "The time of validity can't be chosen.")
    identifiers = wanted.get("identifiers")
    if not isinstance(identifiers, list):
        raise AwsError("malformed", "An order has identifiers.")
    order = server.ask("_AcmeNewOrder", signed.region, Identifiers=identifiers, **_who(signed))
    return _order_response(signed, order, 201)


async def _order(server: AcmeServer, signed: Signed, rest: list[str]) -> web.Response:
    members = _who(signed) | {"OrderId": rest[0] if rest else ""}
    if rest[1:] == ["finalize"]:
        csr = signed.members().get("csr")
        return _order_response(
            signed, server.ask("_AcmeFinalize", signed.region, Csr=csr, **members), 200
        )
    return _order_response(signed, server.ask("_AcmeOrder", signed.region, **members), 200)


async def _authorization(server: AcmeServer, signed: Signed, rest: list[str]) -> web.Response:
    """A name that is approved before anybody asks: nothing is left to be challenged."""
    members = _who(signed) | {"OrderId": rest[0] if rest else ""}
    order = server.ask("_AcmeOrder", signed.region, **members)
    names = order["Names"]
    if len(rest) < 2 or not rest[1].isdecimal() or int(rest[1]) >= len(names):
        raise AwsError("malformed", "There is no such authorization.", status=404)
    name = names[int(rest[1])]
    shown: dict[str, Any] = {
        "status": "valid",
        "expires": _time(order["ExpiresAt"]),
        "identifier": {"type": "dns", "value": name.removeprefix("*.")},
        "challenges": [],
    }
    if name.startswith("*."):
        shown["wildcard"] = True
    return web.json_response(shown)


async def _certificate(server: AcmeServer, signed: Signed, rest: list[str]) -> web.Response:
    members = _who(signed) | {"OrderId": rest[0] if rest else ""}
    answer = server.ask("_AcmeCertificate", signed.region, **members)
    return web.Response(text=answer["Pem"], content_type="application/pem-certificate-chain")


async def _revoke(server: AcmeServer, signed: Signed, _: list[str]) -> web.Response:
    wanted = signed.members()
    key = signed.key.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    proof = (
        {"AccountId": signed.account_id}
        if signed.account_id
        else {"Spki": base64.b64encode(key).decode()}
    )
    server.ask(
        "_AcmeRevoke",
        signed.region,
        EndpointId=signed.endpoint_id,
        Certificate=str(wanted.get("certificate", "")),
        Reason=wanted.get("reason", 0),
        **proof,
    )
    return web.Response()


_HANDLERS: dict[str, Handler] = {
    "new-account": _new_account,
    "acct": _account,
    "key-change": _key_change,
    "new-order": _new_order,
    "order": _order,
    "authz": _authorization,
    "cert": _certificate,
    "revoke-cert": _revoke,
}


def _directory(base: str) -> dict[str, Any]:
    return {
        "newNonce": f"{base}/new-nonce",
        "newAccount": f"{base}/new-account",
        "newOrder": f"{base}/new-order",
        "revokeCert": f"{base}/revoke-cert",
        "keyChange": f"{base}/key-change",
        "meta": {"externalAccountRequired": True},
    }


def _who(signed: Signed) -> dict[str, str]:
    if not signed.account_id:
        raise AwsError("malformed", "This is asked for by an account, with its kid.")
    return {"EndpointId": signed.endpoint_id, "AccountId": signed.account_id}


def _own(signed: Signed, rest: list[str]) -> None:
    if not rest or rest[0] != signed.account_id:
        raise AwsError("unauthorized", "This is another account's.", status=403)


def _account_response(signed: Signed, account: Mapping[str, Any], status: int) -> web.Response:
    url = f"{signed.base}/acct/{account['AccountId']}"
    shown = {
        "status": account["Status"],
        "contact": account["Contacts"],
        "orders": f"{url}/orders",
    }
    return web.json_response(shown, status=status, headers={"Location": url})


def _order_response(signed: Signed, order: Mapping[str, Any], status: int) -> web.Response:
    url = f"{signed.base}/order/{order['OrderId']}"
    shown: dict[str, Any] = {
        "status": order["Status"],
        "expires": _time(order["ExpiresAt"]),
        "identifiers": [{"type": "dns", "value": name} for name in order["Names"]],
        "authorizations": [
            f"{signed.base}/authz/{order['OrderId']}/{number}"
            for number in range(len(order["Names"]))
        ],
        "finalize": f"{url}/finalize",
    }
    headers = {"Location": url}
    if order["Status"] == "processing":
        headers["Retry-After"] = str(RETRY_S)
    if order["Status"] == "valid":
        shown["certificate"] = f"{signed.base}/cert/{order['OrderId']}"
    if "Reason" in order:
        kind = "caa" if order["Reason"] == "CAA_ERROR" else "rejectedIdentifier"
        shown["error"] = _document(kind, order["Detail"] or order["Reason"], 403)
    return web.json_response(shown, status=status, headers=headers)


def _document(kind: str, detail: str, status: int) -> dict[str, Any]:
    return {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}


def _problem(error: AwsError) -> web.Response:
    _log.info("refused: %s: %s", error.code, error.message)
    return web.json_response(
        _document(error.code, error.message, error.status),
        status=error.status,
        content_type="application/problem+json",
    )


def _flattened(body: bytes) -> tuple[str, str, bytes, Mapping[str, Any]]:
    """The parts of a flattened JWS (RFC 7515, section 7.2.2) and its header."""
    try:
        jws = json.loads(body)
        protected, payload = str(jws["protected"]), str(jws["payload"])
        signature, header = _decoded(str(jws["signature"])), json.loads(_decoded(protected))
    except (ValueError, KeyError, TypeError) as error:
        raise AwsError("malformed", "The body is no flattened JWS.") from error
    if not isinstance(header, Mapping) or "header" in jws:
        raise AwsError("malformed", "All header members must be protected.")
    return protected, payload, signature, header


def _jwk(value: object) -> jwk.JWK:
    try:
        key = jwk.JWK.from_json(value)  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, AttributeError) as error:
        raise AwsError("badPublicKey", "The key can't be read.") from error
    if not isinstance(key, jwk.JWKRSA | jwk.JWKEC):
        raise AwsError("badPublicKey", "The key must be an RSA or elliptic-curve key.")
    if isinstance(key, jwk.JWKRSA) and not 2048 <= key.key.key_size <= 4096:
        raise AwsError("badPublicKey", "An RSA key must have 2048 to 4096 bits.")
    return key.public_key()


def _verifies(algorithm: jwa.JWASignature, key: jwk.JWK, message: bytes, signature: bytes) -> bool:
    try:
        return bool(algorithm.verify(key.key, message, signature))
    except (ValueError, TypeError, AttributeError):
        return False  # a signature of another kind of key


def _key_text(key: jwk.JWK) -> str:
    return json.dumps(key.to_json(), sort_keys=True)


def _thumbprint(key: jwk.JWK) -> str:
    return base64.urlsafe_b64encode(key.thumbprint()).decode().rstrip("=")


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
