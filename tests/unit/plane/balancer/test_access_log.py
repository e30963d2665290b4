"""Entries in AWS's format, from HAProxy's lines.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
"""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from hiyoko.plane.balancer.access_log import (
    access_entry,
    connection_entry,
    elb_status,
    object_key,
    request_type,
)
from hiyoko.plane.balancer.log_context import (
    GroupMeant,
    ListenerMeant,
    LogContext,
    RuleMeant,
)
from hiyoko.plane.balancer.log_line import HEAD, ErrorLine, RequestLine, parse_line

GROUP = (
    "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067"
)
CERTIFICATE = "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012"
RULES = (
    RuleMeant(5, ("redirect",), ("HTTPS", "#{host}", "443", "/new/#{path}", "#{query}")),
    RuleMeant(9, ("fixed-response",)),
    RuleMeant(0, ("forward",)),
)
CONTEXT = LogContext(
    balancer="app/my-loadbalancer/50dc6c495c0c9188",
    account="123456789012",
    region="us-east-2",
    zone="us-east-2a",
    address="172.160.0.1",
    private_address="10.0.0.9",
    listeners={"80": ListenerMeant("HTTP", RULES), "443": ListenerMeant("HTTPS", RULES)},
    groups={"tg.my": GroupMeant(GROUP, "HTTP1"), "tg.grpc": GroupMeant(GROUP, "GRPC")},
    access=("bucket", "logging-prefix"),
    connection=("bucket", ""),
    certificates={"AB12": CERTIFICATE},
)
PLAIN = (
    b"A 0123abcd 80 200 -- tg.my 10.0.0.1:80 3 1 34 366|1530570180.185 0 0 0 0 0 1 "
    b'192.168.131.39:2817 10.0.0.1:80 GET HTTP/1.1 - - - - "-" 1-58337262-36D228AD5D99923122BBE354 '
    b'1234abcd-0000-0000-0000-00005678ef90 "" - - - "" "" '
    b'"www.example.com:80" "curl/7.46.0" "" /?a=#22b#22'
)


def line(raw: bytes = PLAIN) -> RequestLine:
    found = parse_line(raw)
    assert isinstance(found, RequestLine)
    return found


def fields(found: RequestLine | ErrorLine, context: LogContext = CONTEXT) -> list[str]:
    text = access_entry(found, context)
    assert text is not None
    [values] = csv.reader([text], delimiter=" ")
    return values


def test_a_request_over_http_is_told_as_in_aws_s_example() -> None:
    assert access_entry(line(), CONTEXT) == (
        "http 2018-07-02T22:23:00.186000Z app/my-loadbalancer/50dc6c495c0c9188 "
        "192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "
        '"GET http://www.example.com:80/?a=\\x22b\\x22 HTTP/1.1" "curl/7.46.0" - - '
        f'{GROUP} "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 '
        '2018-07-02T22:23:00.185000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" '
        "TID_1234abcd0000000000000000"
        '5678ef90 "-" "-" "-"'
    )


def test_a_login_that_failed_tells_why() -> None:
    for mark, told in ((b"-", "-"), (b"AuthInvalidCookie", "AuthInvalidCookie")):
        raw = PLAIN.replace(b'"" "" "www', b'"" "" R=%s "www' % mark)
        assert fields(line(raw))[24] == told
        assert fields(line(raw))[12] == fields(line())[12]


def test_what_is_counted_is_the_head_of_the_line() -> None:
    block = PLAIN + b"\n" + PLAIN + b"\ncut off | A \nA no end"
    assert HEAD.findall(block) == [b"0123abcd 80 200 -- tg.my 10.0.0.1:80 3 1 34 366"] * 2


def test_a_redirect_tells_where_to_and_reached_no_target() -> None:
    moved = replace(
        line(), rule=1, status=301, server="<NOSRV>", target=None, answer_ms=-1, connect_ms=-1,
        backend="port-80", ended="LR",
    )  # fmt: skip
    found = fields(moved)
    assert found[4:10] == ["-", "-1", "-1", "-1", "301", "-"]
    assert found[16] == "-"
    assert found[20:24] == ["5", "2018-07-02T22:23:00.185000Z", "redirect", (
        r"https://www.example.com:443/new/?a=\x22b\x22"
    )]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "http"),
        ({"port": 443}, "https"),
        ({"port": 443, "version": "HTTP/2.0"}, "h2"),
        ({"port": 443, "version": "HTTP/2.0", "backend": "tg.grpc"}, "grpcs"),
        ({"status": 101}, "ws"),
        ({"port": 443, "status": 101}, "wss"),
    ],
)
def test_the_type_tells_protocol_and_encryption(changes: dict[str, object], kind: str) -> None:
    changed = replace(line(), **changes)  # type: ignore[arg-type]
    assert request_type(changed, CONTEXT) == kind
    assert fields(changed)[0] == kind


def test_a_websocket_s_request_has_its_scheme() -> None:
    assert fields(replace(line(), status=101))[12].startswith("GET ws://www.example.com:80/")


def test_a_client_that_has_gone_is_460_and_nothing_came_of_its_target() -> None:
    gone = replace(line(), ended="CH", status=400, answer_ms=-1)
    assert elb_status(gone) == 460
    assert fields(gone)[5:10] == ["0.000", "-1", "-1", "460", "-"]


