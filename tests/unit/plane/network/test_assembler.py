"""https://datatracker.ietf.org/doc/html/rfc9669"""

from __future__ import annotations

import re

import pytest

from hiyoko.plane.network.assembler import SyntaxRefused, assemble

MAPS = {"notes": 7}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("r6 = r1", "bf16000000000000"),
        ("r0 = -1", "b7000000ffffffff"),
        ("r1 += 54", "0701000036000000"),
        ("r1 += r2", "0f21000000000000"),
        ("r2 >>= 16", "7702000010000000"),
        ("r2 &= 0xffff", "57020000ffff0000"),
        ("r9 = be32 r9", "dc09000020000000"),
        ("r1 = *(u8 *)(r7 + 14)", "71710e0000000000"),
        ("r1 = *(u16 *)(r7 + 12)", "69710c0000000000"),
        ("r7 = *(u32 *)(r6 + 76)", "61674c0000000000"),
        ("*(u64 *)(r10 - 16) = r1", "7b1af0ff00000000"),
        ("call 155", "850000009b000000"),
        ("exit", "9500000000000000"),
        ("r1 = map notes", "18110000070000000000000000000000"),
        ("r1 = value notes", "18210000070000000000000000000000"),
    ],
)
def test_an_instruction_is_eight_bytes(line: str, code: str) -> None:
    assert assemble(line, MAPS).hex() == code


def test_a_jump_counts_instructions_from_the_next_one() -> None:
    text = """
    again:
        if r1 != 0 goto out     # over three: a map takes two places
        r1 = map notes
        goto again
    out:
        if r1 > r8 goto again
        if r1 & 7 goto again
    """
    code = assemble(text, MAPS)
    jumps = [code[place : place + 8].hex() for place in (0, 24, 32, 40)]
    assert jumps == [
        "5501030000000000",
        "0500fcff00000000",
        "2d81fbff00000000",
        "4501faff07000000",
    ]


@pytest.mark.parametrize("line", ["r1 = r2 + r3", "r1 = *(u8)(r7 + 14)", "jmp out", "r1 *= 2"])
def test_what_it_does_not_know_is_refused(line: str) -> None:
    with pytest.raises(SyntaxRefused, match=re.escape(line)):
        assemble(line, MAPS)
