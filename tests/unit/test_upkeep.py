"""The daemon's own log: bounded, and stderr stays in its newest file. And its small heap."""

from __future__ import annotations

import gc
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from hiyoko.upkeep import TLS_BUFFER_BYTES, share_methods

PROGRAM = """\
import logging, os, sys
from pathlib import Path
from hiyoko.upkeep import LogFile

logging.basicConfig(level="INFO", handlers=[LogFile(sys.argv[1], maxBytes=2000, backupCount=1)])
for number in range(100):
    logging.info("line %d of a log that grows and grows", number)
os.write(2, b"a last word on stderr")
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log written by a process whose stderr was appended to the same file, as launch does."""
    path = tmp_path / "daemon.log"
    with path.open("ab") as errors:
        subprocess.run([sys.executable, "-c", PROGRAM, str(path)], stderr=errors, check=True)
    return path


def test_the_log_is_bounded_to_two_files(log: Path) -> None:
    files = sorted(log.parent.iterdir())
    assert [file.name for file in files] == ["daemon.log", "daemon.log.1"]
    assert all(file.stat().st_size <= 2100 for file in files)


def test_stderr_follows_to_the_new_file(log: Path) -> None:
    assert log.read_text().endswith("a last word on stderr")


SAMPLE = """\
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    secret: str = field(default="s", repr=False)
    whole: "Part | None" = None


@dataclass(frozen=True, slots=True)
class Told:
    name: str

    def __repr__(self) -> str:
        return f"told {self.name}"


@dataclass(slots=True)
class Open:
    name: str
"""


@pytest.fixture
def sample() -> Iterator[dict[str, Any]]:
    """A module with frozen dataclasses, whose methods are shared."""
    module = types.ModuleType("hiyoko_sample.parts")
    sys.modules[module.__name__] = module
    exec(SAMPLE, vars(module))
    share_methods("hiyoko_sample")
    yield vars(module)
    gc.unfreeze()
    del sys.modules[module.__name__]


def test_shared_methods_do_what_each_classs_own_did(sample: dict[str, Any]) -> None:
    part = sample["Part"]("a", whole=sample["Part"]("b"))
    assert repr(part) == "Part(name='a', whole=Part(name='b', whole=None))"
    assert repr(sample["Told"]("a")) == "told a"
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        part.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del part.name
    assert part == replace(part)
    assert len({part, replace(part), replace(part, name="c")}) == 2
    opened = sample["Open"]("a")
    opened.name = "b"
    assert repr(opened) == "Open(name='b')"


def test_the_classes_that_slots_replaced_are_gone() -> None:
    # In a process of its own: what else a process has done may hold them.
    program = (
        f"{SAMPLE}\n"
        "from hiyoko.upkeep import share_methods\n"
        "share_methods(__name__)\n"
        "assert Part.__setattr__ is Told.__setattr__\n"
        "found = [one for one in object.__subclasses__() if one.__module__ == __name__]\n"
        "print(*sorted(one.__name__ for one in found))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().split() == ["Open", "Part", "Told"]


def test_a_tls_connection_holds_a_buffer_of_a_few_records() -> None:
    program = (
        "import asyncio, ssl, sys\n"
        "from asyncio.sslproto import SSLProtocol\n"
        "from hiyoko.upkeep import keep_tls_buffers_small\n"
        "keep_tls_buffers_small()\n"
        "async def main():\n"
        "    loop, context = asyncio.get_running_loop(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
        "    made = SSLProtocol(loop, asyncio.Protocol(), context, None, server_side=True)\n"
        "    print(len(made.get_buffer(-1)))\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) == TLS_BUFFER_BYTES
