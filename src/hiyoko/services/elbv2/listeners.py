"""CreateListener and its kin, with certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.elbv2 import attributes, errors, rows, views
from hiyoko.services.elbv2.actions import parse_actions
from hiyoko.services.elbv2.model import Listener, find_ssl_policy
from hiyoko.services.elbv2.requests import check_arn, only, page, parse_tags
from hiyoko.services.elbv2.ssl_policies import DEFAULT_SSL_POLICY

LISTENERS_MAX = 50
CERTIFICATES_MAX = 25
_SETTINGS = frozenset(
    ["Protocol", "Port", "SslPolicy", "Certificates", "DefaultActions", "MutualAuthentication"]
)


def _settings(request: Request) -> None:
    if (request.get("MutualAuthentication") or {}).get("Mode", "off") != "off":
        raise unsupported("MutualAuthentication")
    only(request, _SETTINGS | {"LoadBalancerArn", "ListenerArn", "Tags", "MutualAuthentication"})


def _tls(
    call: Call, request: Request, protocol: str, now: Listener | None
) -> tuple[str | None, tuple[str, ...]]:
    """Security policy and certificates that a listener of this protocol has after the call."""
    if protocol not in ("HTTP", "HTTPS"):
        raise errors.validation(f"Listener protocol '{protocol}' must be one of 'HTTPS, HTTP'")
    given = request.get("Certificates") or []
    if protocol == "HTTP":
        if given or request.get("SslPolicy"):
            raise errors.validation(
                "Certificates and security policies cannot be specified for HTTP listeners"
            )
        return None, ()
    policy = request.get("SslPolicy") or (now.ssl_policy if now else None) or DEFAULT_SSL_POLICY
    if find_ssl_policy(policy) is None:
        raise errors.ssl_policy_not_found(policy)
    if not given:
        if now is None or not now.certificates:
            raise errors.validation("A certificate must be specified for HTTPS listeners")
        return policy, now.certificates
    if len(given) != 1:
        raise errors.validation("Only one certificate can be specified as the default")
    only(given[0], {"CertificateArn"})
    arn = given[0].get("CertificateArn") or ""
    check_certificate(call, arn)
    others = now.certificates[1:] if now else ()
    return policy, (arn, *(other for other in others if other != arn))


def check_certificate(call: Call, arn: str) -> None:
    """Refuse a certificate that ACM does not know or that is not issued."""
    try:
        answer = call.invoke("acm", "DescribeCertificate", {"CertificateArn": arn})
    except AwsError as error:
        if error.code == "NotImplemented":
            raise
        raise errors.certificate_not_found(arn) from error
    if answer["Certificate"]["Status"] != "ISSUED":
        raise errors.unsupported_certificate(arn)


@operation("CreateListener")
def create_listener(call: Call, request: Request) -> Response:
    """Record the listener. The same settings on the same port again return the first one."""
    _settings(request)
    arn = request["LoadBalancerArn"]
    check_arn("load balancer", arn)
    protocol, port = request.get("Protocol"), request.get("Port")
    if protocol is None:
        raise errors.validation("A protocol must be specified")
    if port is None:
        raise errors.validation("A port must be specified")
    tags = parse_tags(request.get("Tags") or [])
    balancer = rows.get_load_balancer(call.tx, arn)
    policy, certificates = _tls(call, request, protocol, None)
    actions = parse_actions(call, balancer, protocol, port, request["DefaultActions"])
    listeners = rows.list_listeners(call.tx, arn)
    for old in listeners:
        if old.port == port:
            same = (old.protocol, old.default_actions) == (protocol, actions)
            if not same or old.certificates[:1] != certificates or old.ssl_policy != policy:
                raise errors.duplicate_listener(arn)
            return {"Listeners": [views.listener(old)]}
    if len(listeners) >= LISTENERS_MAX:
        raise errors.too_many("TooManyListeners", f"The limit of listeners is reached for '{arn}'")
    listener_id = call.ids.hex(16)
    row = Listener(
        arn=call.arn("elasticloadbalancing", f"listener/{balancer.full_name}/{listener_id}"),
        account=call.account,
        region=call.region,
        balancer_arn=arn,
        port=port,
        protocol=protocol,
        default_rule_arn=call.arn(
            "elasticloadbalancing",
            f"listener-rule/{balancer.full_name}/{listener_id}/{call.ids.hex(16)}",
        ),
        default_actions=actions,
        ssl_policy=policy,
        certificates=certificates,
        tags=tags,
    )
    rows.LISTENERS.insert(call.tx, row)
    return {"Listeners": [views.listener(row)]}


@operation("DescribeListeners")
def describe_listeners(call: Call, request: Request) -> Response:
    """The listeners of a load balancer, or those of the given ARNs."""
    balancer_arn, arns = request.get("LoadBalancerArn"), request.get("ListenerArns") or []
    if bool(balancer_arn) == bool(arns):
        raise errors.validation("You must specify either listener ARNs or a load balancer ARN")
    for arn in arns:
        check_arn("listener", arn)
    if balancer_arn:
        check_arn("load balancer", balancer_arn)
        rows.get_load_balancer(call.tx, balancer_arn)
        found: Sequence[Listener] = rows.list_listeners(call.tx, balancer_arn)
    else:
        found = [rows.get_listener(call.tx, arn) for arn in arns]
    shown, more = page("Listeners", found, request)
    return {"Listeners": [views.listener(row) for row in shown], **more}


@operation("ModifyListener")
def modify_listener(call: Call, request: Request) -> Response:
    """Replace what is given; what is left out stays."""
    _settings(request)
    check_arn("listener", request["ListenerArn"])
    row = rows.get_listener(call.tx, request["ListenerArn"])
    balancer = rows.get_load_balancer(call.tx, row.balancer_arn)
    protocol = request.get("Protocol") or row.protocol
    port = request.get("Port") or row.port
    policy, certificates = _tls(call, request, protocol, row)
    given = request.get("DefaultActions")
    actions = parse_actions(call, balancer, protocol, port, given) if given else row.default_actions
    for other in rows.list_listeners(call.tx, row.balancer_arn):
        if other.arn != row.arn and other.port == port:
            raise errors.duplicate_listener(row.balancer_arn)
    row = replace(
        row,
        protocol=protocol,
        port=port,
        ssl_policy=policy,
        certificates=certificates,
        default_actions=actions,
    )
    rows.LISTENERS.put(call.tx, row)
    return {"Listeners": [views.listener(row)]}


@operation("DeleteListener")
def delete_listener(call: Call, request: Request) -> Response:
    """Delete the listener with its rules; its target groups are free again."""
    check_arn("listener", request["ListenerArn"])
    row = rows.get_listener(call.tx, request["ListenerArn"])
    rows.RULES.delete(call.tx, listener_arn=row.arn)
    rows.LISTENERS.delete(call.tx, arn=row.arn)
    return {}


def _https(call: Call, arn: str) -> Listener:
    check_arn("listener", arn)
    row = rows.get_listener(call.tx, arn)
    if row.protocol != "HTTPS":
        raise errors.validation("Certificates can be specified for HTTPS listeners only")
    return row


@operation("AddListenerCertificates")
def add_listener_certificates(call: Call, request: Request) -> Response:
    """Add certificates that clients choose by name (SNI)."""
    row = _https(call, request["ListenerArn"])
    arns = [item["CertificateArn"] for item in request["Certificates"]]
    for arn in arns:
        check_certificate(call, arn)
    certificates = tuple(dict.fromkeys([*row.certificates, *arns]))
    if len(certificates) > CERTIFICATES_MAX + 1:
        raise errors.too_many(
            "TooManyCertificates", f"The limit of certificates is reached for '{row.arn}'"
        )
    rows.LISTENERS.put(call.tx, replace(row, certificates=certificates))
    return {"Certificates": [{"CertificateArn": a, "IsDefault": False} for a in arns]}


@operation("RemoveListenerCertificates")
def remove_listener_certificates(call: Call, request: Request) -> Response:
    """Remove certificates; the default one can only be replaced."""
    row = _https(call, request["ListenerArn"])
    arns = {item["CertificateArn"] for item in request["Certificates"]}
    if row.certificates[0] in arns:
        raise errors.operation_not_permitted("Default certificate cannot be removed")
    kept = tuple(arn for arn in row.certificates if arn not in arns)
    rows.LISTENERS.put(call.tx, replace(row, certificates=kept))
    return {}


@operation("DescribeListenerCertificates")
def describe_listener_certificates(call: Call, request: Request) -> Response:
    """The certificates of a listener, the default one first."""
    check_arn("listener", request["ListenerArn"])
    row = rows.get_listener(call.tx, request["ListenerArn"])
    shapes = [
        {"CertificateArn": arn, "IsDefault": index == 0}
        for index, arn in enumerate(row.certificates)
    ]
    shown, more = page("Certificates", shapes, request)
    return {"Certificates": list(shown), **more}


@operation("DescribeListenerAttributes")
def describe_listener_attributes(call: Call, request: Request) -> Response:
    """Every attribute with its value."""
    row = rows.get_listener(call.tx, request["ListenerArn"])
    return {"Attributes": attributes.view(attributes.LISTENER, row.attributes)}


@operation("ModifyListenerAttributes")
def modify_listener_attributes(call: Call, request: Request) -> Response:
    """Set attributes; answers the full list."""
    row = rows.get_listener(call.tx, request["ListenerArn"])
    wanted = attributes.merged(
        "Listener", attributes.LISTENER, row.attributes, request["Attributes"]
    )
    rows.LISTENERS.put(call.tx, replace(row, attributes=wanted))
    return {"Attributes": attributes.view(attributes.LISTENER, wanted)}
