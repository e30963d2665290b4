from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from hiyoko.plane.log_driver.signing import signed_headers

NOW = datetime(2026, 11, 30, 1, 2, 3, tzinfo=UTC)


def test_the_signature_is_botocore_s() -> None:
    body, target = b'{"a":1}', "Logs_20140328.PutLogEvents"
    mine = signed_headers(
        "logs", "eu-west-1", target, body, "ASIA1", "secret", "token", NOW.timestamp()
    )
    names = ("content-type", "host", "x-amz-target")
    request = AWSRequest(
        "POST",
        "https://logs.eu-west-1.amazonaws.com/",
        headers={name: mine[name] for name in names},
        data=body,
    )
    with mock.patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        SigV4Auth(Credentials("ASIA1", "secret", "token"), "logs", "eu-west-1").add_auth(request)
    assert mine["authorization"] == request.headers["Authorization"]
