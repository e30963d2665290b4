"""Every fault in a site.yaml names line, field and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiyoko.site.load import SiteError, load_site, parse_site
from hiyoko.site.starter import STARTER

HEAD = "name: a\ndomain: www.example.com\nzone: example.com\n"
WEB = "services:\n  web:\n    image: nginx\n"


def fault(text: str) -> str:
    with pytest.raises(SiteError) as caught:
        parse_site(text, "site.yaml")
    return str(caught.value)


def test_the_starter_is_a_valid_site() -> None:
    site = parse_site(STARTER, "site.yaml")
    assert site.domain == "www.example.com"
    assert site.services["web"].deploy.replicas == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            HEAD + "servises: {}\n" + WEB,
            "site.yaml:4:1: servises: unknown key; did you mean services?",
        ),
        (HEAD + WEB + "    prot: 1\n", "site.yaml:7:5: services.web.prot: unknown key"),
        (HEAD + WEB + "    build: .\n", "write image (an image to run) or build"),
        ("name: a\ndomain: http://x.com\n" + WEB, "site.yaml:2:1: domain: 'http://x.com' is a URL"),
        ("name: a\ndomain: -x-\n" + WEB, "is no domain name"),
        ("name: a\ndomain: x.com\nzone: y.com\n" + WEB, "x.com is not in the zone y.com"),
        (HEAD + WEB + "    expose: 70000\n", "services.web.expose"),
        (HEAD + WEB + "    deploy: {cpu: 300}\n", "cpu 300 is none of 256, 512"),
        (HEAD + WEB + "    deploy: {memory: 700}\n", "Fargate offers 512, 1024, 2048"),
        (HEAD + WEB + "    deploy: {scale: {max: 4}}\n", "give a target: cpu, requests or both"),
        (HEAD + WEB + "    deploy: {scale: {min: 5, max: 4, cpu: 50}}\n", "min (5) must not be"),
        (HEAD + WEB + "    deploy: {scale: {max: 4, cpus: 50}}\n", "did you mean cpu?"),
        (
            HEAD + WEB + "    deploy: {replicas: 2, scale: {max: 4, cpu: 50}}\n",
            "replicas and scale both say how many tasks",
        ),
        (
            "name: a\n" + WEB + "    deploy: {scale: {max: 4, requests: 50}}\n",
            "services.web: deploy.scale.requests needs a domain",
        ),
        (HEAD + "services: {}\n", "services"),
        (HEAD + "services:\n  web: {}\n", "services.web: write image"),
        (HEAD + WEB + "egress: [443/xyz]\n", "egress.0"),
        (HEAD + WEB + "egress: [{port: 0}]\n", "site.yaml:7:11: egress.0.port: Input should"),
        (HEAD + WEB + "egress: none\n", "site.yaml:7:1: egress: 'none' is neither a list"),
        (HEAD + WEB + "egress: endpoints\n", "reach no registry but ECR in ap-northeast-1"),
        ("name: a\n" + WEB + "egress: endpoints\n", "egress: endpoints needs a domain"),
        (HEAD + WEB + "  api:\n    image: b\n", "services web and api both answer"),
        ("name: a\nname: b\n" + WEB, "'name' is written twice"),
        ("- 1\n", "a site is a mapping"),
        ("a: b: c\n", "site.yaml:1:5: not well-formed YAML"),
        ("name: a\nredirects: [www.x.com]\n" + WEB, "redirects needs a domain"),
    ],
)
def test_a_fault_is_named_with_its_place_and_remedy(text: str, wanted: str) -> None:
    assert wanted in fault(text)


def test_all_faults_are_told_at_once() -> None:
    assert len(fault("name: a\nfoo: 1\nbar: 2\n" + WEB).splitlines()) == 2


def test_a_missing_file_points_to_init(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="hiyoko init"):
        load_site(tmp_path / "site.yaml")


def test_the_name_comes_from_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "2-my site"
    folder.mkdir()
    (folder / "site.yaml").write_text(WEB)
    assert load_site(folder / "site.yaml").name == "site-2-my-site"


def test_egress_is_443_only_unless_said() -> None:
    site = parse_site("name: a\n" + WEB, "x")
    assert isinstance(site.egress, list)
    assert [(e.port, e.protocol, e.to) for e in site.egress] == [(443, "tcp", "0.0.0.0/0")]
    wide = parse_site(
        "name: a\n" + WEB + "egress: [443, 53/udp, {port: 25, to: 192.0.2.0/24}]\n", "x"
    )
    assert isinstance(wide.egress, list)
    assert [(e.port, e.protocol) for e in wide.egress] == [(443, "tcp"), (53, "udp"), (25, "tcp")]
