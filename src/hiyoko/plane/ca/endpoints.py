"""TLS for AWS's own names on the simulated internet: a leaf for each name that is asked for."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hiyoko.plane.ca.authority import Authority, key_pem, new_key, pem
from hiyoko.plane.ca.files import private_directory, write_whole
from hiyoko.plane.ca.issuing import read_leaf
from hiyoko.plane.ca.leaf import leaf_certificate
from hiyoko.plane.ca.ledger import Ledger
from hiyoko.settings import Settings

ENDPOINT_NAMES = ("*.ap-northeast-1.amazonaws.com", "*.amazonaws.com")
"""Whose leaf a client gets that names nothing, or a stranger."""
DOMAINS = (
    *("amazonaws.com", "api.aws", "ecr.aws", "docker.io", "docker.com"),
    *("ghcr.io", "quay.io", "registry.k8s.io", "gcr.io", "mcr.microsoft.com"),
    *("registry.gitlab.com", "cgr.dev"),
)
"""Whose names get a certificate when a client asks for them; nobody else's do."""
RENEW_BEFORE = timedelta(days=45)
CONTEXTS_MAX = 1000

_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}")


def endpoint_context(settings: Settings, names: Sequence[str]) -> ssl.SSLContext:
    """A server context: clients that name nothing, or a stranger, get a leaf for ``names``.

    Raises PlaneError when the authority can't be read or made.
    """
    leaves = _Leaves(settings, Authority.open(settings))
    context = _context(leaves.path(names))
    context.sni_callback = leaves.choose
    leaves.contexts[names[0]] = context
    return context


def service_context(settings: Settings, names: Sequence[str]) -> ssl.SSLContext:
    """A server context of one certificate for all these names, and for no other.

    Raises PlaneError when the authority can't be read or made.
    """
    return _context(_Leaves(settings, Authority.open(settings)).path(names))


@dataclass(slots=True)
class _Leaves:
    settings: Settings
    authority: Authority
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    def choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> None:
        """Give the connection the context of the name that its client asks for."""
        if name is None:
            return
        name = name.lower()
        context = self.contexts.get(name)
        if context is None and is_endpoint(name):
            if len(self.contexts) >= CONTEXTS_MAX:
                self.contexts.clear()
            context = self.contexts[name] = _context(self.path([name]))
        if context is not None:
            connection.context = context

    def path(self, names: Sequence[str]) -> Path:
        """The bundle for these names, issued if missing or soon to expire."""
        directory = private_directory(self.settings.ca_dir / "endpoints")
        path = directory / f"{names[0]}.pem"
        now = datetime.now(UTC)
        if not path.exists() or read_leaf(path).not_valid_after_utc - RENEW_BEFORE < now:
            # An elliptic key: made in a moment, so that no handshake waits for it.
            key = new_key("EC_prime256v1")
            issuer = self.authority.issuer("EC_prime256v1")
            leaf = leaf_certificate(names, key.public_key(), issuer, now)
            Ledger(self.settings.ca_dir).note(leaf, issuer.title.label)
            chain = pem(leaf) + pem(issuer.certificate)
            write_whole(path, (chain + key_pem(key)).encode())
        return path


def is_endpoint(name: str) -> bool:
    """True for a well-formed name of AWS or of an image registry."""
    ours = any(name == domain or name.endswith(f".{domain}") for domain in DOMAINS)
    return ours and len(name) <= 253 and _NAME.fullmatch(name) is not None


def _context(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(path)
    context.set_alpn_protocols(["http/1.1"])
    return context
