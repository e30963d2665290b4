"""Transforms of rules: parsed and checked.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hiyoko.api import Request, unsupported
from hiyoko.services.elbv2.errors import validation
from hiyoko.services.elbv2.model import Transform
from hiyoko.services.elbv2.regexes import RegexError, check_regex, check_replacement
from hiyoko.services.elbv2.requests import only

LENGTH_MAX = 1024
CONFIGS = {"host-header-rewrite": "HostHeaderRewriteConfig", "url-rewrite": "UrlRewriteConfig"}
_REFERENCE = re.compile(r"\$\d\d")


def parse_transforms(given: Sequence[Request]) -> tuple[Transform, ...]:
    """A rule's transforms: at most one of each type."""
    transforms = tuple(_transform(item) for item in given)
    types = [transform.type for transform in transforms]
    for kind in types:
        if types.count(kind) > 1:
            raise validation(f"A rule can only have one transform of type '{kind}'")
    return transforms


def _transform(item: Request) -> Transform:
    kind = item["Type"]
    only(item, {"Type", CONFIGS[kind]})
    config = item.get(CONFIGS[kind]) or {}
    rewrites = config.get("Rewrites") or []
    if len(rewrites) != 1:
        raise validation(f"A transform of type '{kind}' must have exactly one rewrite")
    regex, replace = rewrites[0]["Regex"], rewrites[0]["Replace"]
    for name, text in (("Regex", regex), ("Replace", replace)):
        if len(text) > LENGTH_MAX:
            raise validation(f"The '{name}' value is too long; the limit is '{LENGTH_MAX}'")
        if not re.fullmatch("[ -~]*", text):
            raise validation(f"The '{name}' value contains a character that is not valid")
    if not regex:
        raise validation("A regular expression must be specified for a rewrite")
    try:
        check_replacement(replace, check_regex(regex))
    except RegexError as error:
        raise validation(f"The rewrite of '{regex}' is not valid: {error}") from error
    if two := _REFERENCE.search(replace):
        raise unsupported("Rewrites.Replace", two[0])
    return Transform(kind, regex, replace)
