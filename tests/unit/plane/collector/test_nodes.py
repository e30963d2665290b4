"""A node's pipe as the collector reads it."""

from __future__ import annotations

import os
from pathlib import Path

from hiyoko.plane.balancer.counting import Tally
from hiyoko.plane.balancer.log_context import FILE, LogContext
from hiyoko.plane.balancer.outcomes import Outcomes
from hiyoko.plane.balancer.pipe import make_pipe, write_line
from hiyoko.plane.collector.nodes import Node

CONTEXT = LogContext("app/web/1", "1", "r", "zone-a", "192.0.2.1", "10.0.0.1", {}, {})


def test_what_an_agent_tells_of_logins_is_counted_by_balancer_and_zone(tmp_path: Path) -> None:
    make_pipe(tmp_path)
    (tmp_path / FILE.format(CONTEXT.digest)).write_text(CONTEXT.text)
    node = Node.opened(tmp_path, 0.0)
    for name, value in (("Success", 1), ("Success", 1), ("Latency", 120), ("Latency", 80)):
        write_line(tmp_path, f"G ELBAuth{name} {value}\n".encode())
    write_line(tmp_path, b"G nonsense\n")
    tally = Tally()
    node.read()
    node.fold(tally, Outcomes(), 0.0)
    assert tally.values == {}, "nobody has said whose node this is"
    write_line(tmp_path, f"A {CONTEXT.digest} 80 200 -- b s 1 5 10 20|\n".encode())
    node.read()
    for _ in range(2):
        node.fold(tally, Outcomes(), 0.0)
    node.close()
    whole = (("LoadBalancer", "app/web/1"),)
    zone = (("AvailabilityZone", "zone-a"), *whole)
    found = {
        (metric.name, metric.unit, metric.dimensions): values
        for metric, values in tally.values.items()
        if metric.name.startswith("ELBAuth")
    }
    assert found == {
        (name, unit, place): values
        for name, unit, values in (
            ("ELBAuthSuccess", "Count", {1.0: 2}),
            ("ELBAuthLatency", "Milliseconds", {120.0: 1, 80.0: 1}),
        )
        for place in (whole, zone)
    }


def test_a_line_for_a_pipe_that_is_full_or_gone_is_lost(tmp_path: Path) -> None:
    write_line(tmp_path, b"nobody\n")
    make_pipe(tmp_path)
    held = os.open(tmp_path / "log.pipe", os.O_RDWR | os.O_NONBLOCK)
    for _ in range(100):
        write_line(tmp_path, b"x" * 1000 + b"\n")
    os.close(held)
