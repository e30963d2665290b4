"""What a start decides before anything is started."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hiyoko import launch
from hiyoko.launch import Cloud, LaunchError
from hiyoko.plane.world import World, start_time
from hiyoko.settings import Settings
from hiyoko.store.database import Store, StoreError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(tmp_path / "state")
    made.run_dir.mkdir(parents=True)
    return made


def note(settings: Settings, pid: int, started: int) -> None:
    cloud = {"daemon_pid": pid, "daemon_started": started, "api_port": 1, "proxy_port": 2}
    (settings.run_dir / "cloud.json").write_text(json.dumps(cloud))


def test_a_process_is_known_by_its_pid_and_its_start(settings: Settings) -> None:
    me, started = os.getpid(), start_time(os.getpid())
    assert started is not None
    note(settings, me, started)
    assert launch.find(settings) == Cloud(me, started, 1, 2)
    note(settings, me, started + 1)  # the pid is another process's by now
    assert launch.find(settings) is None


def test_an_ended_process_has_no_start_time() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert start_time(child.pid) is not None
        child.communicate(b"\n")
    assert start_time(child.pid) is None


def test_a_zombie_has_ended() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(child.pid) is None
    child.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"daemon_pid": 1}', "null", "[1, 2]", "7"])
def test_what_is_no_note_is_no_cloud(settings: Settings, text: str) -> None:
    for name in ("cloud.json", "world.json", "porter.pid"):
        (settings.run_dir / name).write_text(text)
    assert launch.find(settings) is None
    assert launch.find_world(settings) is None


def test_a_world_that_is_not_ours_is_never_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        World(other.pid, other.pid, 1).end()
        assert other.poll() is None
        other.communicate(b"")
    World(other.pid, other.pid, 1).end()  # and one that has gone is no error


def test_without_a_state_directory_there_is_nothing_to_stop(tmp_path: Path) -> None:
    assert launch.stop(Settings(tmp_path / "none")) is False
    assert not (tmp_path / "none").exists()


def test_a_taken_port_is_named_before_anything_is_made(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"port {port} .* --api-port"):
            launch.start(Settings(settings.state_dir, port, port + 1))
    assert not (settings.run_dir / "world.json").exists()


def test_a_state_directory_below_run_is_refused() -> None:
    with pytest.raises(LaunchError, match="below /run"):
        launch._check_place(Settings(Path("/run/hiyoko-none")))


def test_a_file_that_is_no_database_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "hiyoko.db"
    path.write_text("no database at all " * 100)
    with pytest.raises(StoreError, match=r"hiyoko\.db cannot be used .* move it away"):
        Store.open(path)


def test_a_database_that_cannot_be_made_is_no_reason_to_move_one_away(tmp_path: Path) -> None:
    """Out of inodes, for one: SQLite says only that it is unable to open the file."""
    with pytest.raises(StoreError, match="its disk has room") as refused:
        Store.open(tmp_path / "missing" / "hiyoko.db")
    assert "move it away" not in str(refused.value)


def test_a_database_that_cannot_grow_refuses_the_write_and_keeps_the_rest(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "hiyoko.db")
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    with store.transaction() as tx:
        tx.execute("CREATE TABLE big (text TEXT)")
        tx.execute("INSERT INTO big VALUES ('first')")
    store.connection.execute(f"PRAGMA max_page_count = {pages + 8}")
    with pytest.raises(StoreError, match="make room"), store.transaction() as tx, tx.savepoint():
        tx.execute("INSERT INTO big VALUES (?)", ("x" * 1_000_000,))
    with store.reading() as tx:
        assert tx.execute("SELECT text FROM big").fetchall() == [("first",)]
    store.connection.execute("PRAGMA max_page_count = 100000")
    with store.transaction() as tx:
        tx.execute("INSERT INTO big VALUES (?)", ("x" * 1_000_000,))
    store.close()


def test_another_error_of_the_database_stays_what_it_is() -> None:
    store = Store.open(":memory:")
    with pytest.raises(sqlite3.OperationalError, match="no such table"), store.transaction() as tx:
        tx.execute("INSERT INTO no_table VALUES (1)")
    store.close()
