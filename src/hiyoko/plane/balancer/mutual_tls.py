"""Mutual TLS: who must show a certificate, and what a target is told of it.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
AWS resumes no session where certificates are asked for, so neither tickets nor cache do here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hiyoko.blueprint.balancers import Listener
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.side_files import side_file
from hiyoko.plane.balancer.text import quoted

# X509_V_ERR_* of OpenSSL. A trust store may hold an intermediate authority without its root (2),
# it may have a revocation list for one authority and none for another (3); a list whose next
# update is overdue still revokes (12).
_PARTIAL_CHAIN, _NO_CRL, _CERTIFICATE_EXPIRED, _CRL_EXPIRED = 2, 3, 10, 12

_HEADER = "X-Amzn-Mtls-Clientcert"
_PARTS = ("-Serial-Number", "-Issuer", "-Subject", "-Validity", "-Leaf", "")
_ATTRIBUTE = "routing.http.request.x_amzn_mtls_clientcert{}.header_name"

_LUA = """\
-- The certificates that the client sent, its own first, as URL-encoded PEM.
core.register_fetches("client_chain", function(txn)
  local leaf = txn.f:ssl_c_der()
  if leaf == nil then return "" end
  local der, at, out = leaf .. (txn.f:ssl_c_chain_der() or ""), 1, {}
  while at + 1 < #der do
    local head, size = 2, der:byte(at + 1)
    if size > 128 then -- X.690, 8.1.3.5: the long form says how many bytes of length follow
      head, size = 2 + size - 128, 0
      for i = 2, head - 1 do size = size * 256 + der:byte(at + i) end
    end
    local text = txn.c:base64(der:sub(at, at + head + size - 1))
    out[#out + 1] = "-----BEGIN%20CERTIFICATE-----%0A" .. text:gsub(("."):rep(64), "%0%%0A")
    if #text % 64 > 0 then out[#out + 1] = "%0A" end
    out[#out + 1] = "-----END%20CERTIFICATE-----%0A"
    at = at + head + size
  end
  return table.concat(out)
end)
"""


def mutual_tls_options(listener: Listener, paths: Paths) -> str:
    """What a ``bind`` line says of clients' certificates."""
    mutual = listener.mutual
    if mutual is None:
        return ""
    if mutual.mode == "passthrough":
        # HAProxy wants some authority to verify against, though every error is let pass.
        some = quoted(paths.certificates[listener.certificate_arns[0]].path)
        return (
            f" no-tls-tickets verify optional ca-verify-file {some}"
            " ca-ignore-err all crt-ignore-err all"
        )
    # ``ca-file`` tells the client whom it trusts, ``ca-verify-file`` does not.
    word = "ca-file" if mutual.advertise else "ca-verify-file"
    bundle, _ = side_file(paths, mutual.ca_bundle, "ca.pem")
    parts = [f" no-tls-tickets verify required {word} {quoted(bundle)}"]
    authorities, leaves = [_PARTIAL_CHAIN], []
    if mutual.crls:
        crls, _ = side_file(paths, mutual.crls, "crl.pem")
        parts.append(f" crl-file {quoted(crls)}")
        authorities += [_NO_CRL, _CRL_EXPIRED]
        leaves += [_NO_CRL, _CRL_EXPIRED]
    if mutual.ignore_expiry:
        leaves.append(_CERTIFICATE_EXPIRED)
    parts.append(f" ca-ignore-err {_numbers(authorities)}")
    if leaves:
        parts.append(f" crt-ignore-err {_numbers(leaves)}")
    return "".join(parts)


def _numbers(errors: Iterable[int]) -> str:
    return ",".join(str(error) for error in errors)


def mutual_tls_files(listener: Listener, paths: Paths) -> dict[str, str]:
    """The files that those options name, by path."""
    mutual = listener.mutual
    if mutual is None:
        return {}
    if mutual.mode == "passthrough":
        return dict([side_file(paths, _LUA, "lua")])
    found = [side_file(paths, mutual.ca_bundle, "ca.pem")]
    if mutual.crls:
        found.append(side_file(paths, mutual.crls, "crl.pem"))
    return dict(found)


def mutual_tls_globals(listeners: Iterable[Listener], paths: Paths) -> Iterator[str]:
    """What must be said once for the process."""
    modes = {listener.mutual.mode for listener in listeners if listener.mutual is not None}
    if modes:
        # Tickets are forbidden by listener, but the cache of sessions is one for all of them.
        yield "  tune.ssl.cachesize 0"
    if "passthrough" in modes:
        yield f"  lua-load {quoted(side_file(paths, _LUA, 'lua')[0])}"


def mutual_tls_headers(listener: Listener) -> Iterator[str]:
    """What a target is told; what a client says by itself in these headers is removed."""
    mutual = listener.mutual
    if mutual is None:
        return
    names = _names(listener)
    for part in _PARTS:
        yield f"http-request del-header {_HEADER}{part}"
    for name in sorted(set(names.values()) - {_HEADER + part for part in _PARTS}):
        yield f"http-request del-header {name}"
    yield from _passthrough(names) if mutual.mode == "passthrough" else _verified(names)


def _passthrough(names: dict[str, str]) -> Iterator[str]:
    once = "!{ var(sess.client_chain) -m found }"
    yield f"http-request set-var(sess.client_chain) lua.client_chain if {{ ssl_c_used }} {once}"
    yield f"http-request set-header {names['']} %[var(sess.client_chain)] if {{ ssl_c_used }}"


def _verified(names: dict[str, str]) -> Iterator[str]:
    once = "if !{ var(sess.client_leaf) -m found }"
    lines = r"""'ssl_c_der,base64,regsub("(.{1,64})","\1%0A",g)'"""
    for bound in ("notbefore", "notafter"):
        # YYMMDDHHMMSSZ; HAProxy tells of this century only.
        iso = r"""regsub("(..)(..)(..)(..)(..)(..)Z?","20\1-\2-\3T\4:\5:\6Z")"""
        yield f"http-request set-var(sess.client_{bound}) 'ssl_c_{bound},{iso}' {once}"
    yield f"http-request set-var(sess.client_leaf) {lines} {once}"
    yield f"http-request set-header {names['-Serial-Number']} %[ssl_c_serial,hex]"
    yield f'http-request set-header {names["-Issuer"]} "%[ssl_c_i_dn(,0,rfc2253)]"'
    yield f'http-request set-header {names["-Subject"]} "%[ssl_c_s_dn(,0,rfc2253)]"'
    yield (
        f"http-request set-header {names['-Validity']} "
        '"NotBefore=%[var(sess.client_notbefore)];NotAfter=%[var(sess.client_notafter)]"'
    )
    yield (
        f"http-request set-header {names['-Leaf']} "
        "-----BEGIN%%20CERTIFICATE-----%%0A%[var(sess.client_leaf)]"
        "-----END%%20CERTIFICATE-----%%0A"
    )


def _names(listener: Listener) -> dict[str, str]:
    """The header for each part, as the listener's attributes rename it."""
    attributes = dict(listener.attributes)
    return {
        part: attributes.get(_ATTRIBUTE.format(part.lower().replace("-", "_")), f"{_HEADER}{part}")
        for part in _PARTS
    }
