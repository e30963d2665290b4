"""Conditions of rules: parsed and checked.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_network

from hiyoko.api import Request
from hiyoko.services.elbv2.errors import validation
from hiyoko.services.elbv2.model import Condition
from hiyoko.services.elbv2.regexes import RegexError, check_regex
from hiyoko.services.elbv2.requests import only

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
VALUES_MAX = 5
WILDCARDS_MAX = 5
_HEADER_NAME = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]{1,40}")
FIELDS = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
_LENGTH_MAX = {"http-request-method": 40}
_REPEATABLE = {"http-header", "query-string"}
_REGEXES = {"http-header", "host-header", "path-pattern"}
_WILDCARDS = _REGEXES | {"query-string"}


def parse_conditions(given: Sequence[Request]) -> tuple[Condition, ...]:
    """A rule's conditions: at least one, each field once where AWS allows no more."""
    if not given:
        raise validation("Rules cannot be created without conditions")
    conditions = tuple(_condition(item) for item in given)
    once = [c.field for c in conditions if c.field not in _REPEATABLE]
    if len(set(once)) < len(once):
        raise validation("Rules cannot have more than one condition of the same field")
    if sum(c.evaluations for c in conditions) > VALUES_MAX:
        raise validation(f"A rule can only have '{VALUES_MAX}' condition values")
    if sum(map(_wildcards, conditions)) > WILDCARDS_MAX:
        raise validation(f"A rule can only have '{WILDCARDS_MAX}' condition wildcards")
    return conditions


def _wildcards(condition: Condition) -> int:
    if condition.field not in _WILDCARDS:
        return 0
    texts = (*condition.values, *(text for pair in condition.pairs for text in pair))
    return sum(len(re.findall(r"[*?]", re.sub(r"\\.", "", text))) for text in texts)


def _condition(item: Request) -> Condition:
    name = item.get("Field") or ""
    if name not in FIELDS:
        fields = ",".join(FIELDS)
        raise validation(f"Condition field '{name}' must be one of '[{fields}]'")
    only(item, {"Field", "Values", "RegexValues", FIELDS[name]})
    config = item.get(FIELDS[name]) or {}
    only(config, {"Values", "RegexValues", "HttpHeaderName"})
    legacy = item.get("Values") or []
    if legacy and name not in ("host-header", "path-pattern"):
        raise validation(f"The Values parameter cannot be used with the field '{name}'")
    regexes = tuple(config.get("RegexValues") or item.get("RegexValues") or [])
    if regexes and name not in _REGEXES:
        raise validation(f"The RegexValues parameter cannot be used with the field '{name}'")
    if name == "query-string":
        return _query_string(config)
    values = tuple(config.get("Values") or legacy)
    if values and regexes:
        raise validation("Values and RegexValues cannot be specified in the same condition")
    if not values and not regexes:
        raise validation("A condition value must be specified")
    for value in values:
        _check_value(name, value)
    for regex in regexes:
        _check_regex(name, regex)
    key = config.get("HttpHeaderName") or ""
    if name == "http-header" and (not _HEADER_NAME.fullmatch(key) or key.lower() == "host"):
        raise validation(f"The http header name '{key}' is not valid")
    return Condition(name, values, key, regexes=regexes)


def _query_string(config: Request) -> Condition:
    pairs = tuple((pair.get("Key") or "", pair.get("Value") or "") for pair in config["Values"])
    if not pairs or not all(value for _, value in pairs):
        raise validation("A condition value must be specified")
    for pair in pairs:
        for text in pair:
            _check_value("query-string", text)
    return Condition("query-string", pairs=pairs)


def _check_length(name: str, value: str) -> None:
    limit = _LENGTH_MAX.get(name, 128)
    if len(value) > limit:
        raise validation(f"The '{name}' value is too long; the limit is '{limit}'")


def _check_regex(name: str, regex: str) -> None:
    _check_length(name, regex)
    if not regex:
        raise validation("A condition value must be specified")
    try:
        check_regex(regex)
    except RegexError as error:
        raise validation(f"The regular expression '{regex}' is not valid: {error}") from error


def _check_value(name: str, value: str) -> None:
    _check_length(name, value)
    if not value and name != "query-string":
        raise validation("A condition value must be specified")
    characters = {
        "host-header": r"[A-Za-z0-9*?.-]*",
        "path-pattern": r"[A-Za-z0-9_.$/~\"'@:+&*?-]*",
        "http-request-method": r"[A-Z_-]*",
    }.get(name, r"[ -~]*")
    if not re.fullmatch(characters, value):
        raise validation(f"Condition value '{value}' contains a character that is not valid")
    match name:
        case "host-header":
            valid = re.fullmatch(r".*\.[A-Za-z*?]+", value) is not None
        case "source-ip":
            valid = _is_network(value)
        case _:
            valid = True
    if not valid:
        raise validation(f"The {name} value '{value}' is not valid")


def _is_network(value: str) -> bool:
    try:
        ip_network(value)
    except ValueError:
        return False
    return "/" in value
