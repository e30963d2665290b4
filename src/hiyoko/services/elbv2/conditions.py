"""Conditions of rules: parsed and checked.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network

from hiyoko.api import Request, unsupported
from hiyoko.services.elbv2.errors import validation
from hiyoko.services.elbv2.model import Condition
from hiyoko.services.elbv2.requests import only

VALUES_MAX = 5
_HEADER_NAME = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]{1,40}")
_FIELDS = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
_LENGTH_MAX = {"http-request-method": 40}
_REPEATABLE = {"http-header", "query-string"}


def parse_conditions(given: Sequence[Request]) -> tuple[Condition, ...]:
    """A rule's conditions: at least one, each field once where AWS allows no more."""
    if not given:
        raise validation("Rules cannot be created without conditions")
    conditions = tuple(_condition(item) for item in given)
    once = [c.field for c in conditions if c.field not in _REPEATABLE]
    if len(set(once)) < len(once):
        raise validation("Rules cannot have more than one condition of the same field")
    if sum(len(c.values) + len(c.pairs) for c in conditions) > VALUES_MAX:
        raise validation(f"Rules cannot have more than {VALUES_MAX} condition values")
    return conditions


def _condition(item: Request) -> Condition:
    name = item.get("Field") or ""
    if name not in _FIELDS:
        fields = ",".join(_FIELDS)
        raise validation(f"Condition field '{name}' must be one of '[{fields}]'")
    only(item, {"Field", "Values", _FIELDS[name]})
    config = item.get(_FIELDS[name]) or {}
    if config.get("RegexValues"):
        raise unsupported(f"{_FIELDS[name]}.RegexValues")
    legacy = item.get("Values") or []
    if legacy and name not in ("host-header", "path-pattern"):
        raise validation(f"The Values parameter cannot be used with the field '{name}'")
    if name == "query-string":
        return _query_string(config)
    values = tuple(config.get("Values") or legacy)
    if not values:
        raise validation("A condition value must be specified")
    for value in values:
        _check_value(name, value)
    key = config.get("HttpHeaderName") or ""
    if name == "http-header" and (not _HEADER_NAME.fullmatch(key) or key.lower() == "host"):
        raise validation(f"The http header name '{key}' is not valid")
    return Condition(name, values, key)


def _query_string(config: Request) -> Condition:
    pairs = tuple((pair.get("Key") or "", pair.get("Value") or "") for pair in config["Values"])
    if not pairs or not all(value for _, value in pairs):
        raise validation("A condition value must be specified")
    for pair in pairs:
        for text in pair:
            _check_value("query-string", text)
    return Condition("query-string", pairs=pairs)


def _check_value(name: str, value: str) -> None:
    limit = _LENGTH_MAX.get(name, 128)
    if len(value) > limit:
        raise validation(f"The '{name}' value is too long; the limit is '{limit}'")
    if not re.fullmatch(r"[ -~]*", value):
        raise validation(f"The '{name}' value '{value}' contains characters that are not allowed")
    match name:
        case "host-header":
            valid = re.fullmatch(r"[A-Za-z0-9*?.-]*\.[A-Za-z*?]+", value) is not None
        case "path-pattern":
            valid = re.fullmatch(r"[A-Za-z0-9_.$/~\"'@:+&*?-]+", value) is not None
        case "http-request-method":
            valid = re.fullmatch(r"[A-Z_-]+", value) is not None
        case "source-ip":
            valid = _is_network(value)
        case _:
            valid = True
    if not valid:
        raise validation(f"The {name} value '{value}' is not valid")


def _is_network(value: str) -> bool:
    try:
        IPv4Network(value)
    except ValueError:
        return False
    return "/" in value
