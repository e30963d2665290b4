"""The resource map as SVG: a fixed number of columns, tiles, and lines between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from hiyoko.cli.view import SiteView
from hiyoko.site.model import Site

WIDTH, HEIGHT, GAP_X, GAP_Y, TOP = 250, 56, 60, 18, 84
TITLE_MAX, DETAIL_MAX = 30, 34
"""Characters that fit on a tile in its two sizes of type."""
COLOURS = {
    "healthy": "#1b7f4b",
    "initial": "#8a6d00",
    "draining": "#5f6b7a",
    "unused": "#5f6b7a",
    "unhealthy": "#b3261e",
}
TITLES = ("Name", "Listeners", "Rules", "Target groups", "Targets")
STYLE = (
    "text{font-family:system-ui,sans-serif;font-size:13px;fill:#16202c}"
    ".small{font-size:11px;fill:#4a5666}.head{font-weight:600}"
    ".tile{fill:#fff;stroke:#c5ced8}.line{fill:none;stroke:#8d99a8;stroke-width:1.5}"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """A box: two lines of text, and a colour when it has a state."""

    title: str
    detail: str
    colour: str = ""


@dataclass(slots=True)
class _Sheet:
    columns: list[list[tuple[str, Tile]]] = field(default_factory=lambda: [[] for _ in TITLES])
    edges: list[tuple[str, str]] = field(default_factory=list)

    def put(self, column: int, key: str, tile: Tile, parent: str = "") -> None:
        if all(known != key for known, _ in self.columns[column]):
            self.columns[column].append((key, tile))
        if parent and (parent, key) not in self.edges:
            self.edges.append((parent, key))


def draw(site: Site, view: SiteView) -> str:
    """The map of a site as an SVG document."""
    sheet = _Sheet()
    name = site.domain or site.name
    sheet.put(0, "name", Tile(name, view.balancer_dns or "tasks with a public address"))
    for at, listener in enumerate(view.listeners):
        key = f"listener-{at}"
        rules = f"{len(listener.rules)} rule{'s' if len(listener.rules) != 1 else ''}"
        sheet.put(1, key, Tile(f"{listener.protocol}:{listener.port}", rules), "name")
        for number, rule in enumerate(listener.rules):
            rule_key = f"{key}-rule-{number}"
            sheet.put(2, rule_key, Tile(f"{rule.priority}: {rule.condition}", rule.action), key)
            for arn in rule.groups:
                _put_group(sheet, view, arn, rule_key)
    if not view.listeners:
        for task in view.tasks:
            tile = Tile(task.public_address or task.private_address, task.status)
            sheet.put(4, task.arn, tile, "name")
    return _render(sheet, f"Resource map of {name}")


def _put_group(sheet: _Sheet, view: SiteView, arn: str, parent: str) -> None:
    group = view.groups.get(arn)
    if group is None:
        return
    healthy = sum(target.state == "healthy" for target in group.targets)
    detail = f"port {group.port}, {healthy} of {len(group.targets)} healthy"
    sheet.put(3, arn, Tile(group.name, detail), parent)
    for target in group.targets:
        words = f"{target.state}: {target.reason}" if target.reason else target.state
        tile = Tile(f"{target.address}:{target.port}", words, COLOURS.get(target.state, "#5f6b7a"))
        sheet.put(4, f"{arn}-{target.address}:{target.port}", tile, arn)


def _render(sheet: _Sheet, title: str) -> str:
    rows = max(len(column) for column in sheet.columns)
    width = len(TITLES) * WIDTH + (len(TITLES) + 1) * GAP_X
    height = TOP + rows * (HEIGHT + GAP_Y) + GAP_Y
    places: dict[str, tuple[int, int]] = {}
    tiles: list[str] = []
    for number, column in enumerate(sheet.columns):
        x = GAP_X + number * (WIDTH + GAP_X)
        tiles.append(f'<text class="head" x="{x}" y="{TOP - 22}">{TITLES[number]}</text>')
        # Columns are centred, so that lines stay short.
        offset = (rows - len(column)) * (HEIGHT + GAP_Y) // 2
        for row, (key, tile) in enumerate(column):
            y = TOP + offset + row * (HEIGHT + GAP_Y)
            places[key] = (x, y)
            tiles.append(_tile(x, y, tile))
    lines = [_edge(places[a], places[b]) for a, b in sheet.edges]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-label="{escape(title)}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#f5f7f9"/>'
        f'<text class="head" x="{GAP_X}" y="32" style="font-size:16px">{escape(title)}</text>'
        + "".join(lines)
        + "".join(tiles)
        + "</svg>\n"
    )


def _tile(x: int, y: int, tile: Tile) -> str:
    bar = f'<rect x="{x}" y="{y}" width="5" height="{HEIGHT}" fill="{tile.colour}"/>'
    fill = f' style="fill:{tile.colour}"' if tile.colour else ""
    return (
        f"<g><title>{escape(tile.title)} - {escape(tile.detail)}</title>"
        f'<rect class="tile" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
        f"{bar if tile.colour else ''}"
        f'<text x="{x + 14}" y="{y + 23}">{escape(_cut(tile.title, TITLE_MAX))}</text>'
        f'<text class="small"{fill} x="{x + 14}" y="{y + 42}">'
        f"{escape(_cut(tile.detail, DETAIL_MAX))}</text></g>"
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + WIDTH, start[1] + HEIGHT // 2
    x2, y2 = end[0], end[1] + HEIGHT // 2
    middle = (x1 + x2) // 2
    return f'<path class="line" d="M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"/>'
