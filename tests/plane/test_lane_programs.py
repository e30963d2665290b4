"""The fast lane's programs by themselves, run by the kernel on a packet of ours (bpf(2))."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TypeVar

import pytest

from hiyoko.blueprint import example
from hiyoko.blueprint.network import TCP, Network, Vpc
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.network import (
    NetworkPlane,
    bpf,
    lane_hooks,
    lane_programs,
    prepare_internet,
    steps,
)
from hiyoko.plane.network.assembler import assemble
from hiyoko.plane.network.lane import INSIDE
from hiyoko.plane.network.names import GATEWAY_LINK, interface_link
from hiyoko.plane.process import NETNS_DIR, run

T = TypeVar("T")
_TEST_RUN, _NEXT_KEY = 10, 4
FRAME = (
    bytes(12)
    + struct.pack("!HBBHHHBBH", 0x0800, 0x45, 0, 40, 1, 0, 64, TCP, 0)
    + IPv4Address("10.0.0.6").packed
    + IPv4Address("10.0.10.7").packed
    + struct.pack("!HHIIBBHHH", 41234, 80, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
)


def pretend(program: bpf.Program, mark: int) -> None:
    """Run a program on the frame, which came by a device without programs: its index is 0."""
    frame = ctypes.create_string_buffer(FRAME, len(FRAME))
    context = ctypes.create_string_buffer(struct.pack("=8xI180x", mark), 192)
    ask = struct.pack(
        "=4IQQ4IQQ4I",
        *(program.descriptor, 0, len(FRAME), 0, ctypes.addressof(frame), 0),
        *(1, 0, len(context), 0, ctypes.addressof(context), 0),
        *(0, 0, 0, 0),
    )
    bpf._bpf(_TEST_RUN, ask)


def is_empty(notes: bpf.Map) -> bool:
    key = ctypes.create_string_buffer(lane_programs.KEY_BYTES)
    ask = struct.pack("=IxxxxQQQ", notes.descriptor, 0, ctypes.addressof(key), 0)
    try:
        bpf._bpf(_NEXT_KEY, ask)
    except FileNotFoundError:
        return True
    return False


@pytest.fixture
def maps() -> Iterator[tuple[bpf.Map, bpf.Map]]:
    with ExitStack() as opened:
        try:
            notes = bpf.create_map("notes", bpf.LRU_HASH, 16, 64, 64)
        except PermissionError:
            pytest.skip("only the host's root may load programs")
        generation = bpf.create_map("generation", bpf.ARRAY, 4, 8, 1)
        for each in (notes, generation):
            opened.callback(os.close, each.descriptor)
        yield notes, generation


@pytest.mark.parametrize(
    ("generation", "mark", "noted"),
    [
        pytest.param(0, INSIDE, True, id="a judged packet"),
        pytest.param(0, 0, False, id="one that was not"),
        pytest.param(1, INSIDE, False, id="one that was judged by what has changed since"),
    ],
)
def test_a_packet_is_noted_if_it_was_judged_by_what_holds(
    maps: tuple[bpf.Map, bpf.Map], generation: int, mark: int, *, noted: bool
) -> None:
    notes, number = maps
    code = assemble(
        lane_programs.NOTE_INSIDE, {"notes": notes.descriptor, "generation": number.descriptor}
    )
    program = bpf.load("note", code)
    try:
        bpf.write(number, struct.pack("=Q", generation))
        pretend(program, mark)
    finally:
        os.close(program.descriptor)
    assert is_empty(notes) is not noted


def test_what_the_verifier_refuses_is_told_with_its_words() -> None:
    with pytest.raises(OSError, match=r"R0 !read_ok|Operation not permitted"):
        bpf.load("empty", assemble("exit", {}))


LINK = interface_link(example.TASK_A.eni_id)
OURS = {
    ("lo", bpf.INGRESS): ["take"],
    ("lo", bpf.EGRESS): ["inside", "outside"],
    (GATEWAY_LINK, bpf.INGRESS): ["take"],
    (GATEWAY_LINK, bpf.EGRESS): ["outside"],
    (LINK, bpf.INGRESS): ["take"],
    (LINK, bpf.EGRESS): ["inside"],
}


def inside(do: Callable[[], T]) -> T:
    return in_namespace(NETNS_DIR / example.VPC_ID, do)


def names(links: tuple[str, ...]) -> dict[tuple[str, int], list[str]]:
    found = {}
    for link in links:
        for kind in (bpf.INGRESS, bpf.EGRESS):
            programs = bpf.hooked(socket.if_nametoindex(link), kind)
            found[link, kind] = [each.name.partition("_")[0] for each in programs]
            for each in programs:
                os.close(each.descriptor)
    return found


async def settle(*vpcs: Vpc) -> None:
    plane = NetworkPlane()
    for step in steps(Network(vpcs), await plane.observe()):
        await plane.apply(step)


@pytest.mark.usefixtures("maps")
async def test_another_daemon_finds_the_programs_that_the_first_one_loaded() -> None:
    await prepare_internet()
    vpc = example.example_vpc()
    without = tuple(each for each in vpc.interfaces if each != example.TASK_A)
    try:
        await settle(vpc)
        await settle(replace(vpc, interfaces=without))
        await settle(vpc)
        found = inside(lambda: names(("lo", GATEWAY_LINK, LINK)))
        tables = await run("nft", "list", "tables", netns=vpc.vpc_id)
    finally:
        await settle()
    assert found == OURS
    assert "netdev" not in tables


def hook_stranger(*links: str) -> None:
    """A program that lets everything in, behind nothing and before ours."""
    program = bpf.load("stranger", assemble("r0 = 0\nexit", {}))
    for link in links:
        device = socket.if_nametoindex(link)
        for each in bpf.hooked(device, bpf.INGRESS):
            bpf.unhook(each, device, bpf.INGRESS)
            os.close(each.descriptor)
        bpf.hook(program, device, bpf.INGRESS)
    os.close(program.descriptor)


@pytest.mark.usefixtures("maps")
@pytest.mark.parametrize("links", [(LINK,), ("lo",), ("lo", LINK)], ids="-".join)
async def test_an_audit_sees_another_program(links: tuple[str, ...]) -> None:
    """Also where loopback lost ours: then they are loaded anew."""
    await prepare_internet()
    vpc = example.example_vpc()
    plane, network = NetworkPlane(), Network((vpc,))
    try:
        await settle(vpc)
        assert steps(network, await plane.audit(network, await plane.observe())) == []
        inside(lambda: hook_stranger(*links))
        for step in steps(network, await plane.audit(network, await plane.observe())):
            await plane.apply(step)
        found = inside(lambda: names(("lo", GATEWAY_LINK, LINK)))
    finally:
        await settle()
    assert found == OURS


def generations() -> list[int]:
    """Of each set of programs on this router's loopback device."""
    found: dict[int, int] = {}
    for program in bpf.hooked(socket.if_nametoindex("lo"), bpf.EGRESS):
        for number in program.map_ids:
            values = bpf.map_of(number)
            if values.name == "generation":
                found[number] = int(struct.unpack("=Q", bpf.read(values, 8))[0])
            os.close(values.descriptor)
        os.close(program.descriptor)
    return list(found.values())


