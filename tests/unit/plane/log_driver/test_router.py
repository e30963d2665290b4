"""What a router does with its socket, and what the driver makes of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hiyoko.plane.log_driver import router
from hiyoko.plane.log_driver.batches import Batch
from hiyoko.plane.log_driver.forward import acknowledgement, chunk_of
from hiyoko.plane.log_driver.lines import LogLine
from hiyoko.plane.log_driver.order import RouterOrder
from hiyoko.plane.log_driver.router import SOCKET, RouterSender
from hiyoko.plane.log_driver.sender import Denied

BATCH = Batch((LogLine(0, "one", 9),), 9)
Answer = Callable[[asyncio.StreamWriter], None]


def sender(directory: Path, *, acknowledges: bool = True) -> RouterSender:
    order = RouterOrder("c", "web", "router", str(directory), "web-firelens-1", acknowledges, 10)
    return RouterSender(order)


@asynccontextmanager
async def listening(path: Path, answer: Answer) -> AsyncIterator[asyncio.Queue[bytes]]:
    """A router that answers so to whatever it reads."""
    got: asyncio.Queue[bytes] = asyncio.Queue()
    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.add(task)
        try:
            while said := await reader.read(1 << 16):
                got.put_nowait(said)
                answer(writer)
        finally:
            writer.transport.abort()

    async with await asyncio.start_unix_server(serve, path):
        yield got
        # Of the client's end the server hears in the loop's next turns.
        if served:
            await asyncio.wait(served)


def takes(writer: asyncio.StreamWriter) -> None:
    writer.write(acknowledgement(chunk_of("n")))


def hangs_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


def says_nothing(_: asyncio.StreamWriter) -> None:
    return


async def test_what_is_acknowledged_is_taken_and_anything_else_is_not(tmp_path: Path) -> None:
    way = sender(tmp_path)
    with pytest.raises(Denied, match="router: FileNotFoundError"):
        await way.put(BATCH, "n")
    async with listening(tmp_path / SOCKET, takes) as got:
        assert await way.put(BATCH, "n") == ""
        await got.get()
        with pytest.raises(Denied, match="it acknowledged"):
            await way.put(BATCH, "another")
        way.close()
    (tmp_path / SOCKET).unlink(missing_ok=True)
    async with listening(tmp_path / SOCKET, hangs_up):
        with pytest.raises(Denied, match="IncompleteReadError"):
            await way.put(BATCH, "n")


async def test_a_router_that_reads_and_never_answers_is_not_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(router, "ANSWER_TIMEOUT_S", 0.2)
    way = sender(tmp_path)
    async with listening(tmp_path / SOCKET, says_nothing) as got:
        assert await way.put(BATCH, "n") == ""
        assert capsys.readouterr().err == "c: router acknowledges nothing\n"
        assert b"chunk" in await got.get()
        assert await way.put(BATCH, "m") == ""
        assert b"chunk" not in await got.get()
        way.close()


async def test_a_router_that_does_not_read_has_not_taken_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "ANSWER_TIMEOUT_S", 0.2)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / SOCKET))
        listener.listen()
        with pytest.raises(Denied, match="router takes nothing"):
            await sender(tmp_path).put(BATCH, "n")


async def test_one_that_acknowledges_nothing_by_its_nature_is_not_asked(tmp_path: Path) -> None:
    way = sender(tmp_path, acknowledges=False)
    async with listening(tmp_path / SOCKET, says_nothing) as got:
        assert await way.put(BATCH, "n") == ""
        assert b"chunk" not in await got.get()
        way.close()


async def test_nothing_is_sent_to_where_a_link_in_the_socket_s_place_leads(tmp_path: Path) -> None:
    inside = tmp_path / "firelens.d"
    inside.mkdir()
    async with listening(tmp_path / "another", takes) as got:
        (inside / SOCKET).symlink_to(tmp_path / "another")
        with pytest.raises(Denied, match=r"fluent\.sock is no socket"):
            await sender(inside).put(BATCH, "n")
        assert got.empty()
