"""A log router's configuration, as Amazon ECS generates it.

https://github.com/aws-samples/amazon-ecs-firelens-under-the-hood has one of each kind.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.golden.golden import check_golden

from hiyoko.blueprint.tasks import LogOutput, LogRouter
from hiyoko.plane.containers.bundle import Identity
from hiyoko.plane.containers.firelens import NoOutput, configuration, make_places
from hiyoko.plane.user_namespaces import UserNamespace

FIELDS = (
    ("ecs_cluster", "c"),
    ("ecs_task_arn", "arn:aws:ecs:ap-northeast-1:123456789012:task/c/1"),
    ("ecs_task_definition", "app:1"),
)
FIREHOSE = (
    ("Name", "firehose"),
    ("delivery_stream", "mine"),
    ("exclude-pattern", "^quiet"),
    ("include-pattern", "loud$"),
)
ROUTER = LogRouter(
    kind="fluentbit",
    outputs=(LogOutput("app", FIREHOSE), LogOutput("side", (("include-pattern", "x"),))),
    fields=FIELDS,
    include="/extra.conf",
    memory_mib=51,
)
FLUENTD = replace(
    ROUTER, kind="fluentd", outputs=(LogOutput("app", (("@type", "s3"), *FIREHOSE[1:])),)
)


@pytest.mark.parametrize("router", [ROUTER, FLUENTD], ids=lambda router: router.kind)
def test_a_configuration_is_rendered_whole(router: LogRouter) -> None:
    check_golden(f"containers/{router.kind}.conf", configuration(router))


def test_what_nobody_asked_for_is_left_out() -> None:
    text = configuration(LogRouter("fluentbit", (LogOutput("app", ()),)))
    assert "record_modifier" not in text
    assert "@INCLUDE" not in text
    assert "Mem_Buf_Limit" not in text
    assert text.count("[OUTPUT]") == 1  # of the health check


@pytest.mark.parametrize("kind", ["fluentbit", "fluentd"])
def test_options_that_name_no_plugin_are_refused(kind: str) -> None:
    with pytest.raises(NoOutput, match=f"of container app .* configuration of type {kind}$"):
        configuration(LogRouter(kind, (LogOutput("app", (("host", "x"),)),)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_router_may_make_its_socket_and_only_read_its_configuration(tmp_path: Path) -> None:
    file, directory = make_places(ROUTER, tmp_path, tmp_path, Identity(1000, 1001), None)
    assert (file.path, file.read_only) == ("/fluent-bit/etc/fluent-bit.conf", True)
    assert file.source.read_text() == configuration(ROUTER)
    assert (directory.path, directory.read_only) == ("/var/run", False)
    status = directory.source.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1000, 1001, 0o755)
    make_places(ROUTER, tmp_path, tmp_path, Identity(1000, 1001), UserNamespace("eni", 1 << 16))
    status = directory.source.stat()
    assert (status.st_uid - 65_536, status.st_gid - 65_536) == (1000, 1001)
    assert file.source.stat().st_uid == 65_536
