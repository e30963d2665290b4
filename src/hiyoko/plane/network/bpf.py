"""The system call bpf(2), as far as the fast lane needs it. Every refusal is an OSError.

Programs of the kind ``SCHED_CLS`` are hooked to devices by tcx (Linux 6.6): such a hook needs no
process and no file, it lives as long as its device. linux/bpf.h
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

_NUMBERS = {"x86_64": 321}
"""The system call's, by machine."""
_MAP_CREATE, _MAP_LOOKUP, _MAP_UPDATE, _PROG_LOAD = 0, 1, 2, 5
_PROG_ATTACH, _PROG_DETACH, _PROG_FD, _MAP_FD, _INFO, _PROG_QUERY = 8, 9, 13, 14, 15, 16
_SCHED_CLS = 3
ARRAY, LRU_HASH = 2, 9
INGRESS, EGRESS = 46, 47
"""Kinds of maps, and of hooks: BPF_TCX_INGRESS, BPF_TCX_EGRESS."""
_PROGRAMS_MAX = 64
_LOG_BYTES = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Map:
    """A map of this kernel: whoever has it closes its descriptor."""

    descriptor: int
    name: str


@dataclass(frozen=True, slots=True)
class Program:
    """A loaded program, with the ids of its maps: whoever has it closes its descriptor."""

    descriptor: int
    number: int
    name: str
    map_ids: tuple[int, ...]


def create_map(name: str, kind: int, key_bytes: int, value_bytes: int, entries: int) -> Map:
    """Make a map."""
    ask = struct.pack("=7I16s", kind, key_bytes, value_bytes, entries, 0, 0, 0, name.encode())
    return Map(_bpf(_MAP_CREATE, ask)[0], name)


def load(name: str, code: bytes) -> Program:
    """Load a program; the verifier's last words come with its refusal."""
    instructions, log = ctypes.create_string_buffer(code, len(code)), _buffer(_LOG_BYTES)
    licence = ctypes.create_string_buffer(b"GPL")
    ask = struct.pack(
        "=IIQQIIQII16s",
        *(_SCHED_CLS, len(code) // 8, ctypes.addressof(instructions), ctypes.addressof(licence)),
        *(1, _LOG_BYTES, ctypes.addressof(log), 0, 0, name.encode()),
    )
    try:
        return _program(_bpf(_PROG_LOAD, ask)[0])
    except OSError as refused:
        said = log.value.decode(errors="replace").strip().splitlines()[-3:]
        raise OSError(refused.errno, "; ".join((str(refused.strerror), *said))) from None


def hook(program: Program, device: int, kind: int) -> None:
    """Hook a program to a device of this thread's namespace, behind those that are there."""
    _bpf(_PROG_ATTACH, struct.pack("=6IQ", device, program.descriptor, kind, 0, 0, 0, 0))


def unhook(program: Program, device: int, kind: int) -> None:
    """Take a program from a device."""
    _bpf(_PROG_DETACH, struct.pack("=6IQ", device, program.descriptor, kind, 0, 0, 0, 0))


def hooked(device: int, kind: int) -> list[Program]:
    """The programs that are hooked to a device, in their order."""
    ids = (ctypes.c_uint32 * _PROGRAMS_MAX)()
    ask = struct.pack("=4IQIIQQQQ", device, kind, 0, 0, ctypes.addressof(ids), len(ids), *[0] * 5)
    (count,) = struct.unpack_from("=I", _bpf(_PROG_QUERY, ask)[1], 24)
    return [_program(_bpf(_PROG_FD, struct.pack("=III", each, 0, 0))[0]) for each in ids[:count]]


def map_of(map_id: int) -> Map:
    """A map by its id."""
    descriptor = _bpf(_MAP_FD, struct.pack("=III", map_id, 0, 0))[0]
    info = _info(descriptor, bytes(80))
    return Map(descriptor, _text(info[24:40]))


def read(values: Map, size: int) -> bytes:
    """An array's first value."""
    key, value = _buffer(4), _buffer(size)
    _bpf(_MAP_LOOKUP, _element(values, key, value))
    return value.raw


def write(values: Map, content: bytes) -> None:
    """Set an array's first value."""
    key, value = _buffer(4), ctypes.create_string_buffer(content, len(content))
    _bpf(_MAP_UPDATE, _element(values, key, value))


def _element(
    values: Map, key: ctypes.Array[ctypes.c_char], value: ctypes.Array[ctypes.c_char]
) -> bytes:
    places = ctypes.addressof(key), ctypes.addressof(value)
    return struct.pack("=IxxxxQQQ", values.descriptor, *places, 0)


def _program(descriptor: int) -> Program:
    info = _info(descriptor, bytes(80))
    (number,) = struct.unpack_from("=I", info, 4)
    count, _, name = struct.unpack_from("=IQ16s", info, 52)
    ids = (ctypes.c_uint32 * count)()
    # The same question with room for the ids.
    _info(descriptor, struct.pack("=52xIQ16x", count, ctypes.addressof(ids)))
    return Program(descriptor, number, _text(name), tuple(ids))


def _info(descriptor: int, asked: bytes) -> bytes:
    info = ctypes.create_string_buffer(asked, len(asked))
    _bpf(_INFO, struct.pack("=IIQ", descriptor, len(asked), ctypes.addressof(info)))
    return info.raw


def _text(name: bytes) -> str:
    return name.partition(b"\0")[0].decode()


def _buffer(size: int) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(size)


def _bpf(command: int, ask: bytes) -> tuple[int, bytes]:
    attributes = ctypes.create_string_buffer(ask, len(ask))
    number = _NUMBERS.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, f"bpf(2) of {os.uname().machine} is not known here")
    done = _libc.syscall(number, command, attributes, len(ask))
    if done < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return done, attributes.raw
