"""A site and what its APIs say of it, for the tests of what is shown."""

from __future__ import annotations

from hiyoko.cli.view import (
    GroupView,
    ListenerView,
    RuleView,
    ServiceView,
    SiteView,
    TargetView,
    TaskView,
)
from hiyoko.site.load import parse_site
from hiyoko.site.model import Site

GROUP = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:targetgroup/web/1"


def site(domain: bool = True) -> Site:
    names = "domain: www.example.com\nzone: example.com\n" if domain else ""
    return parse_site(f"name: shop\n{names}services:\n  web:\n    image: nginx\n", "site.yaml")


def view(*targets: TargetView, condition: str = "path /api/*") -> SiteView:
    group = GroupView(GROUP, "web", 80, targets)
    return SiteView(
        "CREATE_COMPLETE",
        balancer="arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:loadbalancer/app/b/1",
        balancer_state="active",
        balancer_dns="b-1.ap-northeast-1.elb.amazonaws.com",
        listeners=(
            ListenerView("HTTP", 80, (RuleView("default", "everything else", "301", ()),)),
            ListenerView(
                "HTTPS",
                443,
                (
                    RuleView("1", condition, "forward", (GROUP,)),
                    RuleView("default", "everything else", "answer 404", ()),
                ),
            ),
        ),
        groups={GROUP: group},
        services=(ServiceView("web", 1, 1, 0, "COMPLETED", ""),),
        tasks=(TaskView("arn:task/1", "web", "RUNNING", "10.0.8.4", "", ""),),
    )


def target(state: str = "healthy", reason: str = "", address: str = "10.0.8.4") -> TargetView:
    return TargetView(address, 80, "ap-northeast-1a", state, reason)


def bare(*tasks: TaskView) -> SiteView:
    return SiteView("CREATE_COMPLETE", tasks=tasks)
