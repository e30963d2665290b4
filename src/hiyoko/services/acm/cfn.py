"""CloudFormation's certificate, made by the operations that clients call.

Where ``DomainValidationOptions`` name a hosted zone, the validation CNAME is written into it, and
the resource is complete when the certificate is issued. As on AWS, deleting the certificate leaves
that record.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-certificatemanager-certificate.html
"""

from __future__ import annotations

import secrets
from typing import Any

from hiyoko.template.resource_type import (
    Handle,
    Made,
    NotStabilizedError,
    Progress,
    ResourceType,
    in_place,
    register,
    replaces,
)
from hiyoko.template.tagging import own_tags, tag_keys_to_drop, tags_to_write

VALIDATION_TTL_S = 300


def _create(handle: Handle) -> Made:
    given = handle.given(
        "DomainName", "SubjectAlternativeNames", "ValidationMethod", "KeyAlgorithm"
    )
    given.setdefault("ValidationMethod", "EMAIL")
    options = {
        "CertificateTransparencyLoggingPreference": "CertificateTransparencyLoggingPreference",
        "Export": "CertificateExport",
    }
    if chosen := {of: handle.properties[n] for of, n in options.items() if n in handle.properties}:
        given["Options"] = chosen
    if mailed := _mail_domains(handle):
        given["DomainValidationOptions"] = mailed
    if tags := own_tags(handle):
        given["Tags"] = tags
    return Made(str(handle.invoke("acm", "RequestCertificate", given)["CertificateArn"]))


def _mail_domains(handle: Handle) -> list[dict[str, str]]:
    """The options that say where mail goes; those with a hosted zone say where a record goes."""
    return [
        {"DomainName": option["DomainName"], "ValidationDomain": option["ValidationDomain"]}
        for option in handle.properties.get("DomainValidationOptions", [])
        if "ValidationDomain" in option
    ]


def _describe(handle: Handle) -> dict[str, Any]:
    answer = handle.invoke("acm", "DescribeCertificate", {"CertificateArn": handle.physical_id})
    return dict(answer["Certificate"])


def _stable(handle: Handle) -> Progress:
    certificate = _describe(handle)
    status = certificate["Status"]
    if status == "ISSUED":
        return Progress.DONE
    if status != "PENDING_VALIDATION":
        raise NotStabilizedError(
            f"Certificate {handle.physical_id} is {status}: {certificate.get('FailureReason', '')}"
        )
    _write_validation_records(handle, certificate)
    return Progress.WAITING


def _note(handle: Handle) -> str:
    """The record to write, as AWS's event tells it."""
    for option in _describe(handle).get("DomainValidationOptions", []):
        if record := option.get("ResourceRecord"):
            name, kind, value = record["Name"], record["Type"], record["Value"]
            return f"Content of DNS Record is: {{Name: {name},Type: {kind},Value: {value}}}"
        if addresses := option.get("ValidationEmails"):
            return (
                f"ACM asks by email, at {', '.join(addresses)}. No mail leaves this cloud, so"
                " nobody can answer: set ValidationMethod to DNS."
            )
    return ""


def _write_validation_records(handle: Handle, certificate: dict[str, Any]) -> None:
    wanted: dict[str, dict[str, dict[str, str]]] = {}
    zones = {
        option["DomainName"].lower().rstrip("."): option["HostedZoneId"]
        for option in handle.properties.get("DomainValidationOptions", [])
        if "HostedZoneId" in option
    }
    for option in certificate.get("DomainValidationOptions", []):
        zone_id = zones.get(option["DomainName"].lower().rstrip("."))
        record = option.get("ResourceRecord")
        if zone_id and record:
            wanted.setdefault(zone_id, {})[record["Name"]] = record
    for zone_id, records in wanted.items():
        there = _validation_records(handle, zone_id)
        changes = [
            _upsert(record) for name, record in records.items() if name.rstrip(".") not in there
        ]
        if changes:
            request = {"HostedZoneId": zone_id, "ChangeBatch": {"Changes": changes}}
            handle.invoke("route53", "ChangeResourceRecordSets", request)


def _validation_records(handle: Handle, zone_id: str) -> set[str]:
    """Names of the CNAMEs that are there: writing one again would be a change each time."""
    found: set[str] = set()
    request: dict[str, Any] = {"HostedZoneId": zone_id}
    while True:
        answer = handle.invoke("route53", "ListResourceRecordSets", request)
        found |= {
            record["Name"].rstrip(".")
            for record in answer["ResourceRecordSets"]
            if record["Type"] == "CNAME"
        }
        if not answer.get("IsTruncated"):
            return found
        request = {
            "HostedZoneId": zone_id,
            "StartRecordName": answer["NextRecordName"],
            "StartRecordType": answer["NextRecordType"],
        }


def _upsert(record: dict[str, str]) -> dict[str, Any]:
    return {
        "Action": "UPSERT",
        "ResourceRecordSet": {
            "Name": record["Name"],
            "Type": record["Type"],
            "TTL": VALIDATION_TTL_S,
            "ResourceRecords": [{"Value": record["Value"]}],
        },
    }


def _update(handle: Handle) -> None:
    arn = handle.physical_id
    if drop := tag_keys_to_drop(handle):
        tags = [{"Key": key} for key in drop]
        handle.invoke("acm", "RemoveTagsFromCertificate", {"CertificateArn": arn, "Tags": tags})
    if write := tags_to_write(handle):
        handle.invoke("acm", "AddTagsToCertificate", {"CertificateArn": arn, "Tags": write})


def _delete(handle: Handle) -> None:
    handle.invoke("acm", "DeleteCertificate", {"CertificateArn": handle.physical_id})


def _configure(handle: Handle) -> Made:
    """An account's settings are there before and after: a stack only changes them.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-certificatemanager-account.html
    """
    _reconfigure(handle)
    return Made(handle.account)


def _reconfigure(handle: Handle) -> None:
    request = {
        "ExpiryEvents": handle.properties["ExpiryEventsConfiguration"],
        "IdempotencyToken": secrets.token_hex(16),
    }
    handle.invoke("acm", "PutAccountConfiguration", request)


register(
    ResourceType(
        "AWS::CertificateManager::Certificate",
        {
            **in_place("Tags"),
            **replaces("DomainName", "SubjectAlternativeNames", "DomainValidationOptions"),
            **replaces("ValidationMethod", "KeyAlgorithm"),
            **replaces("CertificateTransparencyLoggingPreference", "CertificateExport"),
        },
        _create,
        _delete,
        _update,
        stable=_stable,
        note=_note,
        read=lambda handle: {"CertificateArn": handle.physical_id},
        required=frozenset({"DomainName"}),
        attributes=frozenset({"CertificateArn"}),
        tags=True,
    ),
    ResourceType(
        "AWS::CertificateManager::Account",
        in_place("ExpiryEventsConfiguration"),
        _configure,
        update=_reconfigure,
        required=frozenset({"ExpiryEventsConfiguration"}),
        read=lambda handle: {"AccountId": handle.account},
        attributes=frozenset({"AccountId"}),
    ),
)
