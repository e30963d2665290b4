"""What runs keeps running, whatever dies around it: the lines of README's table of promises.

What a machine can lack is in ``test_6_scarcity.py``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from tests.e2e.clients import clients
from tests.e2e.conftest import until, world_init
from tests.e2e.stability import NAME, URL, Site, site, told, whole_before

from hiyoko.plane.process import parent_of

__all__ = ["site", "whole_before"]

DAEMON_KILLS = 20
Record = Callable[[str, object], None]


def another(site: Site, last: str) -> bool:
    """Whether another daemon than the last one was begun."""
    return str(site.daemon()) != last


# --- promise 1: kill -9 under load


def test_a_deploy_and_a_daemon_killed_twenty_times_fail_no_request(
    site: Site, record_property: Record
) -> None:
    """At random moments: half of them while it starts. The deployment gets through all the same."""
    dice = random.Random(20)
    with clients(site.cloud, URL) as crowd:
        before = {task["taskArn"] for task in site.tasks()}
        site.deploy()
        begun = time.monotonic()
        for _ in range(DAEMON_KILLS):
            last = str(site.daemon())
            start = subprocess.Popen(
                site.cloud.command("cloud", "start"),
                env=site.cloud.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            until(partial(another, site, last), 2)
            time.sleep(dice.uniform(0, 0.6))  # noqa: TID251 - any moment will do
            with suppress(ProcessLookupError):
                os.kill(site.daemon(), signal.SIGKILL)
            start.wait(240)
        site.cloud.hiyoko("cloud", "start")
        site.healed(120)
        recovered = crowd.all_served()
    print(told(crowd, begun, recovered))
    assert crowd.failed == []
    assert not before & {task["taskArn"] for task in site.tasks()}
    record_property("deploy and 20 kills of the daemon", told(crowd, begun, recovered))


def test_a_killed_node_fails_what_is_in_its_hands(site: Site, record_property: Record) -> None:
    """Its clients go to the other node at once, and come back."""
    with clients(site.cloud, URL) as crowd:
        nodes = site.nodes()
        begun = time.monotonic()
        site.kill(nodes[0], children=True)
        assert until(lambda: len(set(site.nodes()) - {nodes[0]}) == len(nodes), 30)
        over = crowd.all_served()
        assert until(site.whole, 60)
        recovered = crowd.all_served()
    # A connection has one request under way, and no more than all were at this node.
    assert len(crowd.failed) <= 64
    assert crowd.failed_after(over) == []
    record_property("killed node", told(crowd, begun, recovered))
    print(told(crowd, begun, recovered))


@pytest.mark.parametrize("file", ["container.pid", "conmon.pid"])
def test_a_killed_task_fails_what_it_is_given_until_it_is_missed(
    site: Site, record_property: Record, file: str
) -> None:
    """A load balancer of AWS's does not ask another target when one refuses: 502 until it knows."""
    with clients(site.cloud, URL) as crowd:
        task = site.tasks()[0]
        begun = time.monotonic()
        site.kill(site.pid(task, file))
        assert until(lambda: site.stopped(task["taskArn"]), 30)
        site.healed()
        recovered = crowd.all_served()
        crowd.all_served()
    assert len(crowd.failed) < crowd.answered / 10
    assert crowd.failed_after(recovered) == []
    record_property(f"killed {file}", told(crowd, begun, recovered))
    print(told(crowd, begun, recovered))


# --- promise 2: traffic without daemon and database


def test_without_daemon_and_database_all_goes_on_and_a_dead_task_is_seen_later(site: Site) -> None:
    """Requests, names and tasks' own traffic; then the daemon sees, reports and heals."""
    ec2, group = site.cloud.client("ec2"), site.physical("TaskSecurityGroup")
    ports = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    itself = {**ports, "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[itself])
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[itself])
    one, other = site.tasks()
    address = other["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    ask = ("curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", f"http://{address}/")
    assert until(lambda: site.as_task(one, *ask) == "200", 10)
    before = site.inside("dig", "+short", NAME)
    dead = site.pid(one, "container.pid")
    rows = sorted(site.cloud.state_dir.glob("hiyoko.db*"))
    aside = site.cloud.state_dir / "aside"
    site.kill_daemon()
    aside.mkdir()
    for row in rows:
        row.rename(aside / row.name)
    try:
        with clients(site.cloud, URL) as crowd:
            assert site.as_task(one, *ask) == "200"
            assert sorted(site.inside("dig", "+short", NAME).split()) == sorted(before.split())
            assert site.as_task(one, "dig", "+short", "@10.0.0.2", NAME).split()
            assert crowd.failed == []
            site.kill(dead)
            died = time.monotonic()
            # Nobody but HAProxy's own checks can know; the rest of the site goes on.
            crowd.all_served()
            assert crowd.all_served() > died
    finally:
        for row in rows:
            (aside / row.name).rename(row)
        aside.rmdir()
    assert {why for _, why in crowd.failed} <= {"502", "503"} | {
        why for _, why in crowd.failed if "IncompleteRead" in why
    }
    site.cloud.hiyoko("cloud", "start")
    seen = until(lambda: site.stopped(one["taskArn"]), 20)
    assert seen["stopCode"] == "EssentialContainerExited"
    assert seen["containers"][0]["exitCode"] == 137
    site.healed()
    events = [event["message"] for event in site.service()["events"]]
    assert any("has started 1 tasks" in message for message in events[:6]), events[:6]


# --- promise 3: power cut


def test_a_power_cut_gives_back_the_same_site(site: Site, record_property: Record) -> None:
    """Everything at once, in the middle of a deployment; ids, addresses, certificate stay."""

    def looks() -> tuple[object, ...]:
        acm = site.cloud.client("acm")
        arn = site.physical("Certificate")
        found = site.cloud.client("cloudformation").describe_stack_resources(StackName="hello-aws")
        resources = found["StackResources"]
        return (
            sorted((one["LogicalResourceId"], one["PhysicalResourceId"]) for one in resources),
            sorted(site.inside("dig", "+short", NAME).split()),
            acm.get_certificate(CertificateArn=arn)["Certificate"],
        )

    before = looks()
    site.deploy()
    os.kill(world_init(site.cloud), signal.SIGKILL)
    begun = time.monotonic()
    site.cloud.hiyoko("cloud", "start")

    def served() -> bool:
        return site.cloud.curl(URL, "-o", "/dev/null", "-w", "%{http_code}") == (0, "200")

    assert until(served, 60)
    took = time.monotonic() - begun
    assert looks() == before
    # So its end is the world's own, and a host whose init reaps nobody does not delay it.
    assert parent_of(site.daemon()) == world_init(site.cloud)
    site.healed(120)
    record_property("first answer after a power cut", f"{took:.1f} s")
    print(f"first answer {took:.1f} s after the power cut")