@pytest.mark.usefixtures("maps")
async def test_what_another_version_left_forgets_and_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await prepare_internet()
    vpc = example.example_vpc()
    entry = replace(vpc.acls[0].ingress[0], number=90)
    changed = replace(vpc.acls[0], ingress=(entry, *vpc.acls[0].ingress))
    try:
        with monkeypatch.context() as earlier:
            earlier.setattr(lane_hooks, "_NAMES", {key: f"{key}_1" for key in lane_hooks._NAMES})
            await settle(vpc)
        (before,) = inside(generations)
        await lane_hooks.forget_notes(vpc.vpc_id)
        assert inside(generations) == [before + 1]
        await settle(replace(vpc, acls=(changed,)))
        assert inside(generations) == [2]
        found = inside(lambda: names(("lo", GATEWAY_LINK, LINK)))
    finally:
        await settle()
    assert found == OURS


@pytest.mark.usefixtures("maps")
async def test_the_lane_of_nftables_gives_way_to_programs() -> None:
    await prepare_internet()
    vpc = example.example_vpc()
    plane = NetworkPlane(programs=False)
    try:
        for step in steps(Network((vpc,)), await plane.observe()):
            await plane.apply(step)
        assert "netdev" in await run("nft", "list", "tables", netns=vpc.vpc_id)
        await settle(replace(vpc, acls=(replace(vpc.acls[0], ingress=()),)))
        assert "netdev" not in await run("nft", "list", "tables", netns=vpc.vpc_id)
        found = inside(lambda: names(("lo", GATEWAY_LINK, LINK)))
    finally:
        await settle()
    assert found == OURS


@pytest.mark.parametrize(
    ("question", "refusal"),
    [
        pytest.param("hooked", errno.EINVAL, id="a kernel without the hook"),
        pytest.param("load", errno.EPERM, id="one that does not let us load"),
        pytest.param("map_of", errno.EPERM, id="one that does not let us ask again"),
    ],
)
async def test_where_the_kernel_refuses_the_lane_is_nftables(
    monkeypatch: pytest.MonkeyPatch, question: str, refusal: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(refusal, os.strerror(refusal))

    await prepare_internet()
    vpc = example.example_vpc()
    try:
        with monkeypatch.context() as limited:
            limited.setattr(bpf, question, refuse)
            await settle(vpc)
            tables = await run("nft", "list", "tables", netns=vpc.vpc_id)
            plane, network = NetworkPlane(), Network((vpc,))
            assert steps(network, await plane.audit(network, await plane.observe())) == []
    finally:
        await settle()
    assert "netdev" in tables
