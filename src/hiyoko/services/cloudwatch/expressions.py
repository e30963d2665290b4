"""Metric math: arithmetic, comparisons and functions over the values of other queries.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from hiyoko.api import unsupported
from hiyoko.services.cloudwatch.errors import validation

Values = Mapping[float, float]
Result = float | dict[float, float] | list[dict[float, float]]

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ACROSS: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": math.fsum,
    "AVG": lambda values: math.fsum(values) / len(values),
    "MIN": min,
    "MAX": max,
}
"""Of several series one, period by period; of one series one number."""
_EACH: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
_FUNCTIONS = {*_ACROSS, *_EACH, "METRICS", "FILL", "IF", "PERIOD", "RATE", "DIFF", "RUNNING_SUM"}


def _parsed(text: str) -> ast.expr:
    if text.lstrip().upper().startswith("SELECT "):
        raise unsupported("Expression", text)
    try:
        # Python's precedence is metric math's, but for the sign of the power.
        return ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise validation(f"Error in expression '{text}': {error.msg}.") from error


def ids(text: str) -> set[str]:
    """The queries that an expression refers to."""
    tree = _parsed(text)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and id(node) not in called and node.id != "REPEAT"
    }


def check(text: str, known: Collection[str]) -> None:
    """Refuse an expression that cannot be calculated: by name where AWS could."""
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name not in _FUNCTIONS:
                raise unsupported("Expression", text)
    unknown = ids(text) - set(known)
    if unknown:
        raise validation(f"Error in expression '{text}': undefined id {min(unknown)}.")


def evaluate(
    text: str,
    found: Mapping[str, Values],
    metrics: Sequence[Values],
    starts: Sequence[float],
    period_s: int,
) -> dict[float, float]:
    """An expression's value for each period that it has one for."""
    result = _Math(text, found, metrics, starts, period_s).value(_parsed(text))
    if isinstance(result, list):
        raise validation(f"Error in expression '{text}': it gives more than one time series.")
    if isinstance(result, dict):
        return result
    return dict.fromkeys(starts, result)


@dataclass(frozen=True, slots=True)
class _Math:
    text: str
    found: Mapping[str, Values]
    metrics: Sequence[Values]
    starts: Sequence[float]
    period_s: int

    def value(self, node: ast.expr) -> Result:
        match node:
            case ast.Constant(value=bool()):
                raise self.fault("a number was expected")
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return dict(self.found[name])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.each(lambda value: -value, self.value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return self.both(_ARITHMETIC[type(op)], self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                compare = _COMPARISONS[type(op)]
                return self.both(
                    lambda one, other: float(compare(one, other)),
                    self.value(left),
                    self.value(right),
                )
            case ast.List(elts=elements):
                return [self.series(self.value(element)) for element in elements]
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.call(name, arguments)
            case _:
                raise unsupported("Expression", self.text)

    def call(self, name: str, arguments: list[ast.expr]) -> Result:
        if name == "METRICS":
            if arguments:
                raise unsupported("Expression", self.text)
            return [dict(values) for values in self.metrics]
        if name == "PERIOD":
            return float(self.period_s)
        if name == "FILL":
            return self.fill(arguments)
        values = [self.value(argument) for argument in arguments]
        if not values:
            raise self.fault(f"{name} needs an argument")
        if name in _ACROSS:
            return self.across(_ACROSS[name], values)
        if name in _EACH:
            return self.each(_EACH[name], values[0])
        if name == "IF":
            return self.choose(values)
        return self.along(name, self.series(values[0]))

    def across(self, combine: Callable[[Sequence[float]], float], values: list[Result]) -> Result:
        if len(values) == 1 and isinstance(values[0], dict):
            one = list(values[0].values())
            return combine(one) if one else {}
        flat = [
            self.series(part)
            for value in values
            for part in (value if isinstance(value, list) else [value])
        ]
        # A period that a series lacks is left out of that period's sum.
        starts = sorted({start for values in flat for start in values})
        return {at: combine([values[at] for values in flat if at in values]) for at in starts}

    def fill(self, arguments: list[ast.expr]) -> Result:
        if len(arguments) != 2:
            raise self.fault("FILL needs two arguments")
        values = self.series(self.value(arguments[0]))
        if isinstance(arguments[1], ast.Name) and arguments[1].id == "REPEAT":
            filled, last = {}, None
            for at in self.starts:
                last = values.get(at, last)
                if last is not None:
                    filled[at] = last
            return filled
        other = self.series(self.value(arguments[1]))
        return {at: values.get(at, other.get(at, 0.0)) for at in self.starts}

    def choose(self, values: list[Result]) -> Result:
        if len(values) not in (2, 3):
            raise self.fault("IF needs two or three arguments")
        condition, *branches = (self.series(value) for value in values)
        no: dict[float, float] = branches[1] if len(branches) == 2 else {}
        chosen = {at: (branches[0] if holds else no).get(at) for at, holds in condition.items()}
        return {at: value for at, value in chosen.items() if value is not None}

    def along(self, name: str, values: dict[float, float]) -> Result:
        ordered = sorted(values.items())
        if name == "RUNNING_SUM":
            total, sums = 0.0, {}
            for at, value in ordered:
                sums[at] = total = total + value
            return sums
        pairs = itertools.pairwise(ordered)
        if name == "DIFF":
            return {at: value - before for (_, before), (at, value) in pairs}
        return {at: (value - before) / (at - was) for (was, before), (at, value) in pairs}

    def each(self, change: Callable[[float], float], value: Result) -> Result:
        if isinstance(value, float):
            return change(value)
        return self.both(lambda one, _: change(one), value, 0.0)

    def both(self, combine: Callable[[float, float], float], one: Result, other: Result) -> Result:
        if isinstance(one, float) and isinstance(other, float):
            return combine(one, other) if other or combine is not operator.truediv else math.inf
        left, right = self.series(one), self.series(other)
        result = {}
        for at in sorted(left.keys() & right.keys()):
            # A division by zero has no datapoint.
            if combine is operator.truediv and right[at] == 0:
                continue
            result[at] = combine(left[at], right[at])
        return result

    def series(self, value: Result) -> dict[float, float]:
        """A value as one series; a number is the same in every period."""
        if isinstance(value, list):
            raise self.fault("one time series was expected, not several")
        return value if isinstance(value, dict) else dict.fromkeys(self.starts, value)

    def fault(self, what: str) -> Exception:
        return validation(f"Error in expression '{self.text}': {what}.")
