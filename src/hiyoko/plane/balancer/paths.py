"""What a configuration refers to outside itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """Where a certificate's chain and key are, and what choosing between certificates asks of it.

    ``fingerprint`` is the leaf's SHA-1 with the chain's names, as HAProxy tells them;
    ``algorithm`` is RSA or EC; times are seconds since the epoch.
    """

    path: str
    fingerprint: str
    names: tuple[str, ...] = ()
    algorithm: str = "RSA"
    key_bits: int = 2048
    hash_bits: int = 256
    not_after: float = 0.0
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Paths:
    """What the configuration refers to outside itself.

    ``directory`` holds files whose names tell their content (see ``side_files``). ``hybrid_groups``
    is true when the TLS library knows post-quantum key exchange.
    ``secret`` is what the cookies of stickiness are sealed with, the same on all nodes.
    """

    certificates: Mapping[str, CertificateFile] = field(default_factory=dict)
    threads: int = 2
    directory: str = "/run/hiyoko/balancer-files"
    hybrid_groups: bool = False
    secret: bytes = field(default=b"", repr=False)
