"""The fast lane as BPF programs, which queue a packet once on its way: pure text.

It keeps the promises of ``lane``, for a world that root has made. ``TAKE`` is hooked to where a
router's devices let packets in, ``NOTE_INSIDE`` and ``NOTE_OUTSIDE`` to where they let them out, to
an interface and to the internet gateway. The marks that judged packets carry are the same.

What is different:

- The receiver's namespace has the packet at once (``bpf_redirect_peer``), not after a second wait
  in the processor's queue. So its translation is done here, too.
- A note's key has the device by which the packet came in: only from there can it be used.
- Notes are forgotten all at once by a new ``generation``. A packet carries the generation in which
  it came in, so one that was on its way meanwhile leaves no note.

They are for x86-64: its bytes are little-endian, and its stores are seen in their order by another
processor, on which reading a note relies.

Layouts: struct __sk_buff in linux/bpf.h; RFC 791; RFC 9293. The text is ``assembler``'s.
"""

from __future__ import annotations

from hiyoko.plane.network.lane import INSIDE, NOTED_S

KEY_BYTES, NOTE_BYTES = 16, 64
NOTES_MAX = 16384
"""Of a router: more push the oldest out. The kernel keeps their two megabytes from the start."""
GENERATION_BYTES = 8
ETHERNET_BYTES = 14
MTU_OUTSIDE = 1500

# struct __sk_buff
_LEN, _PKT_TYPE, _MARK, _CAME_BY, _DEVICE, _TC_INDEX = 0, 4, 8, 36, 40, 44
_DATA, _DATA_END, _GSO_SIZE = 76, 80, 176
# A frame: Ethernet, IPv4 without options, TCP.
_TYPE, _VERSION, _FRAGMENT, _TTL, _PROTOCOL, _CHECK = 12, 14, 20, 22, 23, 24
_SOURCE, _TARGET, _PORTS, _FLAGS, _TCP_CHECK, _HEADERS = 26, 30, 34, 47, 50, 54
# Helpers of the kernel: linux/bpf.h.
_LOOKUP, _UPDATE, _TCP_SUM, _NOW, _TO_PEER = 1, 2, 11, 160, 155
_NEXT, _PSEUDO_HEADER_4 = -1, 0x14

_PLAIN_TCP = f"""\
    r7 = *(u32 *)(r6 + {_DATA})
    r8 = *(u32 *)(r6 + {_DATA_END})
    r1 = r7
    r1 += {_HEADERS}
    if r1 > r8 goto whole
    r1 = *(u16 *)(r7 + {_TYPE})
    if r1 != 0x0008 goto whole           # IPv4, as a little-endian processor reads it
    r1 = *(u8 *)(r7 + {_VERSION})
    if r1 != 0x45 goto whole             # no options
    r1 = *(u8 *)(r7 + {_PROTOCOL})
    if r1 != 6 goto whole
    r1 = *(u16 *)(r7 + {_FRAGMENT})
    if r1 & 0xff3f goto whole            # all but "don't fragment"
"""
"""r6 is the packet; from here on r7 its first byte. Whatever else it is takes the whole way."""

_WHOLE = f"""\
whole:
    r0 = {_NEXT}
    exit
"""


def _translated(side: str, place: int, new: int, old: int) -> str:
    """Another address instead of the packet's, and both checksums. One side changes at most."""
    halves = "".join(
        f"    r2 = r{register}\n    {half}\n{negate}    r1 += r2\n"
        for register, negate in ((3, "    r2 ^= 0xffff\n"), (4, ""))
        for half in ("r2 &= 0xffff", "r2 >>= 16")
    )
    fold = "    r2 = r1\n    r2 >>= 16\n    r1 &= 0xffff\n    r1 += r2\n"
    return f"""\
    r4 = *(u32 *)(r10 - {new})
    r3 = *(u32 *)(r10 - {old})
    if r3 == r4 goto {side}_kept
    *(u32 *)(r7 + {place}) = r4
    r1 = *(u16 *)(r7 + {_CHECK})         # RFC 1624: ~(~check + ~old + new)
    r1 ^= 0xffff
{halves}{fold}{fold}    r1 ^= 0xffff
    *(u16 *)(r7 + {_CHECK}) = r1
    r1 = r6
    r2 = {_TCP_CHECK}
    r5 = {_PSEUDO_HEADER_4}
    call {_TCP_SUM}
    goto hand_over
{side}_kept:
"""


