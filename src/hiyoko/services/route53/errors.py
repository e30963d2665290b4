"""Route 53's error codes with its wording.

https://docs.aws.amazon.com/Route53/latest/APIReference/CommonErrors.html and each operation's page.
"""

from __future__ import annotations

from collections.abc import Sequence

from hiyoko.api import AwsError


def no_such_hosted_zone(zone_id: str) -> AwsError:
    """The account has no zone of this id."""
    return AwsError("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}", status=404)


def managed_elsewhere(zone_id: str, owner: str) -> AwsError:
    """The zone belongs to another service, which alone changes what is in it."""
    return AwsError(
        "AccessDenied",
        f"The resource hostedzone/{zone_id} can only be managed through AWS Cloud Map ({owner})",
        status=403,
    )


def no_such_change(change_id: str) -> AwsError:
    """The account made no change of this id."""
    return AwsError("NoSuchChange", f"Could not find resource with ID: {change_id}", status=404)


def no_such_health_check(check_id: str) -> AwsError:
    """The account has no health check of this id."""
    return AwsError("NoSuchHealthCheck", f"No health check found with ID: {check_id}", status=404)


def health_check_already_exists() -> AwsError:
    """The caller reference made another health check, or one that is gone."""
    return AwsError(
        "HealthCheckAlreadyExists",
        "A health check has already been created with the specified caller reference.",
        status=409,
    )


def health_check_version_mismatch() -> AwsError:
    """Somebody else has updated the health check since it was read."""
    return AwsError(
        "HealthCheckVersionMismatch",
        "The value of HealthCheckVersion in the request doesn't match the value of"
        " HealthCheckVersion in the health check.",
        status=409,
    )


def health_check_in_use(check_id: str) -> AwsError:
    """A calculated health check counts on this one."""
    return AwsError(
        "HealthCheckInUse", f"The health check {check_id} is a child of a calculated health check."
    )


def too_many_health_checks(limit: int) -> AwsError:
    """The account has as many health checks as it may."""
    return AwsError(
        "TooManyHealthChecks", f"This account can't have more than {limit} health checks."
    )


def hosted_zone_already_exists() -> AwsError:
    """A caller reference makes one zone, ever."""
    return AwsError(
        "HostedZoneAlreadyExists",
        "A hosted zone has already been created with the specified caller reference.",
        status=409,
    )


def invalid_domain_name(name: str) -> AwsError:
    """The name can't be a hosted zone's."""
    return AwsError("InvalidDomainName", f"{name} is not a valid domain name.")


def hosted_zone_not_empty() -> AwsError:
    """More than the apex SOA and NS is left. Route 53's text has the two blanks."""
    return AwsError(
        "HostedZoneNotEmpty",
        "The specified hosted zone contains non-required resource record sets "
        " and so cannot be deleted.",
    )


def delegation_set_not_available() -> AwsError:
    """Every name server already serves a zone of this name."""
    return AwsError(
        "DelegationSetNotAvailable",
        "Amazon Route 53 could not find a delegation set that does not conflict.",
    )


def no_such_delegation_set(set_id: str) -> AwsError:
    """The account has no reusable set of this id."""
    return AwsError("NoSuchDelegationSet", f"No delegation set found with ID: {set_id}")


def delegation_set_already_created() -> AwsError:
    """The caller reference has made a set."""
    return AwsError(
        "DelegationSetAlreadyCreated",
        "A delegation set with the same owner and caller reference combination has already been"
        " created.",
    )


def delegation_set_already_reusable() -> AwsError:
    """The zone's name servers are a reusable set's."""
    return AwsError(
        "DelegationSetAlreadyReusable",
        "The specified delegation set has already been marked as reusable.",
    )


def delegation_set_in_use() -> AwsError:
    """Zones are answered by the set's name servers."""
    return AwsError(
        "DelegationSetInUse",
        "The specified delegation set contains associated hosted zones, which must be deleted"
        " before the delegation set can be deleted.",
    )


def hosted_zone_not_found(zone_id: str) -> AwsError:
    """The zone whose name servers are to be a reusable set's is not there."""
    return AwsError("HostedZoneNotFound", f"The hosted zone {zone_id} can't be found.")


def conflicting_name_servers(name: str, other: str) -> AwsError:
    """Zones of one name, or one right above the other, share no name server."""
    return AwsError(
        "ConflictingDomainExists",
        f"The hosted zone {name} would share name servers with the hosted zone {other}. Use another"
        " delegation set.",
    )


