"""The predefined security policies: which TLS versions and ciphers a listener offers.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
"""

from __future__ import annotations

from dataclasses import dataclass

_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")

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


@dataclass(frozen=True, slots=True)
class SslPolicy:
    """A policy: protocol versions (newest first) and ciphers by OpenSSL's names, in order."""

    name: str
    versions: tuple[str, ...]
    ciphers: tuple[str, ...]


DEFAULT_SSL_POLICY = "ELBSecurityPolicy-2016-08"

_VERSIONS = ("TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1")

# The post-quantum and FIPS variants are not listed: the key exchange groups and the module that
# they promise are not those of the OpenSSL at hand, so naming one is refused.
_TABLE = (
    ("2016-08", "TLSv1.2", "TLSv1", "BCDEF"),
    ("2015-05", "TLSv1.2", "TLSv1", "BCDEF"),
    ("TLS-1-1-2017-01", "TLSv1.2", "TLSv1.1", "BCDEF"),
    ("TLS-1-2-2017-01", "TLSv1.2", "TLSv1.2", "BCE"),
    ("TLS-1-2-Ext-2018-06", "TLSv1.2", "TLSv1.2", "BCDEF"),
    ("FS-2018-06", "TLSv1.2", "TLSv1", "BCD"),
    ("FS-1-1-2019-08", "TLSv1.2", "TLSv1.1", "BCD"),
    ("FS-1-2-2019-08", "TLSv1.2", "TLSv1.2", "BCD"),
    ("FS-1-2-Res-2019-08", "TLSv1.2", "TLSv1.2", "BC"),
    ("FS-1-2-Res-2020-10", "TLSv1.2", "TLSv1.2", "B"),
    ("TLS13-1-3-2021-06", "TLSv1.3", "TLSv1.3", "A"),
    ("TLS13-1-2-2021-06", "TLSv1.3", "TLSv1.2", "ABC"),
    ("TLS13-1-2-Res-2021-06", "TLSv1.3", "TLSv1.2", "AB"),
    ("TLS13-1-2-Ext1-2021-06", "TLSv1.3", "TLSv1.2", "ABCE"),
    ("TLS13-1-2-Ext2-2021-06", "TLSv1.3", "TLSv1.2", "ABCDEF"),
    ("TLS13-1-1-2021-06", "TLSv1.3", "TLSv1.1", "ABCDEF"),
    ("TLS13-1-0-2021-06", "TLSv1.3", "TLSv1", "ABCDEF"),
)


def _policy(name: str, newest: str, oldest: str, classes: str) -> SslPolicy:
    first, last = _VERSIONS.index(newest), _VERSIONS.index(oldest)
    tls13 = _TLS13 if "A" in classes else ()
    tls12 = tuple(cipher for letter, cipher in _TLS12 if letter in classes)
    return SslPolicy("ELBSecurityPolicy-" + name, _VERSIONS[first : last + 1], tls13 + tls12)


SSL_POLICIES = {policy.name: policy for policy in (_policy(*line) for line in _TABLE)}


def find_ssl_policy(name: str) -> SslPolicy | None:
    """The policy of this name, or None."""
    return SSL_POLICIES.get(name)
