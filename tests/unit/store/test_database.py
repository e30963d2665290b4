from __future__ import annotations

import stat
from pathlib import Path

from hiyoko.store.database import Store


def test_the_files_are_their_owners_to_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "hiyoko.db")
    try:
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        store.close()
    assert found == dict.fromkeys(("hiyoko.db", "hiyoko.db-wal", "hiyoko.db-shm"), 0o600)
