from __future__ import annotations

from pathlib import Path

from hiyoko.plane.log_driver.order import (
    LOG,
    ORDER,
    CloudWatchOrder,
    Position,
    RouterOrder,
    read_order,
    sent,
    write_order,
)

ORDERED = CloudWatchOrder("c", "eni-1", "10.0.0.2", "t", "r", "g", "s", "a", "secret", "t", 1.0)


def test_an_order_is_read_as_it_was_written_and_nobody_else_reads_it(tmp_path: Path) -> None:
    assert read_order(tmp_path) is None
    for order in (ORDERED, RouterOrder("c", "web", "router", "/run", "web-firelens-1", True, 7)):
        write_order(tmp_path, order)
        assert read_order(tmp_path) == order
    assert (tmp_path / ORDER).stat().st_mode & 0o77 == 0


def test_a_position_may_become_shorter(tmp_path: Path) -> None:
    assert Position.read(tmp_path) == Position()
    Position(123456789, 10**12, 10**12, given_up=True).write(tmp_path)
    Position(1, 2).write(tmp_path)
    assert Position.read(tmp_path) == Position(1, 2)


def test_a_log_is_sent_when_its_whole_file_is_or_the_rest_was_given_up(tmp_path: Path) -> None:
    log = tmp_path / LOG
    log.write_text("line\n")
    assert sent(tmp_path)  # nobody wants it
    write_order(tmp_path, ORDERED)
    assert not sent(tmp_path)
    inode = log.stat().st_ino
    Position(inode, 5).write(tmp_path)
    assert sent(tmp_path)
    Position(inode + 1, 5).write(tmp_path)  # of another file
    assert not sent(tmp_path)
    Position(inode, 3, given_up=True).write(tmp_path)
    assert sent(tmp_path)
