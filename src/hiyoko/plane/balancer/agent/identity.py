"""What targets are told of a user, signed so that they need not trust the way.  (pure)

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html#user-claims-encoding
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

LIFETIME_S = 120
"""How long a signed statement holds. AWS names no time; it is made anew for each request."""
_SIDE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs as a load balancer, with the cloud's key."""

    key: ec.EllipticCurvePrivateKey
    kid: str
    balancer_arn: str

    @classmethod
    def of(cls, pem: str, kid: str, balancer_arn: str) -> Signer:
        """A signer with a P-256 key in PEM."""
        key = load_pem_private_key(pem.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(key, kid, balancer_arn)

    def data(self, claims: Mapping[str, Any], issuer: str, client_id: str, now: float) -> str:
        """``x-amzn-oidc-data``. Its parts have padding, unlike those of RFC 7515."""
        until = int(now) + LIFETIME_S
        header = {
            "typ": "JWT",
            "kid": self.kid,
            "alg": "ES256",
            "iss": issuer,
            "client": client_id,
            "signer": self.balancer_arn,
            "exp": until,
        }
        signed = ".".join(
            _encoded(part) for part in (header, {**claims, "exp": until, "iss": issuer})
        )
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        raw = r.to_bytes(_SIDE_BYTES, "big") + s.to_bytes(_SIDE_BYTES, "big")
        return f"{signed}.{base64.urlsafe_b64encode(raw).decode()}"


def _encoded(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).decode()
