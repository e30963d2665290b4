"""``pidMode: task``: one pid namespace for a task's containers, held open by an init of its own.

So no container's end is the end of the others, as it would be for the namespace's first process.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#task_definition_pidmode
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from hiyoko.plane.containers.bundle import INIT_PROGRAM
from hiyoko.plane.containers.directory import TaskDirectory
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import noted_pid, spawn_detached
from hiyoko.plane.user_namespaces import UserNamespace

READY_S = 5.0


async def shared_pids(directory: TaskDirectory, users: UserNamespace | None = None) -> str:
    """The path of the task's pid namespace, made if need be, in ``users``. Raises PlaneError."""
    holder = _holder(directory)
    if holder is None:
        inside = ("nsenter", f"--user={users.path}", "--") if users is not None else ()
        holder = await spawn_detached(
            *inside,
            *("unshare", "--pid", "--fork", "--kill-child", INIT_PROGRAM, "--"),
            *("sh", "-c", "exec sleep infinity", directory.path.name),
            log=directory.path / "pids.log",
        )
        _note(directory).write_text(str(holder))
    path = Path(f"/proc/{holder}/ns/pid_for_children")
    try:
        async with asyncio.timeout(READY_S):
            # The name leads nowhere before the namespace has its first process.
            while not path.exists():  # noqa: ASYNC110, ASYNC240
                await asyncio.sleep(0.002)
    except TimeoutError as error:
        raise PlaneError(f"no pid namespace for {directory.path.name}") from error
    return str(path)


def end_shared_pids(directory: TaskDirectory) -> None:
    """End whatever is left in the task's pid namespace."""
    holder = _holder(directory)
    if holder is not None:
        os.kill(holder, signal.SIGKILL)


def _note(directory: TaskDirectory) -> Path:
    return directory.path / "pids.pid"


def _holder(directory: TaskDirectory) -> int | None:
    return noted_pid(_note(directory), directory.path.name)
