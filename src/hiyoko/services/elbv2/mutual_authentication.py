"""A listener's ``MutualAuthentication``: parsed, checked, shown.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_MutualAuthenticationAttributes.html
"""

from __future__ import annotations

from hiyoko.api import Call, Request, Response
from hiyoko.services.elbv2 import errors, rows
from hiyoko.services.elbv2.model import Listener, MutualAuthentication
from hiyoko.services.elbv2.requests import check_arn

MODES = ("off", "passthrough", "verify")
VERIFYING_MAX = 2
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html"""
_OF_VERIFY = ("TrustStoreArn", "IgnoreClientCertificateExpiry", "AdvertiseTrustStoreCaNames")


def wanted(
    call: Call, request: Request, protocol: str, balancer_arn: str, now: Listener | None
) -> MutualAuthentication | None:
    """What a listener of this protocol has after the call. None is mode ``off``."""
    given = request.get("MutualAuthentication")
    if given is None:
        return now.mutual if now is not None and protocol == "HTTPS" else None
    mode = given.get("Mode") or "off"
    if mode not in MODES:
        raise errors.validation(
            f"Mutual authentication mode '{mode}' must be one of '{', '.join(MODES)}'"
        )
    if mode != "off" and protocol != "HTTPS":
        raise errors.validation("Mutual authentication can be specified for HTTPS listeners only")
    if mode == "verify":
        return _verify(call, given, balancer_arn, now)
    for member in _OF_VERIFY:
        if given.get(member) not in (None, False, "", "off"):
            raise errors.validation(
                f"{member} cannot be specified when mutual authentication mode is '{mode}'"
            )
    return MutualAuthentication("passthrough") if mode == "passthrough" else None


def _verify(
    call: Call, given: Request, balancer_arn: str, now: Listener | None
) -> MutualAuthentication:
    arn = given.get("TrustStoreArn")
    if not arn:
        raise errors.validation(
            "A trust store ARN must be specified when mutual authentication mode is 'verify'"
        )
    check_arn("trust store", arn)
    rows.get_trust_store(call.tx, arn)
    verifying = [
        row
        for row in rows.list_listeners(call.tx, balancer_arn)
        if row.mutual is not None
        and row.mutual.mode == "verify"
        and (now is None or row.arn != now.arn)
    ]
    if len(verifying) >= VERIFYING_MAX:
        raise errors.operation_not_permitted(
            f"No more than {VERIFYING_MAX} listeners of load balancer '{balancer_arn}' can "
            "verify clients"
        )
    return MutualAuthentication(
        "verify",
        arn,
        ignore_expiry=bool(given.get("IgnoreClientCertificateExpiry")),
        advertise=given.get("AdvertiseTrustStoreCaNames") == "on",
    )


def view(mutual: MutualAuthentication | None) -> Response:
    """As DescribeListeners shows it."""
    if mutual is None or mutual.mode != "verify":
        return {"Mode": mutual.mode if mutual is not None else "off"}
    return {
        "Mode": "verify",
        "TrustStoreArn": mutual.trust_store_arn,
        "IgnoreClientCertificateExpiry": mutual.ignore_expiry,
        "AdvertiseTrustStoreCaNames": "on" if mutual.advertise else "off",
    }
