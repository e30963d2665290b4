"""AWS's policies. elasticloadbalancing/latest/application/describe-ssl-policies.html"""

from __future__ import annotations

import pytest

from hiyoko.services.elbv2.ssl_policies import (
    DEFAULT_SSL_POLICY,
    HYBRID_GROUPS,
    SSL_POLICIES,
    SslPolicy,
    target_ssl_policy,
)


def policy(name: str) -> SslPolicy:
    return SSL_POLICIES[f"ELBSecurityPolicy-{name}"]


def test_the_default_policy_allows_tls_1_0_and_no_1_3() -> None:
    default = SSL_POLICIES[DEFAULT_SSL_POLICY]
    assert default.versions == ("TLSv1.2", "TLSv1.1", "TLSv1")
    assert default.ciphers[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert default.ciphers[-1] == "AES256-SHA"
    assert len(default.ciphers) == 18


def test_a_restricted_policy_has_tls_1_3_and_gcm_only() -> None:
    restricted = policy("TLS13-1-2-Res-2021-06")
    assert restricted.versions == ("TLSv1.3", "TLSv1.2")
    assert len(restricted.ciphers) == 7
    assert all("GCM" in name or "POLY1305" in name for name in restricted.ciphers)


@pytest.mark.parametrize("name", [name for name in SSL_POLICIES if "-PQ-" in name])
def test_a_post_quantum_policy_adds_groups_to_one_without(name: str) -> None:
    with_groups = SSL_POLICIES[name]
    ending = "FIPS-2023-04" if "FIPS" in name else "2021-06"
    without = SSL_POLICIES[name.replace("FIPS-PQ-2025-09", ending).replace("PQ-2025-09", ending)]
    assert with_groups.groups == (*HYBRID_GROUPS, *without.groups)
    assert (with_groups.ciphers, with_groups.versions) == (without.ciphers, without.versions)
    assert with_groups.hybrid
    assert not without.hybrid


@pytest.mark.parametrize("name", [name for name in SSL_POLICIES if "FIPS" in name])
def test_a_fips_policy_has_approved_algorithms_only(name: str) -> None:
    chosen = SSL_POLICIES[name]
    assert chosen.fips
    assert not any("CHACHA20" in cipher for cipher in chosen.ciphers)
    assert "X25519" not in chosen.groups


def test_rfc_9151_wants_256_bits_and_p_384_and_interop_prefers_them() -> None:
    strict = policy("TLS13-1-2-RFC9151-FIPS-2023-07")
    assert strict.ciphers == (
        "TLS_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    )
    assert strict.groups == ("secp384r1",)
    assert strict.cnsa
    assert policy("TLS13-1-2-Ext0-RFC9151-FIPS-2023-07").ciphers[-1] == "AES256-GCM-SHA384"
    interop = policy("TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07")
    assert interop.ciphers[:3] == (
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    )
    assert interop.ciphers[-1] == "AES128-SHA"
    assert len(interop.ciphers) == 20
    assert interop.groups[0] == "secp384r1"
    assert not interop.cnsa


@pytest.mark.parametrize(
    ("listeners", "wanted"),
    [
        ((), "2016-08"),
        (("FS-1-2-Res-2020-10", "2015-05"), "2016-08"),
        (("2016-08", "TLS13-1-2-Res-PQ-2025-09"), "TLS13-1-0-2021-06"),
        (("TLS13-1-3-2021-06", "TLS13-1-3-FIPS-2023-04"), "TLS13-1-0-FIPS-2023-04"),
        (
            ("TLS13-1-3-FIPS-2023-04", "TLS13-1-3-RFC9151-FIPS-2023-07"),
            "TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07",
        ),
    ],
)
def test_the_policy_towards_targets_follows_from_the_listeners(
    listeners: tuple[str, ...], wanted: str
) -> None:
    given = [f"ELBSecurityPolicy-{name}" for name in listeners]
    assert target_ssl_policy(given) == policy(wanted)
