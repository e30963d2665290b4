"""BPF's instructions from text: pure.

The notation is the one that the kernel's verifier prints and LLVM reads; a line each:

    r1 = *(u32 *)(r6 + 4)      if r1 != 0 goto whole      r1 += 54      call 1      whole:

``rN = map NAME`` is a map's descriptor, ``rN = value NAME`` the address of its first value.
RFC 9669; https://docs.kernel.org/bpf/standardization/instruction-set.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping

_SIZES = {"u8": 0x10, "u16": 0x08, "u32": 0x00, "u64": 0x18}
_ALU = {"=": 0xB0, "+=": 0x00, "-=": 0x10, "|=": 0x40, "&=": 0x50, "<<=": 0x60, ">>=": 0x70}
_ALU |= {"^=": 0xA0}
_JUMPS = {"==": 0x10, ">": 0x20, ">=": 0x30, "&": 0x40, "!=": 0x50, "<": 0xA0, "<=": 0xB0}
_ALU64, _JMP, _LDX, _STX, _MEM, _FROM_REGISTER = 0x07, 0x05, 0x01, 0x03, 0x60, 0x08
_CALL, _EXIT, _GOTO, _LOAD_64, _TO_BIG_ENDIAN = 0x85, 0x95, 0x05, 0x18, 0xDC
_OF_MAP = {"map": 1, "value": 2}

_INSTRUCTION = struct.Struct("=BBhi")


class SyntaxRefused(ValueError):
    """A line that is no instruction that we know."""


def assemble(text: str, maps: Mapping[str, int]) -> bytes:
    """The instructions of a program that uses these maps' descriptors."""
    code: list[bytes] = []
    labels: dict[str, int] = {}
    jumps: list[tuple[int, str]] = []
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        if line.endswith(":"):
            labels[line.removesuffix(":")] = len(code)
            continue
        if target := re.search(r"goto (\w+)$", line):
            jumps.append((len(code), target[1]))
        code += _instructions(line, maps)
    for place, label in jumps:
        opcode, registers, _, immediate = _INSTRUCTION.unpack(code[place])
        code[place] = _INSTRUCTION.pack(opcode, registers, labels[label] - place - 1, immediate)
    return b"".join(code)


def _instructions(line: str, maps: Mapping[str, int]) -> list[bytes]:
    for pattern, make in _FORMS:
        if found := re.fullmatch(pattern, line):
            return [make(*found.groups())]
    if found := re.fullmatch(r"r(\d+) = (map|value) (\w+)", line):
        register, what, name = found.groups()
        # A number of 64 bits takes two places.
        kind = _OF_MAP[what]
        return [_pack(_LOAD_64, register, kind, 0, maps[name]), _pack(0, 0, 0, 0, 0)]
    raise SyntaxRefused(line)


def _pack(opcode: int, to: str | int, source: str | int, offset: str | int, value: int) -> bytes:
    registers = int(to) | int(source) << 4
    return _INSTRUCTION.pack(opcode, registers, int(str(offset).replace(" ", "")), value)


def _compute(to: str, operator: str, register: str | None, number: str | None) -> bytes:
    opcode = _ALU64 | _ALU[operator]
    if register is not None:
        return _pack(opcode | _FROM_REGISTER, to, register, 0, 0)
    return _pack(opcode, to, 0, 0, int(number or "0", 0))


def _jump(to: str, operator: str, register: str | None, number: str | None) -> bytes:
    opcode = _JMP | _JUMPS[operator]
    if register is not None:
        return _pack(opcode | _FROM_REGISTER, to, register, 0, 0)
    return _pack(opcode, to, 0, 0, int(number or "0", 0))


_OPERATORS, _RELATIONS = ("|".join(map(re.escape, each)) for each in (_ALU, _JUMPS))
_SIDE = r"(?:r(\d+)|(-?\w+))"
_PLACE = r"\*\((u\d+) \*\)\(r(\d+) ([+-] \d+)\)"
_FORMS: tuple[tuple[str, Callable[..., bytes]], ...] = (
    (
        rf"r(\d+) = {_PLACE}",
        lambda to, size, base, offset: _pack(_LDX | _MEM | _SIZES[size], to, base, offset, 0),
    ),
    (
        rf"{_PLACE} = r(\d+)",
        lambda size, base, offset, source: _pack(
            _STX | _MEM | _SIZES[size], base, source, offset, 0
        ),
    ),
    (rf"if r(\d+) ({_RELATIONS}) {_SIDE} goto \w+", _jump),
    (r"goto \w+", lambda: _pack(_GOTO, 0, 0, 0, 0)),
    (r"r(\d+) = be32 r\d+", lambda to: _pack(_TO_BIG_ENDIAN, to, 0, 0, 32)),
    (rf"r(\d+) ({_OPERATORS}) {_SIDE}", _compute),
    (r"call (\d+)", lambda number: _pack(_CALL, 0, 0, 0, int(number))),
    (r"exit", lambda: _pack(_EXIT, 0, 0, 0, 0)),
)
