"""The porter's socket: a JSON line asks for an image, JSON lines answer.

``{"build": "nginx"}`` or ``{"fetch": "docker.io/library/redis", "reference": "7"}`` is answered by
any number of ``{"progress": "…"}`` and then one ``{"digest": …, "media_type": …, "size": …}`` or
``{"error": "…"}``. Imports are few on purpose: the process lives as long as the world and almost
never does anything; building and fetching are other processes.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable

SOCKET_NAME = "porter.sock"

_locks: dict[str, threading.Lock] = defaultdict(threading.Lock)


def _serve(connection: socket.socket, state_dir: str) -> None:
    """Answer one client; it may go away at any time, the build goes on."""
    with connection, connection.makefile("rwb") as stream:
        try:
            asked = json.loads(stream.readline(4096))
            words = [str(asked[key]) for key in ("build", "fetch", "reference") if key in asked]
            program = "fetch" if "fetch" in asked else "build"
        except (ValueError, TypeError):
            return
        if len(words) != (2 if program == "fetch" else 1):
            return
        # One at a time per image: who comes second waits, and then finds it done.
        with _locks[" ".join(words)]:
            _bring(program, words, state_dir, stream.write, stream.flush)


def _bring(
    program: str,
    words: list[str],
    state_dir: str,
    write: Callable[[bytes], object],
    flush: Callable[[], object],
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", f"hiyoko.porter.{program}", "--state-dir", state_dir, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    listening, last = True, b""
    with process.stdout:
        for line in process.stdout:
            last = line
            if listening:
                listening = _tell(line, write, flush)
    if process.wait() != 0 and b'"error"' not in last:
        said = f"{program} {words[0]} ended with exit status {process.returncode}"
        _tell(json.dumps({"error": said}).encode() + b"\n", write, flush)


def _tell(line: bytes, write: Callable[[bytes], object], flush: Callable[[], object]) -> bool:
    """Pass a line on; False when nobody listens any more."""
    try:
        write(line)
        flush()
    except OSError:
        return False
    return True


def listen(run_dir: str) -> socket.socket:
    """The socket, for our own user only, by a relative name: paths may be 108 bytes at most.

    It gets its name once it listens, so whoever sees it is answered.
    """
    os.makedirs(run_dir, mode=0o700, exist_ok=True)  # noqa: PTH103 - pathlib is a heavy import
    os.chdir(run_dir)
    unnamed = f"{SOCKET_NAME}.new"
    if os.path.exists(unnamed):  # noqa: PTH110
        os.unlink(unnamed)  # noqa: PTH108
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o077)
    try:
        listener.bind(unnamed)
    finally:
        os.umask(mask)
    listener.listen(16)
    os.replace(unnamed, SOCKET_NAME)  # noqa: PTH105
    return listener


def serve(state_dir: str, keeper: int) -> None:
    """Answer until the keeper ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _serve_all(state_dir, keeper)
    finally:
        _end_all()


def _end_all() -> None:
    """End what we have begun: ``launch`` made us the leader of a process group for that."""
    if os.getpgrp() == os.getpid():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)


def _serve_all(state_dir: str, keeper: int) -> None:
    watch = os.pidfd_open(keeper)
    with listen(os.path.join(state_dir, "run")) as listener:  # noqa: PTH118
        while True:
            ready, _, _ = select.select([listener.fileno(), watch], [], [])
            if watch in ready:
                return
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, state_dir), daemon=True).start()


def main() -> None:
    """Options by hand: argparse would cost a megabyte."""
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    try:
        state_dir, keeper = options["--state-dir"], int(options["--keeper-pid"])
    except (KeyError, ValueError):
        sys.exit("usage: python -m hiyoko.porter --state-dir DIR --keeper-pid PID")
    serve(os.path.abspath(state_dir), keeper)  # noqa: PTH100
