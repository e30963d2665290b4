"""AWS's errors in AWS's words.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from hiyoko.api import AwsError


def validation(message: str) -> AwsError:
    """The most common code; it is not in the API model."""
    return AwsError("ValidationError", message)


def load_balancer_not_found(arn: str | None = None) -> AwsError:
    """No such load balancer; without an ARN, Describe's wording."""
    if arn is None:
        return AwsError("LoadBalancerNotFound", "One or more load balancers not found")
    return AwsError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")


def target_group_not_found(arn: str | None = None) -> AwsError:
    """No such target group; without an ARN, Describe's wording."""
    if arn is None:
        return AwsError("TargetGroupNotFound", "One or more target groups not found")
    return AwsError("TargetGroupNotFound", f"Target group '{arn}' not found")


def listener_not_found(arn: str | None = None) -> AwsError:
    """No such listener."""
    return AwsError("ListenerNotFound", "One or more listeners not found")


def rule_not_found(arn: str | None = None) -> AwsError:
    """No such rule."""
    return AwsError("RuleNotFound", "One or more rules not found")


def duplicate_load_balancer(name: str) -> AwsError:
    """The name is taken by a load balancer with other settings."""
    return AwsError(
        "DuplicateLoadBalancerName",
        f"A load balancer with the same name '{name}' exists, but with different settings",
    )


def duplicate_target_group(name: str) -> AwsError:
    """The name is taken by a target group with other settings."""
    return AwsError(
        "DuplicateTargetGroupName",
        f"A target group with the same name '{name}' exists, but with different settings",
    )


def duplicate_listener(balancer_arn: str) -> AwsError:
    """The port is taken."""
    return AwsError(
        "DuplicateListener",
        f"A listener already exists on this port for this load balancer '{balancer_arn}'",
    )


def priority_in_use(priority: int) -> AwsError:
    """Another rule has this priority."""
    return AwsError("PriorityInUse", f"Priority '{priority}' is currently in use")


def invalid_configuration(message: str) -> AwsError:
    """The parts do not fit each other."""
    return AwsError("InvalidConfigurationRequest", message)


def invalid_action(message: str) -> AwsError:
    """The action cannot be carried out."""
    return AwsError("InvalidLoadBalancerAction", message)


def operation_not_permitted(message: str) -> AwsError:
    """Refused in this state."""
    return AwsError("OperationNotPermitted", message)


def group_in_use(arn: str) -> AwsError:
    """A listener or rule still forwards to the group."""
    return AwsError(
        "ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule"
    )


def group_of_another_balancer(arn: str) -> AwsError:
    """A target group serves one load balancer only."""
    return AwsError(
        "TargetGroupAssociationLimit",
        "The following target groups cannot be associated with more than one load balancer: " + arn,
    )


def certificate_not_found(arn: str) -> AwsError:
    """ACM knows no such certificate."""
    return AwsError("CertificateNotFound", f"Certificate '{arn}' not found")


def unsupported_certificate(arn: str) -> AwsError:
    """The certificate cannot be used: AWS says the same of one that is not issued yet."""
    return AwsError(
        "UnsupportedCertificate",
        f"The certificate '{arn}' must have a fully-qualified domain name, a supported "
        "signature, and a supported key size.",
    )


def ssl_policy_not_found(name: str) -> AwsError:
    """No such policy, or one that is not offered here."""
    return AwsError("SSLPolicyNotFound", f"SSL policy '{name}' not found")


def subnet_not_found(subnet_id: str) -> AwsError:
    """EC2 knows no such subnet."""
    return AwsError("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")


def too_many(code: str, message: str) -> AwsError:
    """A quota is used up."""
    return AwsError(code, message)


def too_many_certificates(arn: str) -> AwsError:
    """The listener's balancer has as many certificates as it may, besides the default ones."""
    return AwsError("TooManyCertificates", f"The limit of certificates is reached for '{arn}'")


def alpn_policy_not_supported() -> AwsError:
    """ALPN policies are a Network Load Balancer's; an ALB's follows ``routing.http2.enabled``."""
    return AwsError(
        "ALPNPolicyNotFound", "ALPN policies are not supported for this listener protocol"
    )


def trust_store_not_found(arn: str | None = None) -> AwsError:
    """No such trust store; without an ARN, Describe's wording."""
    if arn is None:
        return AwsError("TrustStoreNotFound", "One or more trust stores not found")
    return AwsError("TrustStoreNotFound", f"Trust store '{arn}' not found")


def duplicate_trust_store(name: str) -> AwsError:
    """The name is taken."""
    return AwsError(
        "DuplicateTrustStoreName", f"A trust store with the same name '{name}' already exists"
    )


def trust_store_in_use(arn: str) -> AwsError:
    """A listener still verifies clients against it."""
    return AwsError(
        "TrustStoreInUse", f"Trust store '{arn}' is currently in use by one or more listeners"
    )


def invalid_ca_bundle(why: str) -> AwsError:
    """The object is there, and is no bundle of certificate authorities."""
    return AwsError(
        "InvalidCaCertificatesBundle", f"The CA certificates bundle is not valid: {why}"
    )


def ca_bundle_not_found(bucket: str, key: str) -> AwsError:
    """S3 gives no such object."""
    return AwsError(
        "CaCertificatesBundleNotFound",
        f"The CA certificates bundle was not found at bucket '{bucket}' and key '{key}'",
    )


def invalid_revocation_content(why: str) -> AwsError:
    """The object is there, and is no certificate revocation list."""
    return AwsError("InvalidRevocationContent", f"The revocation content is not valid: {why}")


def revocation_content_not_found(bucket: str, key: str) -> AwsError:
    """S3 gives no such object."""
    return AwsError(
        "RevocationContentNotFound",
        f"The revocation content was not found at bucket '{bucket}' and key '{key}'",
    )


def revocation_id_not_found(revocation_id: int) -> AwsError:
    """The trust store has no revocation list of this id."""
    return AwsError("RevocationIdNotFound", f"Revocation ID '{revocation_id}' not found")
