from __future__ import annotations

import dns.message
import dns.rrset

from hiyoko.plane.log_driver.client import address_in


def answer(*records: str) -> bytes:
    message = dns.message.make_response(dns.message.make_query("logs.example.", "A", id=7))
    for record in records:
        name, kind, value = record.split()
        message.answer.append(dns.rrset.from_text(name, 60, "IN", kind, value))
    return message.to_wire()


def test_the_first_address_is_found_behind_an_alias() -> None:
    question = len(answer())
    wire = answer("logs.example. CNAME vpce.example.", "vpce.example. A 10.0.0.9")
    assert address_in(wire, 7, question) == "10.0.0.9"


def test_an_answer_to_another_question_or_without_an_address_says_nothing() -> None:
    question = len(answer())
    wire = answer("logs.example. A 10.0.0.9")
    assert address_in(wire, 8, question) is None
    assert address_in(answer(), 7, question) is None
    assert address_in(wire[:-2], 7, question) is None
    assert address_in(b"", 7, question) is None
