"""A router's fast lane in the kernel: of which kind it is, to which devices it is hooked.

Root's worlds have it as programs (``lane_programs``), all others, kernels before 6.6 and other
machines than x86-64 as nftables' chains (``lane``). A router's loopback device holds the programs
for devices to come: there they are found again, whoever loaded them, and go with the router.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.network import bpf, lane_programs
from hiyoko.plane.network.assembler import assemble
from hiyoko.plane.network.lane import FORGET, LANE, SYSCTLS, hook_lane
from hiyoko.plane.network.names import GATEWAY_LINK, fingerprint
from hiyoko.plane.process import NETNS_DIR, run

log = logging.getLogger(__name__)

_TEXTS = {
    "take": lane_programs.TAKE,
    "inside": lane_programs.NOTE_INSIDE,
    "outside": lane_programs.NOTE_OUTSIDE,
}
_NAMES = {
    # Fifteen letters are a name: a version with other programs does not take these for its own.
    key: f"{key}_{fingerprint(text)[:7]}"
    for key, text in _TEXTS.items()
}
_KINDS = {"take": bpf.INGRESS, "inside": bpf.EGRESS, "outside": bpf.EGRESS}
_NOTES, _GENERATION = "notes", "generation"
_NUMBER = struct.Struct("=Q")

_ONLY_IF_THERE = f"""\
case "$(nft list tables netdev)" in *" {LANE}"*) exec nft -f - ;; esac
"""


T = TypeVar("T")
Opened = dict[str, bpf.Program]
"""A router's programs, by what they are for."""


async def prepare(vpc_id: str) -> bool:
    """Load the programs for a router, once. False where the kernel does not let us."""
    if await _inside(vpc_id, _complete):
        return True
    with ExitStack() as opened:
        loaded = await _inside(vpc_id, lambda: _load_if_we_may(opened))
        if not loaded:
            return False
        # First of all, since who finds programs looks for nothing else to tell to forget.
        await run("sh", "-c", _ONLY_IF_THERE, stdin=f"delete table {LANE}\n", netns=vpc_id)
        return await _inside(vpc_id, lambda: _prepare(loaded))


async def hook(vpc_id: str, links: list[str]) -> None:
    """Open the fast lane of links. Without it every packet takes the whole way, and gets there."""
    if not links:
        return
    await run("sysctl", "-eqw", *SYSCTLS, netns=vpc_id)
    try:
        if not await _inside(vpc_id, lambda: _hook(links)):
            await run("nft", "-f", "-", stdin=hook_lane(links), netns=vpc_id, timeout_s=120)
    except PlaneError as refused:
        log.warning("no fast lane in %s: %s", vpc_id, refused)


async def forget_notes(vpc_id: str) -> None:
    """Let the next packet of every connection be judged, should there be a fast lane."""
    if not await _inside(vpc_id, _forget):
        await run("sh", "-c", _ONLY_IF_THERE, stdin=FORGET, netns=vpc_id)


async def no_strangers(vpc_id: str) -> bool:
    """Whether nobody else's program is where a router's programs are."""
    return await _inside(vpc_id, _no_strangers)


async def _inside(vpc_id: str, do: Callable[[], T]) -> T:
    def asked() -> T:
        try:
            return do()
        except OSError as refused:
            raise PlaneError(f"the fast lane's programs: {refused}") from refused

    return await asyncio.to_thread(in_namespace, NETNS_DIR / vpc_id, asked)


def _complete() -> bool:
    """Whether this thread's router has the programs, and no others."""
    with ExitStack() as opened:
        programs = _held(opened)
        return bool(programs) and len(programs) == len(_held_by_anybody(opened))


def _load_if_we_may(opened: ExitStack) -> Opened:
    """The programs, hooked to nothing yet; none where the kernel does not let us."""
    try:
        # Kernels before 6.6 take the programs, but do not know such a hook.
        for program in bpf.hooked(socket.if_nametoindex("lo"), bpf.INGRESS):
            opened.callback(os.close, program.descriptor)
        return _load(opened)
    except OSError as refused:
        log.info("the fast lane is nftables': %s", refused)
        return {}


