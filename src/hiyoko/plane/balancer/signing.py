"""The key that a cloud's balancers sign what they know of users with: a file beside the others.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html#user-claims-encoding
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hiyoko.plane.ca.files import private_directory, write_whole
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings

_DER, _PEM = serialization.Encoding.DER, serialization.Encoding.PEM
_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Where the private key is, its public half in PEM, and the id by which that is published."""

    kid: str
    path: Path
    public: str


def signing_key(settings: Settings) -> SigningKey:
    """Read, or made when there is none that can be read. Raises PlaneError."""
    path = settings.ca_dir / "balancer-signing.pem"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        key = None
    except OSError as error:
        raise PlaneError(f"read {path}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        key = ec.generate_private_key(ec.SECP256R1())
        private_directory(path.parent)
        plain = serialization.NoEncryption()
        write_whole(path, key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain))
    public = key.public_key()
    digest = hashlib.sha256(public.public_bytes(_DER, _PUBLIC)).digest()
    kid = str(uuid.UUID(bytes=digest[:16], version=4))
    return SigningKey(kid, path, public.public_bytes(_PEM, _PUBLIC).decode())
