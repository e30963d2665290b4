"""Where targets find the key of ``x-amzn-oidc-data``."""

from __future__ import annotations

from typing import Any

from tests.api.test_gateway import ask

from hiyoko.gateway.public_keys import HOST, PublicKeys

KID = "12345678-1234-4234-8234-123456789012"


def test_a_key_is_found_by_its_id_in_any_region_and_nothing_else_is(endpoint: Any) -> None:
    endpoint.gateway.register_host(HOST, PublicKeys({KID: "-----BEGIN"}.get).handle)
    for region in ("ap-northeast-1", "us-east-1"):
        host = {"Host": f"public-keys.auth.elb.{region}.amazonaws.com"}
        assert ask(endpoint, "GET", f"/{KID}", headers=host)[::2] == (200, "-----BEGIN")
        assert ask(endpoint, "GET", "/other", headers=host)[0] == 404
        assert ask(endpoint, "GET", "/", headers=host)[0] == 404
        assert ask(endpoint, "POST", f"/{KID}", headers=host)[0] == 405