def no_such_geo_location() -> AwsError:
    """Route 53 knows no such place."""
    return AwsError(
        "NoSuchGeoLocation",
        "The geographic location that you specified is not supported.",
        status=404,
    )


def invalid_input(message: str) -> AwsError:
    """The request's parts do not fit together."""
    return AwsError("InvalidInput", message)


def invalid_change_batch(messages: Sequence[str]) -> AwsError:
    """One text per change that can't be made."""
    return AwsError("InvalidChangeBatch", f"[{', '.join(messages)}]")


def invalid_vpc_id() -> AwsError:
    """There is no such VPC in that Region."""
    return AwsError("InvalidVPCId", "The VPC ID is invalid.")


def public_zone_vpc_association() -> AwsError:
    """Only private zones are seen by VPCs."""
    return AwsError(
        "PublicZoneVPCAssociation", "You're trying to associate a VPC with a public hosted zone."
    )


def last_vpc_association() -> AwsError:
    """A private zone keeps at least one VPC."""
    return AwsError(
        "LastVPCAssociation",
        "The specified VPC is the last one associated with the private hosted zone.",
    )


def vpc_association_not_found(vpc_id: str, zone_id: str) -> AwsError:
    """The VPC doesn't see the zone."""
    return AwsError(
        "VPCAssociationNotFound",
        f"The VPC: {vpc_id} is not associated with the hosted zone {zone_id}.",
        status=404,
    )


def conflicting_domain_exists(vpc_id: str, region: str, name: str) -> AwsError:
    """The VPC already sees a private zone of the same name."""
    return AwsError(
        "ConflictingDomainExists",
        f"The VPC that you chose, {vpc_id} in region {region}, is already associated with another"
        f" private hosted zone that has an overlapping name space, {name}.",
    )


def no_such_cidr_collection(collection_id: str) -> AwsError:
    """The account has no CIDR collection of this id."""
    return AwsError(
        "NoSuchCidrCollectionException",
        f"The CIDR collection {collection_id} was not found.",
        status=404,
    )


def no_such_cidr_location(location: str) -> AwsError:
    """The collection has no location of this name."""
    return AwsError(
        "NoSuchCidrLocationException", f"The CIDR location {location} was not found.", status=404
    )


def cidr_collection_exists(name: str) -> AwsError:
    """A collection of this name, or of this caller reference with another name, exists."""
    return AwsError(
        "CidrCollectionAlreadyExistsException", f"A CIDR collection named {name} already exists."
    )


def cidr_collection_in_use(why: str) -> AwsError:
    """The collection still holds locations, or record sets go by it."""
    return AwsError("CidrCollectionInUseException", why)


def cidr_version_mismatch(version: int) -> AwsError:
    """Somebody else has changed the collection since it was read."""
    return AwsError(
        "CidrCollectionVersionMismatchException",
        f"The CIDR collection's current version is {version}.",
        status=409,
    )


def cidr_block_in_use(text: str) -> AwsError:
    """The block is in another location, or record sets go by its location."""
    return AwsError("CidrBlockInUseException", text)


def limits_exceeded(text: str) -> AwsError:
    """A quota of the account or of a resource."""
    return AwsError("LimitsExceeded", text)


def no_such_traffic_policy(policy_id: str, version: int | None = None) -> AwsError:
    """The account has no such policy, or not this version of it."""
    which = policy_id if version is None else f"{policy_id} and version {version}"
    return AwsError("NoSuchTrafficPolicy", f"No traffic policy exists with ID {which}", status=404)


def traffic_policy_exists(name: str) -> AwsError:
    """Names of traffic policies are unique."""
    return AwsError(
        "TrafficPolicyAlreadyExists", f"A traffic policy named {name} already exists.", status=409
    )


def traffic_policy_in_use(policy_id: str) -> AwsError:
    """An instance goes by the policy."""
    return AwsError(
        "TrafficPolicyInUse",
        f"The traffic policy {policy_id} is in use by a traffic policy instance.",
    )


def invalid_traffic_policy(text: str) -> AwsError:
    """The document is none."""
    return AwsError("InvalidTrafficPolicyDocument", text)


def too_many(what: str, limit: int) -> AwsError:
    """TooManyTrafficPolicies and its like."""
    return AwsError(f"TooMany{what}", f"This account can't have more than {limit} of them.")