def test_a_target_that_does_not_answer_in_time_has_no_times() -> None:
    late = replace(line(), ended="sH", status=504, answer_ms=-1)
    assert fields(late)[4:10] == ["10.0.0.1:80", "-1", "-1", "-1", "504", "-"]


@pytest.mark.parametrize(
    ("resumed", "certificate", "told"),
    [(False, "AB12", CERTIFICATE), (True, "AB12", "session-reused"), (False, "FF", "-")],
)
def test_the_chosen_certificate_or_a_resumed_session(
    resumed: bool, certificate: str, told: str
) -> None:
    secure = replace(
        line(), port=443, protocol="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256", resumed=resumed,
        certificate=certificate, sni="www.example.com",
    )  # fmt: skip
    found = fields(secure)
    assert found[14:16] == ["TLS_AES_128_GCM_SHA256", "TLSv1.3"]
    assert found[18:20] == ["www.example.com", told]


def test_a_trace_header_of_the_client_s_is_kept_behind_our_own_part() -> None:
    traced = replace(line(), trace="Self=1-old;Root=1-67891233-abcdef012345678912345678;x=y")
    assert fields(traced)[17] == (
        "Self=1-58337262-36d228ad5d99923122bbe354;Root=1-67891233-abcdef012345678912345678;x=y"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ["-", "-", "-"]),
        ({"new_uri": "/b"}, ["-", "/b", "TransformSuccess"]),
        ({"new_host": "h.test"}, ["h.test", "-", "TransformSuccess"]),
        ({"new_uri": "b", "status": 500, "target": None}, ["-", "b", "TransformInvalidPath"]),
        ({"new_host": "?", "status": 500, "target": None}, ["?", "-", "TransformInvalidHost"]),
    ],
)
def test_what_a_transform_made_of_a_request(changes: dict[str, object], told: list[str]) -> None:
    assert fields(replace(line(), **changes))[30:] == told  # type: ignore[arg-type]


def test_what_was_no_request_has_an_entry_without_one() -> None:
    bad = parse_line(b"E 0123abcd 80 400 PR 0 0 1530570180.185 1.2.3.4:5 0 - - - - -")
    assert isinstance(bad, ErrorLine)
    found = fields(bad)
    assert len(found) == 33
    assert (found[8], found[12]) == ("400", "- http://172.160.0.1:80- -")
    silent = parse_line(b"E 0123abcd 443 0 PR 0 0 1530570180.1 1.2.3.4:5 34 0A 0 0 (NONE) TLSv1.1")
    assert silent is not None
    assert access_entry(silent, CONTEXT) is None


def test_connections_are_told_by_how_their_handshake_went() -> None:
    secure = replace(
        line(), port=443, protocol="TLSv1.2", cipher="ECDHE-RSA-AES128-GCM-SHA256", handshake_ms=4
    )
    assert connection_entry(secure, CONTEXT) == (
        "2018-07-02T22:23:00.185000Z 192.168.131.39 2817 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256"
        ' 4.000 "-" - - Success TID_1234abcd00000000000000005678ef90'
    )
    failed = parse_line(
        b"E 0123abcd 443 0 PR 0 0 1530570180.185 1.2.3.4:5 34 0A000086 10 0 (NONE) TLSv1.3"
    )
    assert failed is not None
    assert connection_entry(failed, CONTEXT).endswith(
        '1.2.3.4 5 443 TLSv1.3 - - "-" - - Failed:ClientCertExpired -'
    )


def test_a_certificate_that_the_client_showed_is_in_its_connection_s_entry() -> None:
    shown = replace(
        line(), port=443, protocol="TLSv1.2", cipher="C", client_serial="FEF257372D5C14D4",
        client_subject="CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US",
        client_validity=("230921224321Z", "260617224321Z"),
    )  # fmt: skip
    assert (
        ' "CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US"'
        " NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z FEF257372D5C14D4 Success "
    ) in connection_entry(shown, CONTEXT)


def test_files_are_named_as_aws_names_them() -> None:
    end = 1644968400.0  # 2022-02-15T23:40Z
    folder = "AWSLogs/123456789012/elasticloadbalancing/us-east-2/2022/02/15"
    name = (
        "123456789012_elasticloadbalancing_us-east-2_app.my-loadbalancer.50dc6c495c0c9188_"
        "20220215T2340Z_172.160.0.1_20sg8hgm.log.gz"
    )
    assert object_key(CONTEXT, "access", end, "20sg8hgm") == f"logging-prefix/{folder}/{name}"
    assert object_key(CONTEXT, "connection", end, "20sg8hgm") == f"{folder}/conn_log.{name}"


def test_a_context_is_read_as_it_was_written() -> None:
    assert LogContext.read(CONTEXT.text) == CONTEXT
    assert replace(CONTEXT, certificates={}).digest == CONTEXT.digest
    assert replace(CONTEXT, access=None).digest != CONTEXT.digest


def test_what_is_none_of_ours_is_no_entry() -> None:
    for raw in (b"Proxy port-80 stopped.", PLAIN[:200], b"A x", b"E 1 2", b""):
        assert parse_line(raw) is None
