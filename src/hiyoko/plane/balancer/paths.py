"""What a configuration refers to outside itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """Where a certificate's chain and key are, and a digest that changes when it is renewed."""

    path: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Paths:
    """What the configuration refers to outside itself.

    ``secret`` is what the cookies of stickiness are sealed with, the same on all nodes.
    """

    certificates: Mapping[str, CertificateFile] = field(default_factory=dict)
    threads: int = 2
    secret: bytes = field(default=b"", repr=False)
