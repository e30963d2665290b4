"""A proof as people read it."""

from __future__ import annotations

from hiyoko.cli.check import Proof
from hiyoko.probe import Result

LONG = (
    "a detail that is much too long to be read by somebody who only wants to know that all is well"
)


def test_a_proof_holds_when_every_result_does() -> None:
    good, bad = Result("a", True, 1.0, ""), Result("b", False, 1.0, "refused")
    assert Proof((good, good)).ok
    assert not Proof((good, bad)).ok


def test_names_and_times_stand_in_columns() -> None:
    proof = Proof((Result("name", True, 1.25, "there"), Result("a longer name", False, 123.0, "")))
    assert list(proof.lines()) == [
        "  ok  name               1.2 ms  there",
        "  NO  a longer name    123.0 ms",
    ]


def test_short_leaves_out_long_details_of_what_is_well() -> None:
    proof = Proof((Result("a", True, 1.0, LONG), Result("b", True, 1.0, "brief")))
    assert LONG in "\n".join(proof.lines())
    short = "\n".join(proof.lines(short=True))
    assert LONG not in short
    assert "brief" in short


def test_short_still_says_all_of_what_is_wrong() -> None:
    assert LONG in "\n".join(Proof((Result("a", False, 1.0, LONG),)).lines(short=True))


def test_a_proof_of_nothing_has_no_lines() -> None:
    assert list(Proof(()).lines()) == []
