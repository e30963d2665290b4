"""Which steps make the observed nodes the wished ones."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

from hiyoko.blueprint.balancers import BalancerNode
from hiyoko.plane.balancer.master import CONFIG, PID_FILE
from hiyoko.plane.balancer.nodes import (
    BalancerPlane,
    ChangeServers,
    ReloadNode,
    StartNode,
    StopNode,
    steps,
)
from hiyoko.plane.balancer.observe import NodeObserved
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.render import digest_of, render_haproxy, written_digest

NODE = BalancerNode("lb", "web", "eni-1", "s", "a", IPv4Address("10.0.0.1"), (), ())
TEXT = render_haproxy(NODE, Paths())


def observed(digest: str, written: str = "") -> NodeObserved:
    return NodeObserved(1, digest, (), {}, written)


def test_a_missing_node_is_started_and_a_stray_one_stopped_last() -> None:
    found = steps({"eni-1": (NODE, TEXT)}, {"eni-0": observed("x")})
    assert found == [StartNode(NODE, TEXT), StopNode("eni-0")]


def test_another_configuration_is_a_reload_and_the_same_one_is_nothing() -> None:
    wished = {"eni-1": (NODE, TEXT)}
    assert steps(wished, {"eni-1": observed("old")}) == [ReloadNode(NODE, TEXT)]
    assert steps(wished, {"eni-1": observed(digest_of(TEXT), written_digest(TEXT))}) == []


def test_a_file_that_a_restart_would_read_is_brought_up_to_date_without_a_reload() -> None:
    found = steps({"eni-1": (NODE, TEXT)}, {"eni-1": observed(digest_of(TEXT), "old")})
    assert found == [ChangeServers(NODE, TEXT, ())]
    assert str(found[0]) == "balancer web on eni-1: write the configuration"


def test_steps_are_shown_in_words() -> None:
    assert str(StartNode(NODE, TEXT)) == "start balancer web on eni-1"
    assert str(ReloadNode(NODE, TEXT)) == "reload balancer web on eni-1"
    assert str(StopNode("eni-1")) == "stop balancer on eni-1"


def test_a_master_without_a_pid_file_is_found_before_a_second_one_is_started(
    tmp_path: Path,
) -> None:
    """A daemon that is killed right after a start leaves it loading its configuration."""
    wait = "import sys; sys.stdin.read()"
    argv = ["haproxy", "-c", wait, "-f", str(tmp_path / CONFIG)]
    other = ["haproxy", "-c", wait, "-f", str(tmp_path / "other" / CONFIG)]
    plane = BalancerPlane(tmp_path.parent)
    with (
        subprocess.Popen(other, executable=sys.executable, stdin=subprocess.PIPE) as stranger,
        subprocess.Popen(argv, executable=sys.executable, stdin=subprocess.PIPE) as master,
    ):
        try:
            seen = asyncio.run(plane.observe())
            assert seen[tmp_path.name].pid == master.pid
            (tmp_path / PID_FILE).write_text(str(stranger.pid))  # the number was another's before
            assert asyncio.run(plane.observe())[tmp_path.name].pid == master.pid
        finally:
            master.kill()
            stranger.kill()
    assert tmp_path.name not in asyncio.run(plane.observe())
