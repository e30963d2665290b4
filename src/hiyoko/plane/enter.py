"""Going into the world: a child process joins its namespaces and becomes a program there.

``python -m hiyoko.plane.enter INIT_PID [--detach] [--from PLACE]
[--trust FILE --resolver ADDRESS --scratch DIR] -- CMD...``

With ``--detach`` the program becomes a child of the world's init and its pid *as the host sees it*
is printed. Without it we wait and pass the exit status on, so a terminal works as usual.
``--trust`` and ``--resolver`` give the program the trust store and the resolver of a client on the
simulated internet, by mounts that only it can see: nothing in /etc changes. ``--from`` names the
place on earth where that client is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hiyoko.plane.keeper import MS_PRIVATE, MS_REC, mount

if TYPE_CHECKING:
    from hiyoko.blueprint.places import Place

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_BIND = 4096
NOT_ENTERED = 125
"""An exit status that is not the command's: as docker run and env(1) have it."""
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
)
TRUST_VARIABLES = (
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(done: int, what: str) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def join(init: int) -> None:
    """Join the namespaces of the world's init; the pid namespace takes effect for children.

    The user namespace comes first (user_namespaces(7)): it gives the right to join the others.
    """
    kinds = (
        ("user", CLONE_NEWUSER),
        ("net", CLONE_NEWNET),
        ("mnt", CLONE_NEWNS),
        ("pid", CLONE_NEWPID),
    )
    handles = []
    for name, kind in kinds:
        path = f"/proc/{init}/ns/{name}"
        if os.stat(path).st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:  # noqa: PTH116
            handles.append((name, os.open(path, os.O_RDONLY), kind))
    for name, handle, kind in handles:
        _checked(_libc.setns(handle, kind), f"join the world's {name} namespace")
        os.close(handle)
    os.setgid(0)
    os.setuid(0)


def become_client(trust: str, resolver: str, scratch: str) -> None:
    """Give this process a client's resolver and trust store, by mounts of its own.

    ``scratch`` is an existing directory for the small files that are mounted over.
    """
    _checked(_libc.unshare(CLONE_NEWNS), "unshare the mount namespace")
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    mount("tmpfs", scratch, "tmpfs", 0, "mode=755")
    resolv = f"{scratch}/resolv.conf"
    with open(resolv, "w") as file:  # noqa: PTH123
        file.write(f"nameserver {resolver}\n")
    # /etc/resolv.conf is often a link into /run, which is empty in the world.
    target = os.path.realpath("/etc/resolv.conf")
    if not os.path.exists(target):  # noqa: PTH110
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        with open(target, "w"):  # noqa: PTH123
            pass
    mount(resolv, target, "none", MS_BIND)
    for bundle in BUNDLES:
        if os.path.isfile(bundle):  # noqa: PTH113
            mount(trust, os.path.realpath(bundle), "none", MS_BIND)
    for name in TRUST_VARIABLES:
        os.environ[name] = trust


def _in_child(
    argv: Sequence[str], client: tuple[str, str, str] | None, place: Place | None = None
) -> None:
    """The forked child: become the program. Never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if place is not None:
            from hiyoko.plane.visitors import move_to

            move_to(place)
        if client is not None:
            become_client(*client)
        os.execvp(argv[0], list(argv))
    except FileNotFoundError:
        sys.stderr.write(f"hiyoko: {argv[0]}: command not found\n")
        os._exit(127)
    except OSError as error:
        sys.stderr.write(f"hiyoko: {argv[0]}: {error.strerror or error}\n")
        os._exit(126)


def run_inside(
    init: int,
    argv: Sequence[str],
    client: tuple[str, str, str] | None,
    place: Place | None = None,
) -> int:
    """Run a program in the world and return its exit status as a shell would."""
    cwd = os.getcwd()  # noqa: PTH109
    join(init)
    if os.path.isdir(cwd):  # noqa: PTH112
        os.chdir(cwd)
    child = os.fork()
    if child == 0:
        _in_child(argv, client, place)
    # The terminal sends its signals to the child as well: it decides, we only report.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def start_inside(init: int, argv: Sequence[str]) -> int:
    """Start a program in the world as a child of its init; its pid as the host sees it.

    An orphan goes to the init of its *parent's* pid namespace, and ours is the host's. So a child
    of ours starts it and ends: the world's end waits for nobody outside to reap what was in it.
    """
    import socket

    join(init)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    between = os.fork()
    if between == 0:
        if os.fork() == 0:
            theirs.send(b"started")
            os.setsid()
            os.dup2(2, 1)  # our stdout carries the pid and must close with us
            _in_child(argv, None)
        os._exit(0)
    os.waitpid(between, 0)
    theirs.close()
    # The kernel tells the sender's pid as it is called where we are (unix(7)): struct ucred.
    said, ancillary, _, _ = ours.recvmsg(16, socket.CMSG_SPACE(12))
    if not said:
        raise OSError("nothing was started")
    return int.from_bytes(ancillary[0][2][:4], sys.byteorder)


def main() -> int:
    """Parse the few options by hand: this runs before every ``hiyoko run``."""
    options, _, command = _split(sys.argv[1:])
    try:
        return _enter(int(options[0]), options, command)
    except OSError as error:
        # The world may end at any moment, and with it all that there is to enter.
        sys.stderr.write(f"hiyoko: cannot enter the world: {error}\n")
        return NOT_ENTERED


def _enter(init: int, options: list[str], command: list[str]) -> int:
    if "--detach" in options:
        print(start_inside(init, command))
        return 0
    client = None
    if "--trust" in options:
        client = (
            options[options.index("--trust") + 1],
            options[options.index("--resolver") + 1],
            options[options.index("--scratch") + 1],
        )
    place = None
    if "--from" in options:
        # Only here: everybody else shall not wait for these to be loaded.
        from hiyoko.blueprint.places import PLACES, find_place

        name = options[options.index("--from") + 1]
        place = find_place(name)
        if place is None:
            known = ", ".join(each.name for each in PLACES)
            sys.stderr.write(f"hiyoko: no place is named {name}; there are: {known}\n")
            return 2
    return run_inside(init, command, client, place)


def _split(argv: list[str]) -> tuple[list[str], str, list[str]]:
    at = argv.index("--")
    return argv[:at], "--", argv[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
