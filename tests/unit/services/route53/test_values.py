from __future__ import annotations

import pytest

from hiyoko.services.route53.values import BadValue, check_value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::1"),
        ("CNAME", "www.example.com"),
        ("NS", "ns-1.awsdns-00.com."),
        ("TXT", '"v=spf1 -all"'),
        ("TXT", '"one" "two"'),
        ("TXT", r'"a \"quoted\" word and \052"'),
        ("SPF", '"v=spf1 -all"'),
        ("MX", "10 mail.example.com"),
        ("SRV", "1 10 5269 xmpp.example.com."),
        ("CAA", '0 issue "amazon.com"'),
        ("NAPTR", '100 50 "s" "z3950+I2L" "" _z3950._tcp.example.com.'),
        ("DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),
        ("SOA", "ns.example.com. hostmaster.example.com. 1 7200 900 1209600 86400"),
        ("SVCB", "1 . alpn=h2"),
    ],
)
def test_values_in_route_53s_form_are_taken(kind: str, value: str) -> None:
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html
    check_value(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("A", "300.1.1.1", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
        ("A", "::1", "ARRDATAIllegalIPv4Address"),
        ("AAAA", "192.0.2.1", "AAAARRDATAIllegalIPv6Address"),
        (
            "TXT",
            "no quotes",
            "InvalidCharacterString (Value should be enclosed in quotation marks)",
        ),
        ("TXT", f'"{"x" * 256}"', "CharacterStringTooLong (Value is too long)"),
        ("CNAME", "", "DomainNameEmpty (Domain name is empty) encountered with ''"),
        ("MX", "mail.example.com", "MXRRDATANotTwoFields"),
        ("CAA", "0 issue amazon.com", "InvalidCharacterString"),
        ("SRV", "1 2 x.example.com", "SRVRRDATANotFourFields"),
        ("DS", "nonsense", "DSRRDATAInvalid"),
    ],
)
def test_other_values_are_refused_in_route_53s_words(kind: str, value: str, said: str) -> None:
    with pytest.raises(BadValue) as caught:
        check_value(kind, value)
    assert str(caught.value).startswith("Invalid Resource Record: 'FATAL problem: ")
    assert said in str(caught.value)


def test_255_characters_written_with_escapes_still_fit() -> None:
    check_value("TXT", '"' + r"\052" * 255 + '"')
