from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiyoko.services.route53.model import server_name
from hiyoko.services.route53.names import BadName, is_within, order, stored_name


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("Example.COM", "example.com."),
        ("example.com.", "example.com."),
        ("*.example.com", r"\052.example.com."),
        (r"\052.example.com", r"\052.example.com."),
        ("a@b.example.com", r"a\100b.example.com."),
        (r"a\056b.example.com", r"a\056b.example.com."),
        ("_x.example.com", "_x.example.com."),
    ],
)
def test_names_are_stored_lower_case_absolute_and_escaped_in_octal(
    given_name: str, stored: str
) -> None:
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
    assert stored_name(given_name) == stored


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "DomainNameEmpty"),
        (".", "DomainNameEmpty"),
        ("a..b", "DomainLabelEmpty"),
        ("a" * 64 + ".com", "DomainLabelTooLong"),
        (".".join(["a" * 60] * 5), "DomainNameTooLong"),
        ("a b.com", "UnsupportedCharacter"),
        ("例え.jp", "UnsupportedCharacter"),
    ],
)
def test_a_text_that_is_no_name_is_refused_with_route_53s_code(text: str, code: str) -> None:
    with pytest.raises(BadName, match=code):
        stored_name(text)


@given(st.lists(st.text("abc-_*@", min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_stored_name_stays_what_it_is(labels: list[str]) -> None:
    once = stored_name(".".join(labels))
    assert stored_name(once) == once


def test_names_are_ordered_by_their_labels_from_the_right() -> None:
    names = ["b.example.com.", "example.com.", "a.b.example.com.", "example.org.", "a.example.com."]
    assert sorted(names, key=order) == [
        "example.com.",
        "a.example.com.",
        "b.example.com.",
        "a.b.example.com.",
        "example.org.",
    ]


def test_a_name_that_only_ends_alike_is_not_within_a_zone() -> None:
    assert is_within("a.example.com.", "example.com.")
    assert is_within("example.com.", "example.com.")
    assert not is_within("myexample.com.", "example.com.")


def test_each_quarter_of_the_server_numbers_has_its_top_level_domain() -> None:
    assert server_name(0) == "ns-0.awsdns-00.com."
    assert server_name(511) == "ns-511.awsdns-63.com."
    assert server_name(512) == "ns-512.awsdns-00.net."
    assert server_name(1024) == "ns-1024.awsdns-00.org."
    assert server_name(2047) == "ns-2047.awsdns-63.co.uk."
