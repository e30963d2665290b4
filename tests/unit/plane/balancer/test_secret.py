"""The secret of cookies: made once, kept as a private key is, replaced when it is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiyoko.plane.balancer.secret import SECRET_BYTES, cookie_secret
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings


def test_it_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    first = cookie_secret(settings)
    assert len(first) == SECRET_BYTES
    assert cookie_secret(settings) == first
    files = list(settings.ca_dir.iterdir())
    assert [oct(path.stat().st_mode & 0o777) for path in files] == ["0o600"]
    assert cookie_secret(Settings(tmp_path / "other")) != first
    files[0].write_bytes(b"half")
    assert len(cookie_secret(settings)) == SECRET_BYTES


def test_one_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    (settings.ca_dir / "balancer-cookies.key").mkdir(parents=True)
    with pytest.raises(PlaneError, match=r"balancer-cookies\.key"):
        cookie_secret(settings)
