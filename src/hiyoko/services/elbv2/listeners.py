"""CreateListener and its kin, with certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.elbv2 import attributes, errors, mutual_authentication, rows, views
from hiyoko.services.elbv2.actions import parse_actions
from hiyoko.services.elbv2.model import Listener, find_ssl_policy
from hiyoko.services.elbv2.requests import check_arn, only, page, parse_tags
from hiyoko.services.elbv2.ssl_policies import DEFAULT_SSL_POLICY

LISTENERS_MAX = 50
CERTIFICATES_MAX = 25
WEAK_KEYS = frozenset({"RSA-1024"})
WEAK_SIGNATURES = ("MD5", "SHA1")
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html"""
_SETTINGS = frozenset(
    ["Protocol", "Port", "SslPolicy", "Certificates", "DefaultActions", "MutualAuthentication"]
)


def _settings(request: Request) -> None:
    if request.get("AlpnPolicy"):
        raise errors.alpn_policy_not_supported()
    only(request, _SETTINGS | {"LoadBalancerArn", "ListenerArn", "Tags"})


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
    (arn,) = _arns(given)
    check_certificate(call, arn)
    return policy, (arn, *(now.certificates[1:] if now else ()))


def _arns(given: Sequence[Request]) -> list[str]:
    """The certificates that a request names. Only answers say which one is the default."""
    if any(item.get("IsDefault") is not None for item in given):
        raise errors.validation("You cannot set the isDefault parameter for a certificate")
    return [item.get("CertificateArn") or "" for item in given]


def check_certificate(call: Call, arn: str) -> None:
    """Refuse a certificate that ACM does not know, that is not issued, or that is too weak.

    A weak one must not come to a node: OpenSSL would refuse it, with the whole configuration.
    """
    try:
        answer = call.invoke("acm", "DescribeCertificate", {"CertificateArn": arn})
    except AwsError as error:
        if error.code == "NotImplemented":
            raise
        raise errors.certificate_not_found(arn) from error
    told = answer["Certificate"]
    weak = (
        told["KeyAlgorithm"].replace("_", "-") in WEAK_KEYS
        or told.get("SignatureAlgorithm", "").startswith(WEAK_SIGNATURES)
        or "." not in told["DomainName"]
    )
    if told["Status"] != "ISSUED" or weak:
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
    mutual = mutual_authentication.wanted(call, request, protocol, arn, None)
    actions = parse_actions(call, balancer, protocol, port, request["DefaultActions"])
    listeners = rows.list_listeners(call.tx, arn)
    for old in listeners:
        if old.port == port:
            same = (old.protocol, old.default_actions) == (protocol, actions)
            tls = (old.certificates[:1], old.ssl_policy, old.mutual)
            if not same or tls != (certificates, policy, mutual):
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
        mutual=mutual,
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
    mutual = mutual_authentication.wanted(call, request, protocol, balancer.arn, row)
    given = request.get("DefaultActions")
    actions = row.default_actions
    if given:
        actions = parse_actions(call, balancer, protocol, port, given, actions)
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
        mutual=mutual,
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
    """Add certificates to the list that clients choose from by name (SNI).

    The default certificate may be in the list too. The quota is the load balancer's.
    """
    row = _https(call, request["ListenerArn"])
    arns = _arns(request["Certificates"])
    for arn in arns:
        check_certificate(call, arn)
    listed = tuple(dict.fromkeys([*row.certificates[1:], *arns]))
    others = sum(
        len(other.certificates[1:])
        for other in rows.list_listeners(call.tx, row.balancer_arn)
        if other.arn != row.arn
    )
    if len(listed) + others > CERTIFICATES_MAX:
        raise errors.too_many_certificates(row.balancer_arn)
    rows.LISTENERS.put(call.tx, replace(row, certificates=(row.certificates[0], *listed)))
    return {"Certificates": [{"CertificateArn": a, "IsDefault": False} for a in arns]}


@operation("RemoveListenerCertificates")
def remove_listener_certificates(call: Call, request: Request) -> Response:
    """Remove certificates from the list; the default one can only be replaced."""
    row = _https(call, request["ListenerArn"])
    arns = set(_arns(request["Certificates"]))
    default, *listed = row.certificates
    if default in arns and default not in listed:
        raise errors.operation_not_permitted("Default certificate cannot be removed")
    kept = tuple(arn for arn in listed if arn not in arns)
    rows.LISTENERS.put(call.tx, replace(row, certificates=(default, *kept)))
    return {}


@operation("DescribeListenerCertificates")
def describe_listener_certificates(call: Call, request: Request) -> Response:
    """The default certificate, then the list; the default one is shown twice if it is in both."""
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
