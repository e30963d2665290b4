"""A listener's TLS: certificates by SNI, protocols, ciphers, key exchange, ALPN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hiyoko.blueprint.balancers import BalancerNode, Listener
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
    http2 = attributes.get("routing.http2.enabled", "true") == "true"
    crt_list, _ = _crt_list(listener, paths)
    parts = [
        f" ssl crt-list {quoted(crt_list)} alpn {'h2,' if http2 else ''}http/1.1",
        f" {_versions(listener.tls_versions)}",
    ]
    old, new = _ciphers(listener.tls_versions, listener.ciphers)
    if old:
        parts.append(f" ciphers {old}")
    if new:
        parts.append(f" ciphersuites {new}")
    groups = [name for name in listener.groups if paths.hybrid_groups or _HYBRID not in name]
    if groups:
        parts.append(f" curves {':'.join(groups)}")
    parts.append(mutual_tls_options(listener, paths))
    return "".join(parts)


def target_tls_globals(node: BalancerNode) -> Iterator[str]:
    """What holds for every server that is spoken to by TLS."""
    wish = node.target_tls
    if wish is None or all(
        "HTTPS" not in (group.protocol, group.health_check.protocol) for group in node.groups
    ):
        return
    yield f"  ssl-default-server-options {_versions(wish.versions)}"
    old, new = _ciphers(wish.versions, wish.ciphers)
    if old:
        yield f"  ssl-default-server-ciphers {old}"
    if new:
        yield f"  ssl-default-server-ciphersuites {new}"


def _versions(versions: Sequence[str]) -> str:
    return f"ssl-min-ver {_version(versions[-1])} ssl-max-ver {_version(versions[0])}"


def _ciphers(versions: Sequence[str], ciphers: Sequence[str]) -> tuple[str, str]:
    """Those up to TLS 1.2 and those of TLS 1.3, as OpenSSL wants them."""
    old = ":".join(name for name in ciphers if not name.startswith("TLS_"))
    new = ":".join(name for name in ciphers if name.startswith("TLS_"))
    # OpenSSL 3 offers TLS 1.0 and 1.1 at security level 0 only.
    ancient = _version(versions[-1]) in ("TLSv1.0", "TLSv1.1")
    return f"{old}:@SECLEVEL=0" if old and ancient else old, new


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
