"""Signature Version 4 of a JSON request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import time

JSON = "application/x-amz-json-1.1"


def signed_headers(
    service: str,
    region: str,
    target: str,
    body: bytes,
    access_key: str,
    secret_key: str,
    token: str,
    now: float,
) -> dict[str, str]:
    """The headers of ``POST /`` to a service of the JSON protocol, signed with a session's keys."""
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    headers = {
        "content-type": JSON,
        "host": f"{service}.{region}.amazonaws.com",
        "x-amz-date": date,
        "x-amz-security-token": token,
        "x-amz-target": target,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"
    key = f"AWS4{secret_key}".encode()
    for part in (date[:8], region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names},"
        f" Signature={signature}"
    )
    return headers | {"authorization": authorization}
