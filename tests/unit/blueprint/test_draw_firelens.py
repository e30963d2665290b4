"""What a log router and those whose output it routes are given."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from hiyoko.blueprint.draw_tasks import draw_task
from hiyoko.blueprint.tasks import Container, LogOutput, LogRouter, RoutedLog
from hiyoko.services.ecs import model

Order = tuple[tuple[str, str], ...]

LOG = model.LogConfiguration(
    "awsfirelens",
    (("Name", "http"), ("Host", "h"), ("log-driver-buffer-limit", "7")),
    (("Passwd", "/password"),),
)
APP = model.ContainerDefinition("app", "nginx", log=LOG, environment=(("FLUENT_HOST", "mine"),))
ROUTER = model.ContainerDefinition(
    "router",
    "fluent-bit",
    memory_reservation=50,
    secrets=(("OWN", "/own"),),
    firelens=model.FirelensConfiguration("fluentbit", (("config-file-value", "/extra.conf"),)),
)


ADDRESS = {"FLUENT_HOST": "127.0.0.1", "FLUENT_PORT": "24224"}
ROW = model.Task(
    "1", "ap-northeast-1", "arn:task/c/0123", "0123", "arn:cluster/c", "d", "app", "g", 1.0,
    "eni-1", "subnet-1", "vpc-1", "ap-northeast-1a", "10.0.1.5", "", "", "", "256", "512", (),
)  # fmt: skip


def draw(
    app: model.ContainerDefinition = APP, router: model.ContainerDefinition = ROUTER
) -> tuple[Container, Container]:
    definition = model.TaskDefinition(
        "1", "ap-northeast-1", "app", 3, "d", 0.0, "me", "256", "512", (app, router)
    )
    vpcs = {"vpc-1": IPv4Network("10.0.0.0/16")}
    task = draw_task(model.TaskView(ROW, definition), vpcs, {})
    assert task is not None
    first, second = task.containers
    return first, second


def test_a_routed_container_knows_its_router_and_waits_for_it() -> None:
    app, router = draw()
    assert app.log == RoutedLog("router", "app-firelens-0123", True, 7)
    assert app.depends_on == (("router", "START"),)
    assert dict(app.environment).items() >= ADDRESS.items()
    assert app.router is None
    assert not ADDRESS.keys() & dict(router.environment).keys()


def test_a_router_is_given_its_outputs_and_finds_their_secrets() -> None:
    _, router = draw()
    # The buffer is the driver's own; a secret is in the environment, and not in the configuration.
    options = (("Host", "h"), ("Name", "http"), ("Passwd", "${Passwd_0}"))
    assert router.router == LogRouter(
        kind="fluentbit",
        outputs=(LogOutput("app", options),),
        fields=(
            ("ecs_cluster", "c"),
            ("ecs_task_arn", "arn:task/c/0123"),
            ("ecs_task_definition", "app:3"),
        ),
        include="/extra.conf",
        memory_mib=50,
    )
    assert router.secrets == (("OWN", "/own"), ("Passwd_0", "/password"))


def test_fluentd_answers_nothing_and_names_variables_in_its_way() -> None:
    firelens = model.FirelensConfiguration("fluentd", (("enable-ecs-log-metadata", "false"),))
    app, router = draw(router=replace(ROUTER, firelens=firelens))
    assert isinstance(app.log, RoutedLog)
    assert not app.log.acknowledges
    assert router.router is not None
    assert dict(router.router.outputs[0].options)["Passwd"] == "\"#{ENV['Passwd_0']}\""
    assert router.router.fields == ()


@pytest.mark.parametrize(
    ("app", "router", "wanted"),
    [
        ((("router", "HEALTHY"),), (), (("router", "HEALTHY"),)),
        ((("other", "COMPLETE"),), (), (("other", "COMPLETE"), ("router", "START"))),
        ((), (("app", "START"),), ()),
    ],
)
def test_an_order_that_is_given_already_is_left_as_it_is(
    app: Order, router: Order, wanted: Order
) -> None:
    first, second = draw(replace(APP, depends_on=app), replace(ROUTER, depends_on=router))
    assert (first.depends_on, second.depends_on) == (wanted, router)
