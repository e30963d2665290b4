"""Tasks on disk are read again where something was written, and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hiyoko.plane.containers.directory import ContainerDirectory, Progress, TaskDirectory
from hiyoko.plane.containers.directory_watch import DirectoryWatch
from hiyoko.plane.containers.task_states import COMPARE_S, SETTLED_NS, TaskStates


def arn(number: int) -> str:
    return f"arn:aws:ecs:r:1:task/c/{number:032x}"


def make(top: Path, number: int) -> ContainerDirectory:
    """A task whose container has ended, written long ago."""
    directory = TaskDirectory(top / f"{number:032x}")
    directory.write(Progress(arn(number), pull_started_at=1.0, pull_stopped_at=2.0))
    container = directory.container(arn(number), "web")
    container.exit_file.parent.mkdir(parents=True)
    container.mark_started(3.0)
    container.exit_file.write_text("0")
    for path in (directory.path, container.path, container.exit_file.parent):
        age(path)
    return container


def age(path: Path) -> None:
    past = time.time_ns() - 10 * SETTLED_NS
    os.utime(path, ns=(past, past))


@pytest.mark.parametrize("count", [2, 50])
def test_one_tasks_change_is_one_reading_however_many_there_are(tmp_path: Path, count: int) -> None:
    containers = [make(tmp_path, number) for number in range(count)]
    states = TaskStates(tmp_path)
    states.observe(())
    assert (states.reads, states.compared) == (count, 0)
    states.observe(())
    assert (states.reads, states.compared) == (count, 0)
    containers[1].write_health("HEALTHY")
    seen = states.observe(())
    assert (states.reads, states.compared) == (count + 1, 0)
    assert seen[f"{1:032x}"].containers["web"].health == "HEALTHY"
    assert seen[f"{0:032x}"].containers["web"].health == "UNKNOWN"


def test_every_file_that_a_state_follows_from_is_seen_to_change(tmp_path: Path) -> None:
    container = make(tmp_path, 1)
    directory = TaskDirectory(container.path.parent)
    states = TaskStates(tmp_path)

    def look() -> object:
        for path in (directory.path, container.path, container.exit_file.parent):
            if time.time_ns() - path.stat().st_mtime_ns < SETTLED_NS:
                age_by_a_little(path)
        return states.observe(())[directory.path.name]

    def age_by_a_little(path: Path) -> None:
        """Later than before, and settled."""
        ages.append(ages[-1] + 1000)
        os.utime(path, ns=(ages[-1], ages[-1]))

    ages = [time.time_ns() - 5 * SETTLED_NS]
    before = look()
    writes: list[Callable[[], object]] = [
        lambda: container.write_health("UNHEALTHY"),
        lambda: container.exit_file.unlink(),
        lambda: container.exit_file.write_text("3"),
        lambda: container.begin_restart(),
        lambda: directory.write(replace(directory.read() or Progress(""), stopped=True)),
    ]
    for number, write in enumerate(writes):
        write()
        after = look()
        assert after != before, f"write {number} was not seen"
        assert after == TaskStates(tmp_path).observe(())[directory.path.name]
        before = after


def test_what_was_written_just_now_is_read_again(tmp_path: Path) -> None:
    container = make(tmp_path, 1)
    states = TaskStates(tmp_path)
    container.write_health("HEALTHY")  # its directory's time may yet be another write's too
    states.observe(())
    states.observe(())
    assert states.reads == 2


def test_a_monitor_that_has_ended_is_missed_though_nothing_was_written(tmp_path: Path) -> None:
    container = make(tmp_path, 1)
    container.exit_file.unlink()
    with subprocess.Popen(
        ["sh", "-c", "echo; read never", container.cid],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as one:
        assert one.stdout is not None
        one.stdout.readline()
        container.monitor_pid_file.write_text(str(one.pid))
        age(container.path)
        age(container.exit_file.parent)
        states = TaskStates(tmp_path)
        name = container.path.parent.name
        running = states.observe(())[name].containers["web"]
        assert (running.status, running.monitor) == ("RUNNING", one.pid)
        assert states.observe((one.pid,))[name].containers["web"] == running
        assert states.reads == 1
    assert states.observe(())[name].containers["web"].status == "STOPPED"


def test_a_task_that_comes_goes_or_is_made_anew_is_seen(tmp_path: Path) -> None:
    make(tmp_path, 1)
    states = TaskStates(tmp_path)
    (name,) = states.observe(())
    second = make(tmp_path, 2)
    assert states.observe(()).keys() == {name, f"{2:032x}"}
    shutil.rmtree(second.path.parent)
    assert states.observe(()).keys() == {name}
    second = make(tmp_path, 2)
    states.observe(())
    reads = states.reads
    second.write_health("HEALTHY")  # in a directory that has taken another's place
    seen = states.observe(())
    assert seen[f"{2:032x}"].containers["web"].health == "HEALTHY"
    assert (states.reads, states.compared) == (reads + 1, 0)


def test_times_tell_where_the_kernel_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may have used up what the kernel lets one watch (inotify(7))."""
    container = make(tmp_path, 1)
    states = TaskStates(tmp_path)
    monkeypatch.setattr(DirectoryWatch, "add", lambda self, path: False)
    states.observe(())
    states.observe(())
    assert (states.reads, states.compared) == (1, 1)
    container.write_health("HEALTHY")
    seen = states.observe(())
    assert seen[container.path.parent.name].containers["web"].health == "HEALTHY"


def test_times_are_compared_once_in_a_while_and_after_a_loss(tmp_path: Path) -> None:
    container = make(tmp_path, 1)
    at = [0.0]
    states = TaskStates(tmp_path, now=lambda: at[0])
    states.observe(())
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for _ in range(limit // 2 + 1):  # more than the kernel keeps: two each
        (container.path / "noise").touch()
        (container.path / "noise").unlink()
    age(container.path)
    states.observe(())
    assert states.compared == 1
    age(container.path)
    states.observe(())
    compared = states.compared
    at[0] += COMPARE_S
    states.observe(())
    assert states.compared == compared + 1
