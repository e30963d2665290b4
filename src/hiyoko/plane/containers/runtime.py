"""conmon and runc: a container made, started, signalled, deleted.

conmon (https://github.com/containers/conmon) forks itself away from us: it is a child of the
world's init, holds the container's output, and writes the exit code when it ends. So containers,
their logs and their ends survive the daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiyoko.plane.containers.directory import ContainerDirectory
from hiyoko.plane.containers.overlay import mount_overlay
from hiyoko.plane.error import PlaneError
from hiyoko.plane.log_driver.order import FILE_BYTES_MAX
from hiyoko.plane.process import run
from hiyoko.plane.user_namespaces import UserNamespace, unmount_all

CREATE_TIMEOUT_S = 30.0


class StartFailed(PlaneError):
    """The runtime could not make the container; the text is the runtime's."""


def program(name: str) -> str:
    """Where a program is. Raises PlaneError when it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise PlaneError(f"{name} is not installed")
    return found


@dataclass(frozen=True, slots=True)
class Runtime:
    """runc with its state under ``root``, which is worthless once the world has ended."""

    root: Path

    async def mount(
        self,
        container: ContainerDirectory,
        layers: list[Path],
        users: UserNamespace | None = None,
    ) -> None:
        """Mount the container's root: a writable layer over the image's, lowest layer last."""
        upper, work = container.writable / "upper", container.writable / "work"
        for directory in (container.bundle, upper, work, container.rootfs):
            directory.mkdir(parents=True, exist_ok=True)
        if users is not None and upper.stat().st_uid == 0:
            users.own(upper)
        if not container.rootfs.is_mount():
            await mount_overlay(layers, upper, work, container.rootfs, users)

    async def unmount(self, container: ContainerDirectory) -> None:
        """Take the container's root away, if it is mounted."""
        if container.rootfs.is_dir():
            unmount_all(container.rootfs)
            container.rootfs.rmdir()
        # Where it was mounted by a daemon of before.
        unmount_all(container.bundle / "rootfs")

    async def create(
        self, container: ContainerDirectory, *, interactive: bool = False, terminal: bool = False
    ) -> None:
        """Make the container, its process waiting at the door. Raises StartFailed.

        ``interactive``: its input stays open, though nobody writes to it. ``terminal``: the bundle
        wants one.
        """
        options = ("--stdin",) * interactive + ("--terminal",) * terminal
        self.root.mkdir(parents=True, exist_ok=True)
        container.exit_file.parent.mkdir(exist_ok=True)
        container.exit_file.unlink(missing_ok=True)
        (container.bundle / "oom").unlink(missing_ok=True)
        reader, writer = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(*self._conmon(container), *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                # conmon notes a kill for memory as a file "oom" in its working directory.
                cwd=container.bundle,
                pass_fds=(writer,),
                env={"PATH": os.environ.get("PATH", ""), "_OCI_SYNCPIPE": str(writer)},
            )
            os.close(writer)
            writer = -1
            answer = await _read_answer(reader)
            if not answer:
                assert process.stderr is not None
                said = (await process.stderr.read()).decode(errors="replace").strip()
                raise StartFailed(f"conmon said nothing of {container.name}: {said}")
            await process.wait()
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)
        if int(answer.get("data", answer.get("pid", -1))) < 0:
            raise StartFailed(_reason(str(answer.get("message", ""))))

    def _conmon(self, container: ContainerDirectory) -> list[str]:
        runc = program("runc")
        return [
            *(program("conmon"), "--api-version", "1", "--cid", container.cid),
            *("--cuuid", container.cid, "--name", container.name),
            *("--bundle", str(container.bundle), "--runtime", runc),
            *("--runtime-arg", f"--root={self.root}"),
            *("--exit-dir", str(container.exit_file.parent)),
            *("--log-path", f"k8s-file:{container.log}", "--log-level", "error"),
            *("--log-size-max", str(FILE_BYTES_MAX)),
            *("--container-pidfile", str(container.pid_file)),
            *("--conmon-pidfile", str(container.monitor_pid_file), "--full-attach"),
        ]

    async def start(self, container: ContainerDirectory) -> None:
        """Let the container's process go. Raises StartFailed."""
        try:
            await self._runc("start", container.cid)
        except PlaneError as error:
            raise StartFailed(_reason(str(error))) from error

    async def kill(self, container: ContainerDirectory, signal: str) -> None:
        """Send a signal to the container's init; nothing happens when it has just ended."""
        try:
            await self._runc("kill", container.cid, signal)
        except PlaneError:
            if container.monitor() is not None and not container.exit_file.exists():
                raise

    async def delete(self, container: ContainerDirectory) -> None:
        """Remove what is left of the container: its state, and any process still in it."""
        if (self.root / container.cid).exists():
            await self._runc("delete", "--force", container.cid)

    async def exec(
        self, container: ContainerDirectory, argv: tuple[str, ...], timeout_s: float
    ) -> bool:
        """Run a command in the container; whether it ended with 0 in time."""
        pid_file = container.path / "check.pid"
        pid_file.unlink(missing_ok=True)
        command = ("exec", "--pid-file", str(pid_file), container.cid, *argv)
        try:
            await self._runc(*command, timeout_s=timeout_s)
        except PlaneError:
            _end_leftover(pid_file, container.pid_file)
            return False
        return True

    async def _runc(self, *arguments: str, timeout_s: float = CREATE_TIMEOUT_S) -> str:
        return await run(program("runc"), f"--root={self.root}", *arguments, timeout_s=timeout_s)


def _end_leftover(pid_file: Path, init_file: Path) -> None:
    """End a command that outlived runc, which was ended for taking too long.

    Only when it is in the container's own pid namespace: the number may be another's by now.
    """
    try:
        pid, init = int(pid_file.read_text()), int(init_file.read_text())
        if Path(f"/proc/{pid}/ns/pid").readlink() == Path(f"/proc/{init}/ns/pid").readlink():
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        # It has ended, as it should.
        return


async def _read_answer(reader: int) -> dict[str, Any]:
    """conmon's word on the new container: one line of JSON with a pid, or -1 and the reason."""
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(os.dup(reader), "rb")
    )
    try:
        async with asyncio.timeout(CREATE_TIMEOUT_S):
            line = await stream.readline()
    except TimeoutError as error:
        raise StartFailed(f"conmon said nothing within {CREATE_TIMEOUT_S:g} s") from error
    finally:
        transport.close()
    if not line:
        return {}
    answer: dict[str, Any] = json.loads(line)
    return answer


def _reason(message: str) -> str:
    """runc's last words without its log decoration."""
    text = message.strip().splitlines()[-1] if message.strip() else "no reason was given"
    _, found, rest = text.partition("runc create failed: ")
    text = rest if found else text
    if 'msg="' in message:
        text = text.partition('msg="')[2] or text
        text = text.removesuffix('"')
    return text.replace('\\"', '"').rstrip()
