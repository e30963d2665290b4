"""Which certificate a trust store gets: the world's root, or one that is good for less."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hiyoko.plane.ca.authority import root_certificate_path
from hiyoko.plane.ca.constrained import constrained_root
from hiyoko.plane.ca.files import PUBLIC_MODE, private_directory, write_whole
from hiyoko.settings import Settings

MARK = "hiyoko-"
"""What the name of everything begins with that we put into a trust store."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A certificate to trust, as a file. ``domains`` is empty when it is good for every name."""

    path: Path
    domains: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in every store: ours, and this certificate's alone."""
        certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
        digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        return f"{MARK}{digest[:16]}"


def anchor_for(settings: Settings, domains: Sequence[str]) -> Anchor:
    """The root, or the one for these domains: made once, then the same. Raises PlaneError."""
    if not domains:
        return Anchor(root_certificate_path(settings), ())
    wanted = tuple(sorted(set(domains)))
    digest = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:16]
    path = private_directory(settings.ca_dir / "trust") / f"{digest}.pem"
    if not path.exists():
        pem = constrained_root(settings, wanted).public_bytes(Encoding.PEM)
        write_whole(path, pem, PUBLIC_MODE)
    return Anchor(path, wanted)
