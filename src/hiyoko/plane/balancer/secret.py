"""The secret that a cloud's balancers seal their cookies with: a file, like a private key."""

from __future__ import annotations

import secrets

from hiyoko.plane.ca.files import private_directory, write_whole
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings

SECRET_BYTES = 32


def cookie_secret(settings: Settings) -> bytes:
    """Read, or made when there is none that is whole. Raises PlaneError.

    With another secret nothing is lost but stickiness: no cookie made before can be read.
    """
    path = settings.ca_dir / "balancer-cookies.key"
    try:
        known = path.read_bytes()
    except FileNotFoundError:
        known = b""
    except OSError as error:
        raise PlaneError(f"read {path}: {error}") from error
    if len(known) != SECRET_BYTES:
        known = secrets.token_bytes(SECRET_BYTES)
        private_directory(path.parent)
        write_whole(path, known)
    return known
