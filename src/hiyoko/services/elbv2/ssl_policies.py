"""The predefined security policies: which TLS versions, ciphers and key exchanges are offered.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
The order inside the INTEROP policies of RFC 9151 is that of s2n-tls, AWS's own TLS library, which
publishes what each policy holds. The page names no groups: the classical ones of the other policies
are our choice, those that every client of today offers.
https://github.com/aws/s2n-tls/tree/main/tests/policy_snapshot/snapshots
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_TLS13_FIPS = _TLS13[:2]

# In AWS's order; the letter is the class that the policies below pick.
_TLS12 = (
    ("B", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("B", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("C", "ECDHE-ECDSA-AES128-SHA256"),
    ("C", "ECDHE-RSA-AES128-SHA256"),
    ("D", "ECDHE-ECDSA-AES128-SHA"),
    ("D", "ECDHE-RSA-AES128-SHA"),
    ("B", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("B", "ECDHE-RSA-AES256-GCM-SHA384"),
    ("C", "ECDHE-ECDSA-AES256-SHA384"),
    ("C", "ECDHE-RSA-AES256-SHA384"),
    ("D", "ECDHE-RSA-AES256-SHA"),
    ("D", "ECDHE-ECDSA-AES256-SHA"),
    ("E", "AES128-GCM-SHA256"),
    ("E", "AES128-SHA256"),
    ("F", "AES128-SHA"),
    ("E", "AES256-GCM-SHA384"),
    ("E", "AES256-SHA256"),
    ("F", "AES256-SHA"),
)

# RFC 9151 wants 256-bit ciphers and P-384; the INTEROP policies prefer them and take others too.
_CNSA12 = (
    ("B", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("B", "ECDHE-RSA-AES256-GCM-SHA384"),
    ("C", "ECDHE-ECDSA-AES256-SHA384"),
    ("C", "ECDHE-RSA-AES256-SHA384"),
    ("D", "ECDHE-ECDSA-AES256-SHA"),
    ("D", "ECDHE-RSA-AES256-SHA"),
    ("b", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("b", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("c", "ECDHE-ECDSA-AES128-SHA256"),
    ("c", "ECDHE-RSA-AES128-SHA256"),
    ("d", "ECDHE-ECDSA-AES128-SHA"),
    ("d", "ECDHE-RSA-AES128-SHA"),
    ("E", "AES256-GCM-SHA384"),
    ("F", "AES256-SHA256"),
    ("F", "AES256-SHA"),
    ("f", "AES128-GCM-SHA256"),
    ("f", "AES128-SHA256"),
    ("f", "AES128-SHA"),
)

_GROUPS = ("X25519", "secp256r1", "secp384r1", "secp521r1")
_GROUPS_FIPS = ("secp256r1", "secp384r1", "secp521r1")
_GROUPS_CNSA = ("secp384r1",)
_GROUPS_INTEROP = ("secp384r1", "secp256r1", "secp521r1")
HYBRID_GROUPS = ("X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024")
"""Post-quantum and classical key exchange in one (the page's "hybrid post-quantum")."""


@dataclass(frozen=True, slots=True)
class SslPolicy:
    """A policy: protocol versions (newest first) and ciphers by OpenSSL's names, in order.

    ``groups`` are the key exchange groups by their TLS names. ``fips`` promises a validated
    module; ``cnsa`` promises SHA-384 signatures alone (RFC 9151).
    """

    name: str
    versions: tuple[str, ...]
    ciphers: tuple[str, ...]
    groups: tuple[str, ...] = _GROUPS
    fips: bool = False
    cnsa: bool = False

    @property
    def hybrid(self) -> bool:
        """Whether the policy offers post-quantum key exchange."""
        return self.groups[0] in HYBRID_GROUPS


DEFAULT_SSL_POLICY = "ELBSecurityPolicy-2016-08"

_VERSIONS = ("TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1")

# Name, newest and oldest version, classes of ciphers. A name with PQ or FIPS in it says the rest.
_TABLE = (
    ("TLS13-1-3-2021-06", 3, 3, "A"),
    ("TLS13-1-3-PQ-2025-09", 3, 3, "A"),
    ("TLS13-1-2-2021-06", 3, 2, "ABC"),
    ("TLS13-1-2-PQ-2025-09", 3, 2, "ABC"),
    ("TLS13-1-2-Res-2021-06", 3, 2, "AB"),
    ("TLS13-1-2-Res-PQ-2025-09", 3, 2, "AB"),
    ("TLS13-1-2-Ext2-2021-06", 3, 2, "ABCDEF"),
    ("TLS13-1-2-Ext2-PQ-2025-09", 3, 2, "ABCDEF"),
    ("TLS13-1-2-Ext1-2021-06", 3, 2, "ABCE"),
    ("TLS13-1-2-Ext1-PQ-2025-09", 3, 2, "ABCE"),
    ("TLS13-1-1-2021-06", 3, 1, "ABCDEF"),
    ("TLS13-1-0-2021-06", 3, 0, "ABCDEF"),
    ("TLS13-1-0-PQ-2025-09", 3, 0, "ABCDEF"),
    ("TLS-1-2-Ext-2018-06", 2, 2, "BCDEF"),
    ("TLS-1-2-2017-01", 2, 2, "BCE"),
    ("TLS-1-1-2017-01", 2, 1, "BCDEF"),
    ("2016-08", 2, 0, "BCDEF"),
    ("2015-05", 2, 0, "BCDEF"),
    ("TLS13-1-3-FIPS-2023-04", 3, 3, "A"),
    ("TLS13-1-3-FIPS-PQ-2025-09", 3, 3, "A"),
    ("TLS13-1-2-FIPS-2023-04", 3, 2, "ABC"),
    ("TLS13-1-2-FIPS-PQ-2025-09", 3, 2, "ABC"),
    ("TLS13-1-2-Res-FIPS-2023-04", 3, 2, "AB"),
    ("TLS13-1-2-Res-FIPS-PQ-2025-09", 3, 2, "AB"),
    ("TLS13-1-2-Ext2-FIPS-2023-04", 3, 2, "ABCDEF"),
    ("TLS13-1-2-Ext2-FIPS-PQ-2025-09", 3, 2, "ABCDEF"),
    ("TLS13-1-2-Ext1-FIPS-2023-04", 3, 2, "ABCE"),
    ("TLS13-1-2-Ext1-FIPS-PQ-2025-09", 3, 2, "ABCE"),
    ("TLS13-1-2-Ext0-FIPS-2023-04", 3, 2, "ABCD"),
    ("TLS13-1-2-Ext0-FIPS-PQ-2025-09", 3, 2, "ABCD"),
    ("TLS13-1-1-FIPS-2023-04", 3, 1, "ABCDEF"),
    ("TLS13-1-0-FIPS-2023-04", 3, 0, "ABCDEF"),
    ("TLS13-1-0-FIPS-PQ-2025-09", 3, 0, "ABCDEF"),
    ("TLS13-1-3-RFC9151-FIPS-2023-07", 3, 3, "A"),
    ("TLS13-1-2-RFC9151-FIPS-2023-07", 3, 2, "AB"),
    ("TLS13-1-2-Ext0-RFC9151-FIPS-2023-07", 3, 2, "ABE"),
    ("TLS13-1-2-RFC9151-INTEROP1-FIPS-2023-07", 3, 2, "ABb"),
    ("TLS13-1-2-RFC9151-INTEROP2-FIPS-2023-07", 3, 2, "ABCbc"),
    ("TLS13-1-2-RFC9151-INTEROP3-FIPS-2023-07", 3, 2, "ABCDbcd"),
    ("TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07", 3, 2, "ABCDbcdEFf"),
    ("FS-1-2-Res-2020-10", 2, 2, "B"),
    ("FS-1-2-Res-2019-08", 2, 2, "BC"),
    ("FS-1-2-2019-08", 2, 2, "BCD"),
    ("FS-1-1-2019-08", 2, 1, "BCD"),
    ("FS-2018-06", 2, 0, "BCD"),
)


def _policy(name: str, newest: int, oldest: int, classes: str) -> SslPolicy:
    rfc9151, interop, fips = "RFC9151" in name, "INTEROP" in name, "FIPS" in name
    tls13: tuple[str, ...] = ()
    if "A" in classes:
        tls13 = _TLS13_FIPS if fips else _TLS13
    if rfc9151:
        tls13 = _TLS13_FIPS[::-1] if interop else _TLS13_FIPS[1:]
    tls12 = tuple(
        cipher for letter, cipher in (_CNSA12 if rfc9151 else _TLS12) if letter in classes
    )
    groups: tuple[str, ...] = _GROUPS_FIPS if fips else _GROUPS
    if rfc9151:
        groups = _GROUPS_INTEROP if interop else _GROUPS_CNSA
    return SslPolicy(
        "ELBSecurityPolicy-" + name,
        _VERSIONS[3 - newest : 4 - oldest],
        tls13 + tls12,
        (*HYBRID_GROUPS, *groups) if "-PQ-" in name else groups,
        fips,
        cnsa=rfc9151 and not interop,
    )


SSL_POLICIES = {policy.name: policy for policy in (_policy(*line) for line in _TABLE)}


def target_ssl_policy(listeners: Iterable[str]) -> SslPolicy:
    """What a balancer speaks to HTTPS targets, by the policies of its listeners: not a choice.

    A compliance policy of one listener holds for all; the strictest kind wins.
    """
    policies = [SSL_POLICIES[name] for name in listeners if name in SSL_POLICIES]
    if any("RFC9151" in policy.name for policy in policies):
        name = "TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07"
    elif any(policy.fips for policy in policies):
        name = "TLS13-1-0-FIPS-2023-04"
    elif any("TLSv1.3" in policy.versions for policy in policies):
        name = "TLS13-1-0-2021-06"
    else:
        name = "2016-08"
    return SSL_POLICIES[f"ELBSecurityPolicy-{name}"]


def find_ssl_policy(name: str) -> SslPolicy | None:
    """The policy of this name, or None."""
    return SSL_POLICIES.get(name)
