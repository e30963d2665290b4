"""The other examples: deployed, checked, removed."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from typing import IO

from tests.e2e.conftest import Cloud

PUBLIC = "examples/1-public-task/site.yaml"
MANY = "examples/3-many-services/site.yaml"


def test_a_task_with_a_public_address_is_reached_by_it(cloud: Cloud) -> None:
    cloud.hiyoko("up", "--yes", PUBLIC)
    status = json.loads(cloud.hiyoko("status", "--json", PUBLIC))
    address = status["tasks"][0]["public_address"]
    code, page = cloud.curl(f"http://{address}/")
    assert code == 0
    assert "nginx" in page.lower()
    assert json.loads(cloud.hiyoko("check", "--json", PUBLIC))["ok"]
    follow_logs(cloud)
    assert "nothing is left" in cloud.hiyoko("down", "--yes", PUBLIC)


def follow_logs(cloud: Cloud) -> None:
    """A line is on the terminal a moment after it was written."""
    command = cloud.command("logs", "--follow", "--json", "--file", PUBLIC, "web")
    following = subprocess.Popen(
        command, env=cloud.environment(), stdout=subprocess.PIPE, text=True
    )
    assert following.stdout is not None
    lines: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()

    def read(output: IO[str]) -> None:
        for line in output:
            lines.put((time.time() * 1000, line))

    reader = threading.Thread(target=read, args=(following.stdout,))
    reader.start()
    address = json.loads(cloud.hiyoko("status", "--json", PUBLIC))["tasks"][0]["public_address"]
    latencies: list[float] = []
    try:
        lines.get(timeout=20)  # it follows
        for number in range(4):
            cloud.curl(f"http://{address}/follow-{number}")
            while True:
                came_ms, line = lines.get(timeout=20)
                event = json.loads(line)
                if f"/follow-{number}" in event["message"]:
                    latencies.append(came_ms - event["timestamp"])
                    break
    finally:
        following.kill()
        following.wait()
        reader.join()
        following.stdout.close()
    # Least of a few, because a machine that does other work is late now and then.
    assert min(latencies) < 500


def test_several_services_are_chosen_by_path_and_host(cloud: Cloud) -> None:
    cloud.hiyoko("up", "--yes", MANY)
    assert json.loads(cloud.hiyoko("check", "--json", MANY))["ok"]
    site = "https://many.my-project.jp"
    assert "nginx" in cloud.curl(f"{site}/")[1].lower()
    assert json.loads(cloud.curl(f"{site}/api/")[1]) == {"service": "api"}
    assert cloud.curl("https://admin.many.my-project.jp/")[0] == 0
    _, head = cloud.curl("https://www.many.my-project.jp/x?y=1", "-i")
    assert "301" in head.splitlines()[0]
    assert "location: https://many.my-project.jp:443/x?y=1" in head.lower()
    assert "nothing is left" in cloud.hiyoko("down", "--yes", MANY)
