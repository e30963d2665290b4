"""AWS's policies. elasticloadbalancing/latest/application/describe-ssl-policies.html"""

from __future__ import annotations

from hiyoko.services.elbv2.ssl_policies import DEFAULT_SSL_POLICY, SSL_POLICIES


def test_the_default_policy_allows_tls_1_0_and_no_1_3() -> None:
    policy = SSL_POLICIES[DEFAULT_SSL_POLICY]
    assert policy.versions == ("TLSv1.2", "TLSv1.1", "TLSv1")
    assert policy.ciphers[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert policy.ciphers[-1] == "AES256-SHA"
    assert len(policy.ciphers) == 18


def test_a_restricted_policy_has_tls_1_3_and_gcm_only() -> None:
    policy = SSL_POLICIES["ELBSecurityPolicy-TLS13-1-2-Res-2021-06"]
    assert policy.versions == ("TLSv1.3", "TLSv1.2")
    assert len(policy.ciphers) == 7
    assert all("GCM" in name or "POLY1305" in name for name in policy.ciphers)