def _prepare(loaded: Opened) -> bool:
    with ExitStack() as opened:
        programs = _held(opened)
        if not programs:
            programs = loaded
            loopback = socket.if_nametoindex("lo")
            for key, program in programs.items():
                bpf.hook(program, loopback, _KINDS[key])
        for _, link in socket.if_nameindex():
            if link == GATEWAY_LINK or link.startswith("e-"):
                _hook_link(link, programs)
        # Loopback lets another version's go only when no device has them any more: as long as they
        # hand packets on, they must be found to be told to forget.
        for kind in (bpf.INGRESS, bpf.EGRESS):
            _hook_only("lo", kind, [each for key, each in programs.items() if _KINDS[key] == kind])
    return True


def _hook(links: list[str]) -> bool:
    with ExitStack() as opened:
        programs = _held(opened)
        for link in links if programs else ():
            _hook_link(link, programs)
        return bool(programs)


def _hook_link(link: str, programs: Opened) -> None:
    _hook_only(link, bpf.INGRESS, [programs["take"]])
    _hook_only(link, bpf.EGRESS, [programs["outside" if link == GATEWAY_LINK else "inside"]])


def _hook_only(link: str, kind: int, wished: list[bpf.Program]) -> None:
    """These programs and no other, which would have its say before them."""
    device = socket.if_nametoindex(link)
    with ExitStack() as opened:
        there = {each.number: each for each in _hooked(opened, link, kind)}
        for number in there.keys() - {each.number for each in wished}:
            bpf.unhook(there[number], device, kind)
        for program in wished:
            if program.number not in there:
                bpf.hook(program, device, kind)


def _forget() -> bool:
    """Begin a generation: what was noted before is void, and so is what is on its way."""
    with ExitStack() as opened:
        found = {each for program in _held_by_anybody(opened) for each in program.map_ids}
        for number in found:
            values = bpf.map_of(number)
            opened.callback(os.close, values.descriptor)
            if values.name == _GENERATION:
                (generation,) = _NUMBER.unpack(bpf.read(values, _NUMBER.size))
                bpf.write(values, _NUMBER.pack(generation + 1))
        return bool(found)


def _no_strangers() -> bool:
    with ExitStack() as opened:
        ours = {each.number for each in _held(opened).values()}
        return all(
            program.number in ours
            for _, link in socket.if_nameindex()
            for kind in (bpf.INGRESS, bpf.EGRESS)
            for program in _hooked(opened, link, kind)
        )


def _held(opened: ExitStack) -> Opened:
    """The programs of this thread's router; none, unless all are there."""
    there = {program.name: program for program in _held_by_anybody(opened)}
    found = {key: there[name] for key, name in _NAMES.items() if name in there}
    return found if found.keys() == _NAMES.keys() else {}


def _held_by_anybody(opened: ExitStack) -> list[bpf.Program]:
    """Also those of another version, which are in force until its rules are replaced."""
    return [*_hooked(opened, "lo", bpf.INGRESS), *_hooked(opened, "lo", bpf.EGRESS)]


def _hooked(opened: ExitStack, link: str, kind: int) -> list[bpf.Program]:
    try:
        found = bpf.hooked(socket.if_nametoindex(link), kind)
    except OSError as refused:
        # Whom the kernel does not let ask has not loaded any; older ones know no such question.
        if refused.errno in (errno.EPERM, errno.EINVAL, errno.ENOSYS):
            return []
        raise
    for program in found:
        opened.callback(os.close, program.descriptor)
    return found


def _load(opened: ExitStack) -> Opened:
    notes = bpf.create_map(
        _NOTES,
        bpf.LRU_HASH,
        lane_programs.KEY_BYTES,
        lane_programs.NOTE_BYTES,
        lane_programs.NOTES_MAX,
    )
    opened.callback(os.close, notes.descriptor)
    generation = bpf.create_map(_GENERATION, bpf.ARRAY, 4, lane_programs.GENERATION_BYTES, 1)
    opened.callback(os.close, generation.descriptor)
    # Of a packet that came by a device without them, the generation is 0.
    bpf.write(generation, _NUMBER.pack(1))
    maps = {each.name: each.descriptor for each in (notes, generation)}
    programs: Opened = {}
    for key, text in _TEXTS.items():
        programs[key] = bpf.load(_NAMES[key], assemble(text, maps))
        opened.callback(os.close, programs[key].descriptor)
    # Who may load them but not ask for them again could not tell them to forget.
    os.close(bpf.map_of(programs["take"].map_ids[0]).descriptor)
    return programs
