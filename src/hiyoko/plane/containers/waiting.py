"""What the world does to a container that is made and waits to be started.

The runtime works in the task's user namespace by then, so what is not that namespace's to give is
given from here.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from hiyoko.blueprint.tasks import Container
from hiyoko.plane.containers.bundle import of_network
from hiyoko.plane.containers.directory import ContainerDirectory
from hiyoko.plane.containers.runtime import StartFailed
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run
from hiyoko.plane.user_namespaces import UserNamespace

logger = logging.getLogger(__name__)


def give_pipes(files: ContainerDirectory, users: UserNamespace, uid: int) -> None:
    """Give the container's user its input and output, which conmon made: so /dev/stdout opens."""
    pid = int(files.pid_file.read_text())
    for number in range(3):
        path = Path(f"/proc/{pid}/fd/{number}")
        if path.is_fifo():
            os.chown(path, users.first + uid, users.first)


async def set_controls(
    files: ContainerDirectory, container: Container, users: UserNamespace | None
) -> None:
    """Set what is of the container's IPC namespace. Raises StartFailed.

    Since Linux 6.9 that is its own root's to do, on kernels before it is the world's.
    """
    wanted = [
        f"{name}={value}" for name, value in container.system_controls if not of_network(name)
    ]
    if not wanted:
        return
    place = f"--ipc=/proc/{int(files.pid_file.read_text())}/ns/ipc"
    command = (place, "--", "sysctl", "-qw", *wanted)
    if users is not None:
        try:
            await run("nsenter", f"--user={users.path}", *command)
        except PlaneError as refused:
            logger.info("%s", refused)
        else:
            return
    try:
        await run("nsenter", *command)
    except PlaneError as error:
        raise StartFailed(str(error)) from error
