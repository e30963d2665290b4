"""A listener's TLS: certificates by SNI, protocols, ciphers, ALPN."""

from __future__ import annotations

from collections.abc import Mapping

from hiyoko.blueprint.balancers import Listener
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.text import quoted


def tls_options(listener: Listener, attributes: Mapping[str, str], paths: Paths) -> str:
    """What follows ``bind ADDRESS:PORT``: empty for a plain listener."""
    if listener.protocol != "HTTPS":
        return ""
    # The first one is the default, for a client that names none or one that is not here.
    files = "".join(
        f" crt {quoted(paths.certificates[arn].path)}" for arn in listener.certificate_arns
    )
    newest, oldest = listener.tls_versions[0], listener.tls_versions[-1]
    http2 = attributes.get("routing.http2.enabled", "true") == "true"
    parts = [
        f" ssl{files} alpn {'h2,' if http2 else ''}http/1.1",
        f" ssl-min-ver {_version(oldest)} ssl-max-ver {_version(newest)}",
    ]
    old = [name for name in listener.ciphers if not name.startswith("TLS_")]
    new = [name for name in listener.ciphers if name.startswith("TLS_")]
    if old:
        # OpenSSL 3 offers TLS 1.0 and 1.1 at security level 0 only.
        level = ":@SECLEVEL=0" if _version(oldest) in ("TLSv1.0", "TLSv1.1") else ""
        parts.append(f" ciphers {':'.join(old)}{level}")
    if new:
        parts.append(f" ciphersuites {':'.join(new)}")
    prints = ",".join(paths.certificates[arn].fingerprint for arn in listener.certificate_arns)
    return "".join(parts) + f"  # {prints}"


def _version(name: str) -> str:
    return "TLSv1.0" if name == "TLSv1" else name
