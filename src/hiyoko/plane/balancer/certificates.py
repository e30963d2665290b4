"""Certificates in running nodes: read, compared with what HAProxy has loaded, swapped.

A renewed certificate has its old path and another content, so no configuration changes. HAProxy
takes it while it runs: every handshake gets the old one or the new one, and no connection ends.
https://docs.haproxy.org/2.6/management.html#9.3-set%20ssl%20cert
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hiyoko.blueprint.balancers import BalancerNode
from hiyoko.blueprint.step import Step
from hiyoko.plane.balancer.nodes import ReloadNode
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.render import STATS_SOCKET
from hiyoko.plane.balancer.socket import ask
from hiyoko.plane.error import PlaneError

PAYLOAD_BYTES_MAX = 15_000
"""A command with its payload must fit into one of HAProxy's buffers (``tune.bufsize``)."""

Loaded = Mapping[tuple[str, str], str]
"""Fingerprints by interface and path, as running nodes have them."""


def read_certificate(path: Path, now: float) -> CertificateFile:
    """What a bundle's leaf says of itself. Raises PlaneError."""
    try:
        leaf, *chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PlaneError(f"read {path}: {error}") from error
    key, algorithm = leaf.public_key(), leaf.signature_hash_algorithm
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise PlaneError(f"read {path}: neither an RSA nor an EC key")
    end = leaf.not_valid_after_utc.timestamp()
    return CertificateFile(
        path=str(path),
        # HAProxy tells of what it has loaded no more than this; nothing is signed with it.
        fingerprint=_fingerprint(
            leaf.fingerprint(hashes.SHA1()).hex().upper(),
            (name.rfc4514_string() for name in (link.subject for link in chain)),
        ),
        names=_names(leaf),
        algorithm="EC" if isinstance(key, ec.EllipticCurvePublicKey) else "RSA",
        key_bits=key.key_size,
        hash_bits=0 if algorithm is None else algorithm.digest_size * 8,
        not_after=end,
        expired=end < now,
    )


def _fingerprint(leaf: str, chain: Iterable[str]) -> str:
    """A leaf's SHA-1, and the common names of its chain: the latter may change alone."""
    names = (re.search(r"CN ?= ?([^/,\\]*)", subject) for subject in chain)
    return "/".join((leaf, *(found[1] if found else "" for found in names)))


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The names that a client may ask for: the common name counts only where no other is."""
    try:
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = san.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        common = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        found = [str(attribute.value) for attribute in common]
    return tuple(dict.fromkeys(name.lower() for name in found if re.fullmatch(r"[\w.*-]+", name)))


@dataclass(frozen=True, slots=True)
class SwapCertificate(Step):
    """Give a running node the content that a certificate's file has by now."""

    name: str
    eni_id: str
    path: str

    def __str__(self) -> str:
        """The step in words."""
        return f"swap certificate {Path(self.path).stem} of balancer {self.name} on {self.eni_id}"


def swap_steps(
    wished: Mapping[str, tuple[BalancerNode, str]], paths: Paths, loaded: Loaded
) -> list[SwapCertificate | ReloadNode]:
    """What brings running nodes' certificates to what the files are."""
    known = {file.path: file for file in paths.certificates.values()}
    found: list[SwapCertificate | ReloadNode] = []
    for (eni_id, path), fingerprint in sorted(loaded.items()):
        if path not in known or known[path].fingerprint == fingerprint or eni_id not in wished:
            continue
        node, text = wished[eni_id]
        if Path(path).stat().st_size > PAYLOAD_BYTES_MAX:
            found.append(ReloadNode(node, text))
        else:
            found.append(SwapCertificate(node.name, eni_id, path))
    return found


@dataclass(frozen=True, slots=True)
class CertificatePlane:
    """The certificates of all HAProxys below ``directory`` (the one of ``BalancerPlane``)."""

    directory: Path

    async def observe(self, nodes: Iterable[BalancerNode], paths: Paths) -> Loaded:
        """What running nodes have loaded; one that does not answer is left out."""
        found: dict[tuple[str, str], str] = {}
        for node in nodes:
            arns = {arn for listener in node.listeners for arn in listener.certificate_arns}
            asked = sorted(paths.certificates[arn].path for arn in arns)
            if not asked:
                continue
            command = "; ".join(f"show ssl cert {_word(path)}" for path in asked)
            try:
                said = await ask(self.directory / node.eni_id / STATS_SOCKET, command)
            except PlaneError:
                continue
            found |= {(node.eni_id, path): print_ for path, print_ in parse_loaded(said).items()}
        return found

    async def apply(self, step: SwapCertificate) -> None:
        """Take one step; taking it again does nothing more. Raises PlaneError."""
        socket = self.directory / step.eni_id / STATS_SOCKET
        command = _set_command(step)
        said = await ask(socket, command)
        # A daemon that was killed between the two commands left a change that waits for its end:
        # HAProxy then takes any other certificate for that one.
        other = re.search(r"(?:for certificate |is about ')(.+?)(?:'|!)", said)
        if other and other[1] != step.path:
            await ask(socket, f"abort ssl cert {_word(other[1])}")
            said = await ask(socket, command)
        if f"for certificate {step.path}!" not in said:
            raise PlaneError(f"{step}: {said.strip()}")
        said = await ask(socket, f"commit ssl cert {_word(step.path)}")
        if "Success" not in said:
            raise PlaneError(f"{step}: {said.strip()}")


def _set_command(step: SwapCertificate) -> str:
    try:
        pem = Path(step.path).read_text()
    except OSError as error:
        raise PlaneError(f"{step}: {error}") from error
    # An empty line ends the payload.
    lines = "\n".join(line for line in pem.splitlines() if line)
    return f"set ssl cert {_word(step.path)} <<\n{lines}\n"


def _word(path: str) -> str:
    """One word of a command: HAProxy takes a backslash before what would end it."""
    return re.sub(r"([\\\s;])", r"\\\1", path)


def parse_loaded(said: str) -> dict[str, str]:
    """Fingerprints by path, from the answers to ``show ssl cert``."""
    found: dict[str, str] = {}
    for part in re.split(r"^Filename: ", said, flags=re.MULTILINE)[1:]:
        leaf = re.search(r"^SHA1 FingerPrint: (\w+)", part, re.MULTILINE)
        if leaf is not None:
            path = part.partition("\n")[0].strip().removeprefix("*")
            chain = re.findall(r"^Chain Subject: (.*)", part, re.MULTILINE)
            found[path] = _fingerprint(leaf[1], chain)
    return found
