"""The bytes of the published specifications, written out."""

from __future__ import annotations

from hiyoko.plane.log_driver.batches import Batch, next_batch
from hiyoko.plane.log_driver.forward import Source, acknowledgement, chunk_of, forward
from hiyoko.plane.log_driver.lines import LogLine
from hiyoko.plane.log_driver.router import LIMITS

SOURCE = Source("c1", "web")


def test_a_batch_is_one_message_in_forward_mode() -> None:
    batch = Batch((LogLine(3_000_000_007, "é", 9, "stderr"),), 9)
    record = (
        b"\x84"
        b"\xaccontainer_id\xa2c1"
        b"\xaecontainer_name\xa3web"
        b"\xa6source\xa6stderr"
        b"\xa3log\xa2\xc3\xa9"
    )
    time = b"\xd7\x00" + b"\x00\x00\x00\x03" + b"\x00\x00\x00\x07"
    entries = b"\xdd\x00\x00\x00\x01" + b"\x92" + time + record
    said = forward("tag", SOURCE, batch, "abc", asks=True)
    assert said == b"\x93" + b"\xa3tag" + entries + b"\x81\xa5chunk\xa3abc"
    assert forward("tag", SOURCE, batch, "abc", asks=False) == b"\x93\xa3tag" + entries + b"\x80"
    assert acknowledgement("abc") == b"\x81\xa3ack\xa3abc"


def test_texts_of_all_lengths_have_their_head() -> None:
    for size, head in ((31, b"\xbf"), (32, b"\xd9\x20"), (256, b"\xda\x01\x00"), (65536, b"\xdb")):
        batch = Batch((LogLine(0, "x" * size, 1),), 1)
        assert b"\xa3log" + head in forward("t", SOURCE, batch, "", asks=False)


def test_a_batch_has_the_same_chunk_whoever_sends_it_again() -> None:
    assert chunk_of("cid/7/0") == chunk_of("cid/7/0") != chunk_of("cid/7/1")
    assert len(chunk_of("cid/7/0")) == 24


def test_a_long_line_goes_in_pieces_that_name_each_other() -> None:
    batch = next_batch([LogLine(0, "x" * 16_384 + "yz", 9), LogLine(0, "short", 20)], LIMITS)
    assert batch is not None
    said = forward("t", SOURCE, batch, "c", asks=False)
    assert said.count(b"\xafpartial_message\xa4true") == 2
    ids = [part[:66] for part in said.split(b"\xaapartial_id")[1:]]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    first, second = said.index(b"\xafpartial_ordinal\xa11"), said.index(b"\xafpartial_ordinal\xa12")
    assert said.index(b"\xacpartial_last\xa5false") > first
    assert said.index(b"\xacpartial_last\xa4true") > second
    assert said.endswith(b"\xa3log\xa5short\x80")