def no_such_traffic_policy_instance(instance_id: str) -> AwsError:
    """The account has no such instance."""
    return AwsError(
        "NoSuchTrafficPolicyInstance",
        f"No traffic policy instance exists with ID {instance_id}",
        status=404,
    )


def traffic_policy_instance_exists(name: str, kind: str) -> AwsError:
    """The name and type are another instance's already."""
    return AwsError(
        "TrafficPolicyInstanceAlreadyExists",
        f"A traffic policy instance with DNS name {name}, type {kind} already exists.",
        status=409,
    )


def no_such_query_logging_config(config_id: str) -> AwsError:
    """The account has no such configuration."""
    return AwsError(
        "NoSuchQueryLoggingConfig",
        f"No query logging configuration exists with ID {config_id}",
        status=404,
    )


def query_logging_exists(zone_id: str) -> AwsError:
    """A zone logs its queries to one place."""
    return AwsError(
        "QueryLoggingConfigAlreadyExists",
        f"A query logging configuration already exists for the hosted zone {zone_id}.",
        status=409,
    )


def no_such_log_group(arn: str) -> AwsError:
    """The log group is not there, or not where Route 53 writes."""
    return AwsError(
        "NoSuchCloudWatchLogsLogGroup",
        f"The specified CloudWatch Logs log group doesn't exist: {arn}",
        status=404,
    )


def conflicting_types(old: str, new: str) -> AwsError:
    """An instance answers one type of question for as long as it lives."""
    return AwsError(
        "ConflictingTypes",
        f"The traffic policy makes records of type {new}; the instance's are of type {old}.",
    )


def no_such_key_signing_key(name: str) -> AwsError:
    """The zone has no key-signing key of this name."""
    text = f"Key Signing Key with name {name} does not exist."
    return AwsError("NoSuchKeySigningKey", text, status=404)


def key_signing_key_already_exists(what: str) -> AwsError:
    """The zone has a key of this name, or of this customer managed key."""
    text = f"A Key Signing Key with {what} already exists in this hosted zone."
    return AwsError("KeySigningKeyAlreadyExists", text, status=409)


def too_many_key_signing_keys(limit: int) -> AwsError:
    """A zone has two keys at most."""
    text = f"This hosted zone can't have more than {limit} Key Signing Keys."
    return AwsError("TooManyKeySigningKeys", text)


def invalid_key_signing_key_name(name: str) -> AwsError:
    """A name has letters, digits and underscores, 3 to 128 of them."""
    return AwsError("InvalidKeySigningKeyName", f"{name} is not a valid Key Signing Key name.")


def invalid_key_signing_key_status(text: str) -> AwsError:
    """The key can't be dealt with so in its status."""
    return AwsError("InvalidKeySigningKeyStatus", text)


def invalid_kms_arn(text: str) -> AwsError:
    """The customer managed key can't sign for a zone."""
    return AwsError("InvalidKMSArn", text)


def key_signing_key_in_use(name: str) -> AwsError:
    """The only active key of a zone that is being signed."""
    return AwsError(
        "KeySigningKeyInUse",
        f"Key Signing Key with name {name} can't be deactivated because it's the only ACTIVE one of"
        " a hosted zone with DNSSEC signing enabled.",
    )


def key_signing_key_in_parent(name: str) -> AwsError:
    """Without the key, validating resolvers would believe nothing of the zone any more."""
    return AwsError(
        "KeySigningKeyInParentDSRecord",
        f"Key Signing Key with name {name} is specified in a DS record of the parent zone.",
    )


def no_active_key_signing_key(zone_id: str) -> AwsError:
    """Nobody could sign the zone's keys."""
    return AwsError(
        "KeySigningKeyWithActiveStatusNotFound",
        f"Hosted zone with ID '{zone_id}' does not have a Key Signing Key in ACTIVE status.",
    )


def dnssec_not_found(zone_id: str) -> AwsError:
    """Signing is not enabled."""
    text = f"DNSSEC signing is not enabled for the hosted zone with ID '{zone_id}'."
    return AwsError("DNSSECNotFound", text)


def invalid_argument(message: str) -> AwsError:
    """What was asked for does not exist for this zone."""
    return AwsError("InvalidArgument", message)


def hosted_zone_has_keys() -> AwsError:
    """The key-signing keys have to be deleted first."""
    return AwsError(
        "HostedZoneNotEmpty",
        "The specified hosted zone contains DNSSEC Key Signing Keys and so cannot be deleted.",
    )
