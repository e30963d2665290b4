"""A machine that lacks something, or whose clock jumps: no request fails, and work is made good."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import botocore.exceptions
import pytest
from tests.e2e.clients import clients
from tests.e2e.conftest import fill, until
from tests.e2e.stability import URL, Site, site, whole_before

__all__ = ["site", "whole_before"]

PIDS = Path("/sys/fs/cgroup/pids")
CLOCK = Path(__file__).with_name("movable_clock")
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and control groups need root")


def refusing(site: Site) -> str:
    """What the cloud's status says, once something in it is refused."""
    said = site.cloud.hiyoko("cloud", "status")
    return said if "refused" in said else ""


def out_of_space(site: Site) -> Callable[[], None]:
    return fill(site.disk).unlink


def out_of_inodes(site: Site) -> Callable[[], None]:
    place = site.disk / "many"
    place.mkdir()
    number = 0
    with suppress(OSError):
        while True:
            (place / str(number)).touch()
            number += 1

    def end() -> None:
        for path in place.iterdir():
            path.unlink()
        place.rmdir()

    return end


@ROOT_ONLY
@pytest.mark.parametrize(
    ("lack", "says"), [(out_of_space, "is full"), (out_of_inodes, "is out of inodes")]
)
def test_a_full_disk_costs_no_request_and_heals_when_there_is_room(
    site: Site, lack: Callable[[Site], Callable[[], None]], says: str
) -> None:
    with clients(site.cloud, URL) as crowd:
        end = lack(site)
        site.deploy()  # cannot get through: its tasks need files
        task = site.tasks()[0]
        crowd.all_served()
        status = until(lambda: refusing(site), 30)
        assert "No space left on device" in status
        assert "make room" in status
        crowd.all_served()
        site.kill_daemon()
        start = site.cloud.run("cloud", "start")
        assert start.returncode == 1
        assert says in start.stderr
        end()
        site.cloud.hiyoko("cloud", "start")
        site.healed(120)
        crowd.all_served()
    assert crowd.failed == []
    assert task["taskArn"] not in {one["taskArn"] for one in site.tasks()}


@ROOT_ONLY
@pytest.mark.skipif(not PIDS.is_dir(), reason="no control group for the number of processes")
def test_without_new_processes_traffic_goes_on_and_work_waits(site: Site) -> None:
    """The daemon may start none: what it is asked for is refused or waits, and is made good."""
    group = PIDS / f"hiyoko-test-{site.cloud.api_port}"
    group.mkdir()
    try:
        with clients(site.cloud, URL) as crowd:
            (group / "cgroup.procs").write_text(str(site.daemon()))
            (group / "pids.max").write_text("0")
            refused = site.cloud.client("sqs", retries=0)
            with pytest.raises(botocore.exceptions.ClientError) as error:
                refused.create_queue(QueueName="one")
            assert error.value.response["Error"]["Code"] == "ServiceUnavailable"
            assert "no more processes" in error.value.response["Error"]["Message"]
            site.deploy()
            assert until(lambda: refusing(site), 30)
            crowd.all_served()
            (group / "pids.max").write_text("max")
            site.healed(120)
            crowd.all_served()
        assert crowd.failed == []
        assert refused.create_queue(QueueName="one")["QueueUrl"]
    finally:
        (group / "pids.max").write_text("max")
        for pid in (group / "cgroup.procs").read_text().split():
            (PIDS / "cgroup.procs").write_text(pid)
        group.rmdir()


def test_a_clock_that_jumps_back_an_hour_delays_nothing(site: Site, tmp_path: Path) -> None:
    """A deployment and a healed task take what they always take, also in the next daemon."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    movable = {
        "MOVABLE_CLOCK": str(offset),
        "PYTHONPATH": os.pathsep.join((str(CLOCK), os.environ.get("PYTHONPATH", ""))),
    }
    site.kill_daemon()
    site.cloud.hiyoko("cloud", "start", env=movable)
    site.healed()
    before = {task["taskArn"] for task in site.tasks()}
    site.deploy()
    assert until(lambda: {task["taskArn"] for task in site.tasks()} - before, 20)
    offset.write_text("-3600")
    site.healed(60)
    after = site.tasks()
    assert not before & {task["taskArn"] for task in after}
    assert all(task["startedAt"] >= task["createdAt"] for task in after)
    # The next one begins an hour before all that it finds written.
    site.kill_daemon()
    site.cloud.hiyoko("cloud", "start", env=movable)
    site.kill(site.pid(after[0], "container.pid"))
    assert until(lambda: site.stopped(after[0]["taskArn"]), 20)
    site.healed(60)
    site.kill_daemon()
