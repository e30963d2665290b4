"""A listener's TLS: certificates by SNI, protocols, ciphers, key exchange, ALPN."""

from __future__ import annotations

from collections.abc import Mapping

from hiyoko.blueprint.balancers import Listener
from hiyoko.plane.balancer.mutual_tls import mutual_tls_files, mutual_tls_options
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.side_files import side_file
from hiyoko.plane.balancer.sni import render_crt_list
from hiyoko.plane.balancer.text import quoted

_HYBRID = "MLKEM"


def tls_options(listener: Listener, attributes: Mapping[str, str], paths: Paths) -> str:
    """What follows ``bind ADDRESS:PORT``: empty for a plain listener."""
    if listener.protocol != "HTTPS":
        return ""
    newest, oldest = listener.tls_versions[0], listener.tls_versions[-1]
    http2 = attributes.get("routing.http2.enabled", "true") == "true"
    crt_list, _ = _crt_list(listener, paths)
    parts = [
        f" ssl crt-list {quoted(crt_list)} alpn {'h2,' if http2 else ''}http/1.1",
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
    groups = [name for name in listener.groups if paths.hybrid_groups or _HYBRID not in name]
    if groups:
        parts.append(f" curves {':'.join(groups)}")
    parts.append(mutual_tls_options(listener, paths))
    return "".join(parts)


def tls_files(listener: Listener, paths: Paths) -> dict[str, str]:
    """The files that the listener's ``bind`` line names, by path."""
    if listener.protocol != "HTTPS":
        return {}
    return dict([_crt_list(listener, paths)]) | mutual_tls_files(listener, paths)


def _crt_list(listener: Listener, paths: Paths) -> tuple[str, str]:
    files = [paths.certificates[arn] for arn in listener.certificate_arns]
    return side_file(paths, render_crt_list(files), "crt-list")


def _version(name: str) -> str:
    return "TLSv1.0" if name == "TLSv1" else name
