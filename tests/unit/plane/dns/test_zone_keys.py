from __future__ import annotations

from pathlib import Path

import pytest

from hiyoko.plane.ca.authority import Authority
from hiyoko.plane.dns.zone_keys import ANCHOR, SECRET, Role, ZoneKeys
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings


def test_the_same_secret_gives_the_same_keys_and_each_zone_and_role_its_own() -> None:
    keys = ZoneKeys(b"s" * 32)
    texts = {keys.key(zone, role).public.to_text() for zone in (".", "jp.", "Z1") for role in Role}
    assert len(texts) == 6
    assert keys.key("jp.", Role.ZONE_SIGNING).public == (
        ZoneKeys(b"s" * 32).key("jp.", Role.ZONE_SIGNING).public
    )


def test_the_secret_is_kept_closed_and_the_authoritys_files_are_left_alone(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    Authority.open(settings)
    before = {path: path.read_bytes() for path in settings.ca_dir.glob("*.*")}
    made = ZoneKeys.open(settings.zone_key_dir)
    assert ZoneKeys.open(settings.zone_key_dir) == made
    assert {path: path.read_bytes() for path in settings.ca_dir.glob("*.*")} == before
    assert (settings.zone_key_dir / SECRET).stat().st_mode & 0o777 == 0o600
    assert settings.zone_key_dir.stat().st_mode & 0o777 == 0o700
    assert "static-key 257 3 13" in (settings.zone_key_dir / ANCHOR).read_text()


def test_a_broken_secret_is_not_replaced_by_another_one(tmp_path: Path) -> None:
    ZoneKeys.open(tmp_path)
    (tmp_path / SECRET).write_bytes(b"short")
    with pytest.raises(PlaneError, match="32 bytes"):
        ZoneKeys.open(tmp_path)
