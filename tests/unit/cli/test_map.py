"""The resource map, as text and as SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from tests.unit.cli.views import bare, site, target, view

from hiyoko.cli.map import lines
from hiyoko.cli.svg import TITLE_MAX, draw
from hiyoko.cli.view import TaskView

SVG = "{http://www.w3.org/2000/svg}"


def test_the_map_is_a_tree_from_the_name_to_the_targets() -> None:
    shown = view(target(), target("unhealthy", "Request timed out", "10.0.9.4"))
    assert list(lines(site(), shown)) == [
        "www.example.com  →  b-1.ap-northeast-1.elb.amazonaws.com  (active)",
        "├─ HTTP:80",
        "│  └─ default: everything else → 301",
        "└─ HTTPS:443",
        "   ├─ 1: path /api/* → forward",
        "   │  └─ web (port 80)",
        "   │     ├─ ● 10.0.8.4:80  ap-northeast-1a  healthy",
        "   │     └─ ✖ 10.0.9.4:80  ap-northeast-1a  unhealthy  Request timed out",
        "   └─ default: everything else → answer 404",
    ]


def test_a_group_without_targets_says_so() -> None:
    assert "   │     └─ no target is registered" in list(lines(site(), view()))


def test_a_state_that_we_do_not_know_is_shown_with_a_question_mark() -> None:
    assert any("? 10.0.8.4:80" in line for line in lines(site(), view(target("new-state"))))


def test_without_a_balancer_the_map_shows_tasks_and_their_public_addresses() -> None:
    public = TaskView("arn:1", "web", "RUNNING", "10.0.0.4", "198.19.0.1", "")
    private = TaskView("arn:2", "web", "PENDING", "10.0.1.4", "", "")
    assert list(lines(site(domain=False), bare(public, private)))[1:] == [
        "└─ web  RUNNING  198.19.0.1",
        "└─ web  PENDING  10.0.1.4",
    ]


def _texts(document: str) -> list[str]:
    root = ElementTree.fromstring(document)
    return ["".join(each.itertext()) for each in root.iter() if each.tag == f"{SVG}text"]


def test_the_drawing_is_well_formed_and_shows_every_tile() -> None:
    texts = _texts(draw(site(), view(target())))
    for wanted in (
        *("Name", "Listeners", "Rules", "Target groups", "Targets"),
        *("www.example.com", "HTTPS:443", "2 rules", "1: path /api/*", "port 80, 1 of 1 healthy"),
        "10.0.8.4:80",
    ):
        assert wanted in texts


@pytest.mark.parametrize("text", ["a<b", "a&b", 'a"b', "a]]>b", "</svg>"])
def test_the_drawing_escapes_what_users_write(text: str) -> None:
    document = draw(site(), view(target(reason=text), condition=text))
    assert f"1: {text}" in _texts(document)


def test_long_text_is_cut_on_the_tile_and_whole_in_its_title() -> None:
    condition = "host " + " or ".join(f"name-{n}.example.com" for n in range(9))
    document = draw(site(), view(condition=condition))
    titles = [each.text or "" for each in ElementTree.fromstring(document).iter(f"{SVG}title")]
    assert any(condition in title for title in titles)
    assert any(text.endswith("…") and len(text) == TITLE_MAX for text in _texts(document))


def test_lines_join_tiles_and_leave_no_tile_out() -> None:
    document = draw(site(), view(target(), target("draining", "", "10.0.9.4")))
    root = ElementTree.fromstring(document)
    edges = list(root.iter(f"{SVG}path"))
    tiles = list(root.iter(f"{SVG}g"))
    assert len(tiles) == 1 + 2 + 3 + 1 + 2
    assert len(edges) == len(tiles) - 1


def test_everything_lies_inside_the_drawing() -> None:
    document = draw(site(), view(*(target(address=f"10.0.8.{n}") for n in range(4, 24))))
    root = ElementTree.fromstring(document)
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    for tile in root.iter(f"{SVG}rect"):
        if tile.get("class") == "tile":
            x, y = int(tile.attrib["x"]), int(tile.attrib["y"])
            assert 0 <= x <= width - int(tile.attrib["width"])
            assert 0 <= y <= height - int(tile.attrib["height"])


def test_a_site_without_a_balancer_is_drawn_too() -> None:
    task = TaskView("arn:1", "web", "RUNNING", "10.0.0.4", "198.19.0.1", "")
    texts = _texts(draw(site(domain=False), bare(task)))
    assert "198.19.0.1" in texts
    assert not re.search("None", " ".join(texts))
