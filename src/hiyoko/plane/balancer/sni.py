"""Which certificate a client gets: AWS's choice, written as a HAProxy ``crt-list``.

AWS takes an exact name before a wildcard, then the best one that the client can use: ECDSA before
RSA, not expired before expired, the longest hash, the longest key, the one valid longest.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html

HAProxy does the part that depends on the client: of the certificates with the name it takes the
first ECDSA one, if the client can, or the first RSA one; so the order within an algorithm is all
that is ours. It looks at exact names and wildcards together, so a wildcard's entry excludes each
name that another certificate has exactly. Its default is the first line: ``!*`` keeps that line
out of the choice by name, and the default certificate comes again in its own place.
https://docs.haproxy.org/2.6/configuration.html#5.1-crt-list

A line of the list knows no quotes, so files are named relative to ``crt-base``, which does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hiyoko.blueprint.balancers import Listener
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.text import quoted


def certificate_globals(listeners: Iterable[Listener], paths: Paths) -> Iterator[str]:
    """Where all certificates' files are, if there is any."""
    arns = {arn for listener in listeners for arn in listener.certificate_arns}
    directories = {str(Path(paths.certificates[arn].path).parent) for arn in arns}
    assert len(directories) <= 1, "certificates lie in one directory"
    yield from (f"  crt-base {quoted(directory)}" for directory in directories)


def render_crt_list(certificates: Sequence[CertificateFile]) -> str:
    """The list for a listener whose default certificate is the first one."""
    held = Counter((name, c.algorithm) for c in certificates for name in c.names)
    exact = {name for c in certificates for name in c.names if not name.startswith("*.")}
    lines = [f"{Path(certificates[0].path).name} !*"]
    for certificate in sorted(certificates, key=_preference):
        filters = _filters(certificate, exact)
        if not filters:
            continue
        # Certificates that compete for a name must keep their order, which replacing one at run
        # time would change: such a renewal must be a reload, so it changes this text.
        rivals = any(held[name, certificate.algorithm] > 1 for name in certificate.names)
        if rivals:
            lines.append(f"# {certificate.fingerprint}")
        lines.append(f"{Path(certificate.path).name} {' '.join(filters)}")
    return "\n".join(lines) + "\n"


def _preference(certificate: CertificateFile) -> tuple[object, ...]:
    return (
        certificate.algorithm != "EC",
        certificate.expired,
        -certificate.hash_bits,
        -certificate.key_bits,
        -certificate.not_after,
        certificate.path,
    )


def _filters(certificate: CertificateFile, exact: set[str]) -> list[str]:
    found = list(certificate.names)
    wild = {name.removeprefix("*.") for name in certificate.names if name.startswith("*.")}
    for name in sorted(exact - set(certificate.names)):
        if name.partition(".")[2] in wild:
            found.append(f"!{name}")
    return found