TAKE = f"""\
    r6 = r1
    r1 = *(u32 *)(r6 + {_PKT_TYPE})
    if r1 != 0 goto whole                # not for this device
{_PLAIN_TCP}
    # Should it be judged, it shall be noted for the generation in which it came.
    r1 = value generation
    r9 = *(u64 *)(r1 + 0)
    r1 = r9
    r1 &= 0xffff
    *(u32 *)(r6 + {_TC_INDEX}) = r1

    r1 = *(u32 *)(r7 + 0)                # Both ends of a veth pair have the interface's address,
    r2 = *(u32 *)(r7 + 6)                # so a frame from another one has two different ones.
    if r1 != r2 goto whole
    r1 = *(u16 *)(r7 + 4)
    r2 = *(u16 *)(r7 + 10)
    if r1 != r2 goto whole
    r1 = *(u8 *)(r7 + {_TTL})
    if r1 <= 1 goto whole
    r1 = *(u8 *)(r7 + {_FLAGS})
    if r1 & 7 goto whole                 # FIN, SYN, RST

    r1 = *(u32 *)(r6 + {_DEVICE})
    *(u32 *)(r10 - 16) = r1
    r1 = *(u32 *)(r7 + {_SOURCE})
    *(u32 *)(r10 - 12) = r1
    r1 = *(u32 *)(r7 + {_TARGET})
    *(u32 *)(r10 - 8) = r1
    r1 = *(u32 *)(r7 + {_PORTS})
    *(u32 *)(r10 - 4) = r1
    r1 = map notes
    r2 = r10
    r2 += -16
    call {_LOOKUP}
    if r0 == 0 goto whole
    r1 = *(u64 *)(r0 + 16)
    if r1 != r9 goto whole               # of an earlier generation
    r9 = r0
    call {_NOW}
    r1 = *(u64 *)(r9 + 24)
    if r0 > r1 goto whole                # too old
    r1 = *(u32 *)(r6 + {_GSO_SIZE})
    if r1 != 0 goto fits
    r1 = *(u32 *)(r6 + {_LEN})
    r2 = *(u32 *)(r9 + 36)
    if r1 > r2 goto whole                # too long for the way out
fits:
    r1 = *(u64 *)(r9 + 32)
    *(u64 *)(r10 - 48) = r1
    r1 = *(u64 *)(r9 + 40)
    *(u64 *)(r10 - 40) = r1
    r1 = *(u64 *)(r9 + 48)
    *(u64 *)(r10 - 32) = r1
    r1 = *(u64 *)(r9 + 56)
    *(u64 *)(r10 - 24) = r1
    # The kernel may use a note's place for another one while we read it: the key comes first then.
    r1 = *(u64 *)(r9 + 0)
    r2 = *(u64 *)(r10 - 16)
    if r1 != r2 goto whole
    r1 = *(u64 *)(r9 + 8)
    r2 = *(u64 *)(r10 - 8)
    if r1 != r2 goto whole

    r1 = *(u64 *)(r10 - 32)              # the Ethernet addresses
    *(u64 *)(r7 + 0) = r1
    r1 = *(u32 *)(r10 - 24)
    *(u32 *)(r7 + 8) = r1
    r1 = *(u8 *)(r7 + {_TTL})
    r1 += -1
    *(u8 *)(r7 + {_TTL}) = r1
    r1 = *(u16 *)(r7 + {_CHECK})         # RFC 1141: one less there, one more here
    r1 += 1
    if r1 < 0xffff goto counted
    r1 += 1
counted:
    *(u16 *)(r7 + {_CHECK}) = r1
{_translated("source", _SOURCE, 40, 12)}{_translated("target", _TARGET, 36, 8)}hand_over:
    r1 = *(u32 *)(r10 - 48)
    r2 = 0
    call {_TO_PEER}
    exit
{_WHOLE}"""


def _note(replaced: int, longest: int) -> str:
    """Note a judged packet that leaves. A mark that is an address is the one that it came with."""

    def came_with(place: int, address: int) -> str:
        if place != replaced:
            return ""
        return f"    if r9 == {INSIDE} goto untranslated\n    r{address} = r9\nuntranslated:\n"

    return f"""\
    r6 = r1
    r9 = *(u32 *)(r6 + {_MARK})
    if r9 == 0 goto whole
{_PLAIN_TCP}
    r1 = value generation
    r2 = *(u64 *)(r1 + 0)
    *(u64 *)(r10 - 64) = r2
    r2 &= 0xffff
    r1 = *(u32 *)(r6 + {_TC_INDEX})
    if r1 != r2 goto whole               # it came in before a change
    if r9 == {INSIDE} goto marked
    r9 = be32 r9
marked:
    r1 = *(u32 *)(r6 + {_CAME_BY})       # the key, twice: as such, and at the note's beginning
    *(u32 *)(r10 - 16) = r1
    *(u32 *)(r10 - 80) = r1
    r1 = *(u32 *)(r7 + {_SOURCE})
    *(u32 *)(r10 - 40) = r1
{came_with(_SOURCE, 1)}    *(u32 *)(r10 - 12) = r1
    *(u32 *)(r10 - 76) = r1
    r1 = *(u32 *)(r7 + {_TARGET})
    *(u32 *)(r10 - 36) = r1
{came_with(_TARGET, 1)}    *(u32 *)(r10 - 8) = r1
    *(u32 *)(r10 - 72) = r1
    r1 = *(u32 *)(r7 + {_PORTS})
    *(u32 *)(r10 - 4) = r1
    *(u32 *)(r10 - 68) = r1
    r1 = *(u32 *)(r6 + {_DEVICE})
    *(u32 *)(r10 - 48) = r1
    r1 = {longest}
    *(u32 *)(r10 - 44) = r1
    r1 = *(u64 *)(r7 + 0)
    *(u64 *)(r10 - 32) = r1
    r1 = *(u32 *)(r7 + 8)
    *(u64 *)(r10 - 24) = r1
    call {_NOW}
    r1 = {NOTED_S * 1_000_000_000}
    r0 += r1
    *(u64 *)(r10 - 56) = r0
    r1 = map notes
    r2 = r10
    r2 += -16
    r3 = r10
    r3 += -80
    r4 = 0
    call {_UPDATE}
{_WHOLE}"""


NOTE_INSIDE = _note(_TARGET, 0xFFFFFF)
"""At an interface: whatever is longer than its link takes has been refused at the sender's."""
NOTE_OUTSIDE = _note(_SOURCE, MTU_OUTSIDE + ETHERNET_BYTES)
