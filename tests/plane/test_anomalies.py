"""Three real targets of which one fails its requests, though it passes its checks.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#automatic-target-weights
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bench.big_balancer import ADDRESS, ENI, FIRST, Rig, group_arn, rig

from hiyoko import api
from hiyoko.plane.balancer.servers import FULL_WEIGHT
from hiyoko.plane.collector.control import CollectorPlane
from hiyoko.plane.process import run
from hiyoko.reconcile.anomalies import AnomalyReconciler
from hiyoko.reconcile.balancers import BalancerReconciler
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.model import HealthCheck
from hiyoko.services.elbv2.seen import ANOMALIES_SEEN, AnomalySeen

GROUP = group_arn(0)
TARGETS = [str(FIRST + 256 + number) for number in range(3)]
FAILING = TARGETS[1]
STEP_S, WINDOW_S = 0.3, 2.0
"""AWS's step is five seconds."""
# One process is every target: what is asked of an address under /be/ is its status from then on.
PROGRAM = """
import asyncio
status = {}
async def serve(reader, writer):
    me = writer.get_extra_info("sockname")[0]
    try:
        while True:
            path = (await reader.readuntil(b"\\r\\n\\r\\n")).decode().split()[1]
            if path.startswith("/be/"):
                status[me] = path[4:]
            said = "200" if path == "/health" else status.get(me, "200")
            writer.write(f"HTTP/1.1 {said} X\\r\\nContent-Length: {len(me)}\\r\\n\\r\\n{me}"
                .encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", 9000)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass
class Cloud:
    """Each turn is taken by reconcilers that were made just now, as after the daemon's end."""

    rig: Rig
    collector: CollectorPlane

    async def turn(self) -> AnomalySeen | None:
        """What stands about the failing target."""
        await AnomalyReconciler(
            self.rig.store, self.collector, step_s=STEP_S, window_s=WINDOW_S
        ).activate()
        old = self.rig.reconciler
        new = BalancerReconciler(old.store, old.plane, old.settings)
        await replace(self.rig, reconciler=new).settle()
        with self.rig.store.reading() as tx:
            seen = ANOMALIES_SEEN.list(tx)
        assert {row.target_id for row in seen} <= {FAILING}
        return seen[0] if seen else None

    async def ask(self, count: int) -> Counter[str]:
        """How many of so many requests each target got."""
        out = await run("curl", "-s", "-w", "\n", f"http://{ADDRESS}:8080/?[1-{count}]", netns=ENI)
        return Counter(out.split())

    async def until(self, halved: int) -> AnomalySeen | None:
        """Ask and turn until the share is halved so many times."""
        async with asyncio.timeout(60):
            while True:
                await self.ask(200)
                seen = await self.turn()
                if (seen.halved if seen is not None else 0) == halved:
                    return seen

    async def weight(self) -> int:
        """What the failing target weighs in the node that runs."""
        servers = (await self.rig.reconciler.plane.observe())[ENI].servers
        [weight] = [seen.weight for key, seen in servers.items() if key[1] == f"{FAILING}:9000"]
        return weight

    def told(self) -> dict[str, str]:
        """What DescribeTargetHealth says of it."""
        asked = {"TargetGroupArn": GROUP, "Include": ["AnomalyDetection"]}
        answer = api.invoke(self.rig.store, "elbv2", "DescribeTargetHealth", asked)
        [found] = [
            one["AnomalyDetection"]
            for one in answer["TargetHealthDescriptions"]
            if one["Target"]["Id"] == FAILING
        ]
        return dict(found)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    collector = CollectorPlane.below(tmp_path)
    async with rig(tmp_path, groups=1, targets=3, program=PROGRAM) as made:
        with made.store.transaction() as tx:
            group = rows.get_target_group(tx, GROUP)
            attributes = {"load_balancing.algorithm.type": "weighted_random"}
            check = HealthCheck(path="/health")
            rows.TARGET_GROUPS.put(tx, replace(group, attributes=attributes, health_check=check))
        await made.settle()
        await made.until_healthy(3)
        await collector.start()
        try:
            yield Cloud(made, collector)
        finally:
            await collector.ask("end")


def set_mitigation(cloud: Cloud, value: str) -> None:
    given = [{"Key": "load_balancing.algorithm.anomaly_mitigation", "Value": value}]
    asked = {"TargetGroupArn": GROUP, "Attributes": given}
    api.invoke(cloud.rig.store, "elbv2", "ModifyTargetGroupAttributes", asked)


async def test_a_target_that_fails_is_sent_less_until_it_behaves(cloud: Cloud) -> None:
    shares = await cloud.ask(600)
    assert min(shares[target] for target in TARGETS) > 120
    assert await cloud.turn() is None
    assert cloud.told() == {"Result": "normal", "MitigationInEffect": "no"}

    await run("curl", "-s", f"http://{FAILING}:9000/be/500", netns=ENI)
    await cloud.ask(100)
    seen = await cloud.turn()
    assert seen is not None
    assert cloud.told() == {"Result": "anomalous", "MitigationInEffect": "no"}
    assert (await cloud.ask(300))[FAILING] > 50, "nobody has asked for less"

    pid = (await cloud.rig.reconciler.plane.observe())[ENI].pid
    set_mitigation(cloud, "on")
    await cloud.until(5)
    assert cloud.told() == {"Result": "anomalous", "MitigationInEffect": "yes"}
    assert (await cloud.ask(900))[FAILING] < 60
    # No new configuration, and what another reason reloads keeps the weights.
    assert (await cloud.rig.reconciler.plane.observe())[ENI].pid == pid
    assert await cloud.weight() == 1
    cloud.rig.change_rule(0)
    await cloud.turn()
    assert await cloud.weight() == 1

    await run("curl", "-s", f"http://{FAILING}:9000/be/200", netns=ENI)
    await cloud.until(4)
    assert cloud.told() == {"Result": "normal", "MitigationInEffect": "yes"}
    assert await cloud.until(0) is None
    assert await cloud.weight() == FULL_WEIGHT
    assert (await cloud.ask(600))[FAILING] > 120


async def test_a_target_that_refuses_connections_stands_out_too(cloud: Cloud) -> None:
    set_mitigation(cloud, "on")
    await cloud.rig.reconciler.activate()
    # It answers with RST; the check that would notice comes in half a minute.
    await run(
        *("nft", "-f", "-"),
        netns=ENI,
        stdin="table ip refuse { chain in { type filter hook input priority 0; "
        f"ip daddr {FAILING} tcp dport 9000 reject with tcp reset\n}}\n}}\n",
    )
    await cloud.until(1)
    assert cloud.told() == {"Result": "anomalous", "MitigationInEffect": "yes"}
