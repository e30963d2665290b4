"""The keeper: pid 1 of the world. It prepares the mount namespace, reaps, and holds everything.

Started by :mod:`hiyoko.plane.world` inside fresh namespaces. Its imports are few on purpose: it
lives as long as the world and does nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x4000, 1 << 18, 2, 4
READY = b"ready\n"
HOLD = b"hold\n"

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2); raises OSError naming the target."""
    done = _libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode())
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind} on {target}: {os.strerror(number)}")


def prepare() -> None:
    """Make the mount namespace private, with a /run of its own, and bring the loopback up.

    ``ip netns`` keeps its handles in /run/netns: a private /run is what keeps them off the host.
    """
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.makedirs("/run/netns", exist_ok=True)  # noqa: PTH103 - pathlib is a heavy import here
    if os.spawnvp(os.P_WAIT, "ip", ["ip", "link", "set", "lo", "up"]) != 0:
        raise OSError("ip link set lo up failed: is iproute2 installed?")


def hold() -> None:
    """Reap orphans until told to end. The kernel ends every other process with us."""
    awaited = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    _reap()
    while signal.sigwait(awaited) == signal.SIGCHLD:
        _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def run_to_end(argv: list[str]) -> int:
    """Run one command in the world, reap whatever else ends, and return its exit status."""
    child = os.spawnvp(os.P_NOWAIT, argv[0], argv)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def main() -> int:
    """``keeper [CMD...]``: hold the world, or run a command in it and end with it."""
    prepare()
    if len(sys.argv) > 1:
        status = run_to_end(sys.argv[1:])
        return status if status >= 0 else 128 - status
    os.write(1, READY)
    # Whoever started us notes who we are and then says so; if it ended before, nobody would know
    # of this world, and so it ends too.
    if os.read(0, len(HOLD)) != HOLD:
        return 1
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 0)
    os.dup2(quiet, 1)
    hold()
    return 0


if __name__ == "__main__":
    sys.exit(main())
