"""The key that balancers sign with: made once, kept as a private key is, named by itself."""

from __future__ import annotations

import uuid
from pathlib import Path

from hiyoko.plane.balancer.signing import signing_key
from hiyoko.settings import Settings


def test_it_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    first = signing_key(settings)
    assert signing_key(settings) == first
    assert str(uuid.UUID(first.kid)) == first.kid
    assert first.public.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert oct(first.path.stat().st_mode & 0o777) == "0o600"
    assert "PRIVATE" in first.path.read_text()
    assert signing_key(Settings(tmp_path / "other")).kid != first.kid
    first.path.write_text("half")
    assert signing_key(settings).kid != first.kid
