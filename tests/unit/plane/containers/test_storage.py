"""What file systems promise together is never more than the disk has."""

from __future__ import annotations

from hiyoko.plane.containers.storage import (
    KEPT_BYTES_MAX,
    RESERVED_BLOCKS,
    Used,
    reserved_blocks,
    room_of,
)

GIB = 1 << 30
BLOCKS = GIB // 4096
EMPTY = Used("loop0", 20 * BLOCKS, 20 * BLOCKS, 20 * BLOCKS - RESERVED_BLOCKS, 120 << 10)


def test_a_disk_with_room_leaves_a_file_system_as_large_as_it_is() -> None:
    assert reserved_blocks(EMPTY, 74 * GIB) == RESERVED_BLOCKS


def test_a_file_system_offers_what_the_disk_has_left() -> None:
    assert EMPTY.free - reserved_blocks(EMPTY, 3 * GIB) == 3 * BLOCKS


def test_a_full_disk_has_nothing_to_offer_and_the_kernel_takes_the_number() -> None:
    assert reserved_blocks(EMPTY, -GIB) == EMPTY.blocks - 1


def test_what_waits_in_memory_for_the_disk_is_not_offered_again() -> None:
    written = Used("loop0", 20 * BLOCKS, 18 * BLOCKS, 18 * BLOCKS, GIB // 2)
    assert written.owed_bytes == 3 * GIB // 2
    room = room_of(100 * GIB, 10 * GIB, [written, EMPTY])
    assert room == 10 * GIB - KEPT_BYTES_MAX - 3 * GIB // 2


def test_of_a_small_disk_less_is_kept() -> None:
    assert room_of(10 * GIB, GIB, []) == GIB - 10 * GIB // 50
