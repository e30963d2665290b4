"""Certificates of listeners, security policies, trust stores: AWS's words and shapes.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/
"""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from tests.api.test_elbv2 import ARN, Cloud, cloud, refused
from tests.plane.tls_world import make, revoking

import hiyoko.services.cloudformation  # noqa: F401  registers the operations
from hiyoko import api
from hiyoko.gateway.local import LocalRoutes
from hiyoko.neighbours import Neighbours
from hiyoko.reconcile.balancer_tls import tls_notes
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.services.acm.seen import ISSUED_SEEN, IssuedSeen
from hiyoko.services.elbv2.seen import TLS_LIBRARY_SEEN, TlsLibrarySeen
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES
from hiyoko.settings import Settings

__all__ = ["cloud"]
HERE = {"account": "123456789012", "region": "ap-northeast-1"}
MISSING = f"{ARN}:truststore/none/0123456789abcdef"


@pytest.fixture
def bucket() -> Iterator[Any]:
    """S3 as it is: a function that puts an object into the bucket ``trust``."""
    neighbours = Neighbours()
    api.use_neighbours(neighbours.ask)

    def put(key: str, body: str | bytes) -> dict[str, str]:
        raw = body.encode() if isinstance(body, str) else body
        told = api.ask_neighbour(
            "s3", "PutObject", {"Bucket": "trust", "Key": key, "Body": raw}, **HERE
        )
        return {"version": told.get("VersionId", "")}

    api.ask_neighbour(
        "s3",
        "CreateBucket",
        {"Bucket": "trust", "CreateBucketConfiguration": {"LocationConstraint": HERE["region"]}},
        **HERE,
    )
    yield put
    asyncio.run(neighbours.reset())


def issued(cloud: Cloud, *names: str) -> list[str]:
    arns = []
    for name in names:
        asked = cloud("RequestCertificate", "acm", DomainName=name, ValidationMethod="DNS")
        arns.append(str(asked["CertificateArn"]))
        with cloud.store.transaction() as tx:
            ISSUED_SEEN.put(tx, IssuedSeen(arns[-1], "pem", "pem", "01", 1.0, 4e9, 2.0))
    return arns


def https(cloud: Cloud, balancer: str, arn: str, port: int = 443, **changes: Any) -> str:
    action = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    changes = {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": arn}], **changes}
    return cloud.listener(balancer, "", port, DefaultActions=[action], **changes)


def listed(cloud: Cloud, listener: str) -> list[tuple[str, bool]]:
    told = cloud("DescribeListenerCertificates", ListenerArn=listener)["Certificates"]
    return [(item["CertificateArn"], item["IsDefault"]) for item in told]


def test_a_listener_has_a_default_certificate_and_a_list(cloud: Cloud) -> None:
    first, second, third = issued(cloud, "a.com", "b.com", "c.com")
    listener = https(cloud, cloud.balancer(), first)
    given = [{"CertificateArn": second}, {"CertificateArn": third}]
    told = cloud("AddListenerCertificates", ListenerArn=listener, Certificates=given)
    assert [item["IsDefault"] for item in told["Certificates"]] == [False, False]
    # Adding again is no error and adds nothing.
    cloud("AddListenerCertificates", ListenerArn=listener, Certificates=given[:1])
    assert listed(cloud, listener) == [(first, True), (second, False), (third, False)]
    shown = cloud("DescribeListeners", ListenerArns=[listener])["Listeners"][0]
    assert shown["Certificates"] == [{"CertificateArn": first}]
    # The default one may be in the list as well: then it is told twice.
    cloud("AddListenerCertificates", ListenerArn=listener, Certificates=[{"CertificateArn": first}])
    assert listed(cloud, listener)[0] == (first, True)
    assert (first, False) in listed(cloud, listener)
    page = cloud("DescribeListenerCertificates", ListenerArn=listener, PageSize=3)
    assert len(page["Certificates"]) == 3
    assert page["NextMarker"]
    # Another default one: the list stays as it is.
    cloud("ModifyListener", ListenerArn=listener, Certificates=[{"CertificateArn": second}])
    assert listed(cloud, listener) == [
        (second, True), (second, False), (third, False), (first, False),
    ]  # fmt: skip
    gone = [{"CertificateArn": second}, {"CertificateArn": first}]
    cloud("RemoveListenerCertificates", ListenerArn=listener, Certificates=gone)
    assert listed(cloud, listener) == [(second, True), (third, False)]
    with refused("OperationNotPermitted", "Default certificate cannot be removed"):
        cloud("RemoveListenerCertificates", ListenerArn=listener, Certificates=gone)


def test_certificates_are_counted_per_load_balancer(cloud: Cloud) -> None:
    arns = issued(cloud, *(f"n{number}.com" for number in range(28)))
    balancer = cloud.balancer()
    one, two = https(cloud, balancer, arns[26]), https(cloud, balancer, arns[27], 8443)
    for arn in arns[:13]:
        cloud("AddListenerCertificates", ListenerArn=one, Certificates=[{"CertificateArn": arn}])
    rest = [{"CertificateArn": arn} for arn in arns[13:25]]
    cloud("AddListenerCertificates", ListenerArn=two, Certificates=rest)
    with refused("TooManyCertificates"):
        cloud(
            "AddListenerCertificates",
            ListenerArn=two,
            Certificates=[{"CertificateArn": arns[25]}],
        )


def test_certificates_that_cannot_be_are_refused(cloud: Cloud) -> None:
    (arn,) = issued(cloud, "a.com")
    balancer = cloud.balancer()
    listener = https(cloud, balancer, arn)
    plain = cloud.listener(balancer, cloud.group())
    pending = cloud("RequestCertificate", "acm", DomainName="p.com", ValidationMethod="DNS")
    add, given = "AddListenerCertificates", [{"CertificateArn": arn}]
    with refused("ValidationError", "HTTPS listeners only"):
        cloud(add, ListenerArn=plain, Certificates=given)
    with refused("ListenerNotFound"):
        gone = listener[:-16] + "f" * 16
        cloud(add, ListenerArn=gone, Certificates=given)
    with refused("ValidationError", "is not a valid listener ARN"):
        cloud(add, ListenerArn="nonsense", Certificates=given)
    with refused("UnsupportedCertificate", "fully-qualified domain name"):
        cloud(add, ListenerArn=listener, Certificates=[pending])
    for missing in ("", "nonsense", arn[:-12] + "f" * 12):
        with refused("CertificateNotFound", "not found"):
            cloud(add, ListenerArn=listener, Certificates=[{"CertificateArn": missing}])
    # Certificates are their Region's.
    asked = {"DomainName": "a.com", "ValidationMethod": "DNS"}
    far = api.invoke(cloud.store, "acm", "RequestCertificate", asked, region="us-east-1")
    with refused("CertificateNotFound"):
        cloud(add, ListenerArn=listener, Certificates=[far])
    with refused("CertificateNotFound"):
        iam = "arn:aws:iam::123456789012:server-certificate/mine"
        cloud(add, ListenerArn=listener, Certificates=[{"CertificateArn": iam}])
    with refused("ValidationError", "isDefault"):
        cloud(add, ListenerArn=listener, Certificates=[{**given[0], "IsDefault": True}])
    with refused("ALPNPolicyNotFound"):
        https(cloud, balancer, arn, 8443, AlpnPolicy=["HTTP2Only"])
    with refused("SSLPolicyNotFound", "SSL policy 'ELBSecurityPolicy-2014-01' not found"):
        https(cloud, balancer, arn, 8443, SslPolicy="ELBSecurityPolicy-2014-01")
    with refused("ValidationError", "cannot be specified for HTTP listeners"):
        cloud("ModifyListener", ListenerArn=plain, SslPolicy="ELBSecurityPolicy-2016-08")


@pytest.mark.parametrize(
    "weak",
    [
        {"KeyAlgorithm": "RSA-1024"},
        {"SignatureAlgorithm": "SHA1WITHRSA"},
        {"SignatureAlgorithm": "MD5WITHRSA"},
        {"DomainName": "localhost"},
        {"Status": "EXPIRED"},
    ],
    ids=str,
)
def test_a_weak_certificate_comes_to_no_listener(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, weak: dict[str, str]
) -> None:
    (arn,) = issued(cloud, "a.com")
    describe = api.find_operation("acm", "DescribeCertificate")

    def weaker(call: api.Call, request: api.Request) -> api.Response:
        told = describe(call, request)
        return {"Certificate": {**told["Certificate"], **weak}}

    monkeypatch.setitem(api._operations, ("acm", "DescribeCertificate"), weaker)
    with refused("UnsupportedCertificate", "a supported key size"):
        https(cloud, cloud.balancer(), arn)


def test_every_policy_is_described_and_accepted(cloud: Cloud) -> None:
    told = cloud("DescribeSSLPolicies", PageSize=400)["SslPolicies"]
    assert len(told) == 45
    by_name = {policy["Name"]: policy for policy in told}
    old = by_name["ELBSecurityPolicy-2016-08"]
    assert old["SslProtocols"] == ["TLSv1", "TLSv1.1", "TLSv1.2"]
    assert old["Ciphers"][0] == {"Name": "ECDHE-ECDSA-AES128-GCM-SHA256", "Priority": 1}
    assert [item["Priority"] for item in old["Ciphers"]] == list(range(1, 19))
    assert old["SupportedLoadBalancerTypes"] == ["application", "network"]
    assert cloud("DescribeSSLPolicies", LoadBalancerType="gateway")["SslPolicies"] == []
    assert len(cloud("DescribeSSLPolicies", LoadBalancerType="application")["SslPolicies"]) == 45
    with refused("SSLPolicyNotFound"):
        cloud("DescribeSSLPolicies", Names=["ELBSecurityPolicy-2016-08", "x"])
    (arn,) = issued(cloud, "a.com")
    listener = https(cloud, cloud.balancer(), arn)
    for name in SSL_POLICIES:
        changed = cloud("ModifyListener", ListenerArn=listener, SslPolicy=name)["Listeners"][0]
        assert changed["SslPolicy"] == name


def test_what_the_library_lacks_of_a_policy_is_told_and_nothing_else(cloud: Cloud) -> None:
    (arn,) = issued(cloud, "a.com")
    listener = https(cloud, cloud.balancer(), arn)

    def notes(policy: str, *, hybrid: bool = False, fips: bool = False) -> list[str]:
        cloud("ModifyListener", ListenerArn=listener, SslPolicy=f"ELBSecurityPolicy-{policy}")
        with cloud.store.transaction() as tx:
            TLS_LIBRARY_SEEN.put(tx, TlsLibrarySeen("haproxy 1", "OpenSSL 3.0.19", hybrid, fips))
            return tls_notes(tx)

    assert notes("2016-08") == []
    assert notes("TLS13-1-2-Res-PQ-2025-09") == [
        "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09: OpenSSL 3.0.19 has no post-quantum key "
        "exchange (classical groups are offered)."
    ]
    assert notes("TLS13-1-2-Res-PQ-2025-09", hybrid=True) == []
    assert "no FIPS-validated module loaded" in notes("TLS13-1-2-FIPS-2023-04")[0]
    both = notes("TLS13-1-2-Res-FIPS-PQ-2025-09")
    assert len(both) == 1
    assert "post-quantum" in both[0]
    assert "FIPS" in both[0]
    assert notes("TLS13-1-2-FIPS-2023-04", fips=True) == []
    assert "SHA-384" in notes("TLS13-1-2-RFC9151-FIPS-2023-07", fips=True)[0]


ROOT, ISSUING = make("root", ca=True), make("issuing", ca=True, kind="2048")
REVOKED = make("revoked", signer=ISSUING)
BUNDLE = f"# ours\n{ROOT.pem}# theirs\n{ISSUING.pem}"


def store(cloud: Cloud, key: str = "ca.pem", name: str = "ours", **changes: Any) -> str:
    asked = {"CaCertificatesBundleS3Bucket": "trust", "CaCertificatesBundleS3Key": key, **changes}
    told = cloud("CreateTrustStore", Name=name, **asked)["TrustStores"][0]
    return str(told["TrustStoreArn"])


def test_a_trust_store_keeps_what_s3_had(cloud: Cloud, bucket: Any) -> None:
    bucket("ca.pem", BUNDLE)
    arn = store(cloud, Tags=[{"Key": "a", "Value": "b"}])
    assert arn.startswith(f"{ARN}:truststore/ours/")
    told = cloud("DescribeTrustStores", Names=["ours"])["TrustStores"]
    assert told == cloud("DescribeTrustStores", TrustStoreArns=[arn])["TrustStores"]
    assert told == [
        {
            "Name": "ours",
            "TrustStoreArn": arn,
            "Status": "ACTIVE",
            "NumberOfCaCertificates": 2,
            "TotalRevokedEntries": 0,
        }
    ]
    tags = cloud("DescribeTags", ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]
    bucket("ca.pem", ROOT.pem)
    assert cloud("DescribeTrustStores")["TrustStores"] == told
    changed = cloud(
        "ModifyTrustStore",
        TrustStoreArn=arn,
        CaCertificatesBundleS3Bucket="trust",
        CaCertificatesBundleS3Key="ca.pem",
    )["TrustStores"][0]
    assert changed["NumberOfCaCertificates"] == 1
    with refused("DuplicateTrustStoreName"):
        store(cloud)
    cloud("DeleteTrustStore", TrustStoreArn=arn)
    with refused("TrustStoreNotFound", "One or more trust stores not found"):
        cloud("DescribeTrustStores", Names=["ours"])


def test_revocation_lists_are_numbered_counted_and_removed(cloud: Cloud, bucket: Any) -> None:
    bucket("ca.pem", BUNDLE)
    bucket("one.crl", revoking(ISSUING, REVOKED))
    bucket("two.crl", revoking(ROOT, REVOKED, make("x")))
    arn = store(cloud)
    add = "AddTrustStoreRevocations"
    given = [{"S3Bucket": "trust", "S3Key": key} for key in ("one.crl", "two.crl")]
    told = cloud(add, TrustStoreArn=arn, RevocationContents=given)["TrustStoreRevocations"]
    assert [(item["RevocationId"], item["NumberOfRevokedEntries"]) for item in told] == [
        (1, 1), (2, 2),
    ]  # fmt: skip
    assert {item["RevocationType"] for item in told} == {"CRL"}
    assert cloud("DescribeTrustStores")["TrustStores"][0]["TotalRevokedEntries"] == 3
    cloud("RemoveTrustStoreRevocations", TrustStoreArn=arn, RevocationIds=[2])
    # A number is not given again.
    again = cloud(add, TrustStoreArn=arn, RevocationContents=given[1:])["TrustStoreRevocations"]
    assert again[0]["RevocationId"] == 3
    shown = cloud("DescribeTrustStoreRevocations", TrustStoreArn=arn)["TrustStoreRevocations"]
    assert [item["RevocationId"] for item in shown] == [1, 3]
    for operation in ("DescribeTrustStoreRevocations", "RemoveTrustStoreRevocations"):
        with refused("RevocationIdNotFound"):
            cloud(operation, TrustStoreArn=arn, RevocationIds=[1, 2])
    with refused("RevocationIdNotFound"):
        cloud("GetTrustStoreRevocationContent", TrustStoreArn=arn, RevocationId=2)


OTHER_KEY = make("weak", ca=True, kind="1024")
BROKEN = {
    "empty": b"",
    "not PEM": b"\xff\xfe",
    "text before": f"Certificate:\n{ROOT.pem}",
    "a blank line": ROOT.pem + "\n" + ISSUING.pem,
    "a dash in a comment": f"# a-b\n{ROOT.pem}",
    "cut off": ROOT.pem[: len(ROOT.pem) // 2],
    "not base64": ROOT.pem.replace("MII", "M!I"),
    "broken DER": ROOT.pem.replace("MII", "AII"),
    "a key": ROOT.key_pem,
    "a leaf": make("leaf").pem,
    "a short key": OTHER_KEY.pem,
    "a weak signature": make("sha1", ca=True, digest=hashes.SHA224()).pem,
    "26 of them": ROOT.pem * 26,
    "no end": ROOT.pem.replace("-----END CERTIFICATE-----\n", ""),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_bundle_is_refused(cloud: Cloud, bucket: Any, what: str) -> None:
    bucket("ca.pem", BROKEN[what])
    with refused("InvalidCaCertificatesBundle"):
        store(cloud)
    assert cloud("DescribeTrustStores")["TrustStores"] == []
    bucket("good.pem", BUNDLE)
    arn = store(cloud, "good.pem")
    with refused("InvalidCaCertificatesBundle"):
        cloud(
            "ModifyTrustStore",
            TrustStoreArn=arn,
            CaCertificatesBundleS3Bucket="trust",
            CaCertificatesBundleS3Key="ca.pem",
        )
    assert cloud("DescribeTrustStores")["TrustStores"][0]["NumberOfCaCertificates"] == 2


@pytest.mark.parametrize("body", [b"", b"\xff" * 40, ROOT.pem, revoking(ROOT)[:80]])
def test_a_broken_revocation_list_is_refused(cloud: Cloud, bucket: Any, body: Any) -> None:
    bucket("ca.pem", BUNDLE)
    bucket("list.crl", body)
    bucket("good.crl", revoking(ROOT))
    arn = store(cloud)
    given = [{"S3Bucket": "trust", "S3Key": key} for key in ("good.crl", "list.crl")]
    with refused("InvalidRevocationContent"):
        cloud("AddTrustStoreRevocations", TrustStoreArn=arn, RevocationContents=given)
    assert cloud("DescribeTrustStoreRevocations", TrustStoreArn=arn)["TrustStoreRevocations"] == []


def test_objects_and_trust_stores_that_are_not_there(cloud: Cloud, bucket: Any) -> None:
    bucket("ca.pem", BUNDLE)
    with refused("CaCertificatesBundleNotFound"):
        store(cloud, "other.pem")
    with refused("CaCertificatesBundleNotFound"):
        store(cloud, CaCertificatesBundleS3Bucket="nobody")
    with refused("CaCertificatesBundleNotFound"):
        store(cloud, CaCertificatesBundleS3ObjectVersion="none")
    arn = store(cloud)
    with refused("RevocationContentNotFound"):
        cloud(
            "AddTrustStoreRevocations",
            TrustStoreArn=arn,
            RevocationContents=[{"S3Bucket": "trust", "S3Key": "none"}],
        )
    with refused("ValidationError"):
        cloud("AddTrustStoreRevocations", TrustStoreArn=arn)
    with refused("ValidationError", "cannot be specified together"):
        cloud("DescribeTrustStores", TrustStoreArns=[arn], Names=["ours"])
    for operation in (
        "DeleteTrustStore",
        "DescribeTrustStoreAssociations",
        "GetTrustStoreCaCertificatesBundle",
        "DescribeTrustStoreRevocations",
    ):
        with refused("TrustStoreNotFound"):
            cloud(operation, TrustStoreArn=MISSING)
        with refused("ValidationError", "is not a valid trust store ARN"):
            cloud(operation, TrustStoreArn="nonsense")


def test_trust_stores_and_their_lists_are_limited(cloud: Cloud, bucket: Any) -> None:
    bucket("ca.pem", BUNDLE)
    bucket("list.crl", revoking(ROOT, REVOKED))
    arns = [store(cloud, name=f"s{number}") for number in range(20)]
    with refused("TooManyTrustStores"):
        store(cloud, name="more")
    given = [{"S3Bucket": "trust", "S3Key": "list.crl"}]
    cloud("AddTrustStoreRevocations", TrustStoreArn=arns[0], RevocationContents=given * 30)
    with refused("TooManyTrustStoreRevocationEntries"):
        cloud("AddTrustStoreRevocations", TrustStoreArn=arns[0], RevocationContents=given)


def test_a_listener_verifies_clients_against_a_trust_store(cloud: Cloud, bucket: Any) -> None:
    bucket("ca.pem", BUNDLE)
    (certificate,) = issued(cloud, "a.com")
    arn, balancer = store(cloud), cloud.balancer()
    wish = {"Mode": "verify", "TrustStoreArn": arn}
    listener = https(cloud, balancer, certificate, MutualAuthentication=wish)
    assert https(cloud, balancer, certificate, MutualAuthentication=wish) == listener
    with refused("DuplicateListener"):
        https(cloud, balancer, certificate)

    def mutual() -> dict[str, Any]:
        told = cloud("DescribeListeners", ListenerArns=[listener])["Listeners"][0]
        return dict(told["MutualAuthentication"])

    off = {"IgnoreClientCertificateExpiry": False, "AdvertiseTrustStoreCaNames": "off"}
    assert mutual() == {**wish, **off}
    used = cloud("DescribeTrustStoreAssociations", TrustStoreArn=arn)["TrustStoreAssociations"]
    assert used == [{"ResourceArn": balancer}]
    with refused("TrustStoreInUse"):
        cloud("DeleteTrustStore", TrustStoreArn=arn)
    # What a change leaves out stays.
    cloud("ModifyListener", ListenerArn=listener, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")
    assert mutual()["Mode"] == "verify"
    more = {"IgnoreClientCertificateExpiry": True, "AdvertiseTrustStoreCaNames": "on"}
    cloud("ModifyListener", ListenerArn=listener, MutualAuthentication={**wish, **more})
    assert mutual() == {**wish, **more}
    https(cloud, balancer, certificate, 444, MutualAuthentication=wish)
    with refused("OperationNotPermitted", "No more than 2 listeners"):
        https(cloud, balancer, certificate, 445, MutualAuthentication=wish)
    https(cloud, balancer, certificate, 445, MutualAuthentication={"Mode": "passthrough"})
    cloud("ModifyListener", ListenerArn=listener, MutualAuthentication={"Mode": "off"})
    assert mutual() == {"Mode": "off"}


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"Mode": "maybe"}, "ValidationError"),
        ({"Mode": "verify"}, "ValidationError"),
        ({"Mode": "verify", "TrustStoreArn": "nonsense"}, "ValidationError"),
        ({"Mode": "verify", "TrustStoreArn": MISSING}, "TrustStoreNotFound"),
        ({"Mode": "passthrough", "TrustStoreArn": MISSING}, "ValidationError"),
        ({"Mode": "passthrough", "AdvertiseTrustStoreCaNames": "on"}, "ValidationError"),
        ({"Mode": "off", "IgnoreClientCertificateExpiry": True}, "ValidationError"),
    ],
)
def test_a_wrong_mutual_authentication_is_refused(
    cloud: Cloud, wish: dict[str, Any], code: str
) -> None:
    (certificate,) = issued(cloud, "a.com")
    with refused(code):
        https(cloud, cloud.balancer(), certificate, MutualAuthentication=wish)


def test_a_plain_listener_cannot_ask_for_certificates(cloud: Cloud) -> None:
    with refused("ValidationError", "HTTPS listeners only"):
        cloud.listener(
            cloud.balancer(), cloud.group(), MutualAuthentication={"Mode": "passthrough"}
        )


def test_headers_about_client_certificates_can_be_renamed(cloud: Cloud) -> None:
    (certificate,) = issued(cloud, "a.com")
    listener = https(cloud, cloud.balancer(), certificate)
    key = "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name"

    def attributes() -> dict[str, str]:
        told = cloud("DescribeListenerAttributes", ListenerArn=listener)["Attributes"]
        return {item["Key"]: item["Value"] for item in told}

    assert attributes()[key] == "X-Amzn-Mtls-Clientcert-Leaf"
    change = "ModifyListenerAttributes"
    cloud(change, ListenerArn=listener, Attributes=[{"Key": key, "Value": "X-Leaf_1"}])
    assert attributes()[key] == "X-Leaf_1"
    for wrong in ("", "a b", "x" * 41, "é", "a:b", "a\r\nb"):
        with refused("ValidationError"):
            cloud(change, ListenerArn=listener, Attributes=[{"Key": key, "Value": wrong}])


TEMPLATE = """
Resources:
  Store:
    Type: AWS::ElasticLoadBalancingV2::TrustStore
    Properties:
      Name: made
      CaCertificatesBundleS3Bucket: trust
      CaCertificatesBundleS3Key: KEY
  Revocation:
    Type: AWS::ElasticLoadBalancingV2::TrustStoreRevocation
    Properties:
      TrustStoreArn: !Ref Store
      RevocationContents: [{S3Bucket: trust, S3Key: list.crl, RevocationType: CRL}]
Outputs:
  Count: {Value: !GetAtt Store.NumberOfCaCertificates}
  State: {Value: !GetAtt Store.Status}
  Id: {Value: !GetAtt Revocation.RevocationId}
"""


async def test_a_stack_makes_changes_and_deletes_a_trust_store(cloud: Cloud, bucket: Any) -> None:
    bucket("one.pem", ROOT.pem)
    bucket("two.pem", BUNDLE)
    bucket("list.crl", revoking(ROOT, REVOKED))
    stacks = StackReconciler(cloud.store, cloud.clock)

    async def stack(operation: str, key: str = "") -> dict[str, str]:
        body = {"TemplateBody": TEMPLATE.replace("KEY", key)} if key else {}
        cloud(operation, "cloudformation", StackName="s", **body)
        for _ in range(20):
            await stacks.activate()
        found = cloud("DescribeStacks", "cloudformation")["Stacks"]
        return {item["OutputKey"]: item["OutputValue"] for s in found for item in s["Outputs"]}

    assert await stack("CreateStack", "one.pem") == {"Count": "1", "State": "ACTIVE", "Id": "1"}
    assert (await stack("UpdateStack", "two.pem"))["Count"] == "2"
    told = cloud("DescribeTrustStores")["TrustStores"][0]
    assert (told["NumberOfCaCertificates"], told["TotalRevokedEntries"]) == (2, 1)
    await stack("DeleteStack")
    assert cloud("DescribeTrustStores")["TrustStores"] == []


LISTENER = """
Resources:
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: BALANCER
      Port: "443"
      Protocol: HTTPS
      Certificates: [{CertificateArn: CERTIFICATE}]
      DefaultActions: [{Type: fixed-response, FixedResponseConfig: {StatusCode: "200"}}]
"""


async def test_a_stack_asks_for_certificates_and_stops_asking(cloud: Cloud, bucket: Any) -> None:
    bucket("ca.pem", BUNDLE)
    arn, balancer = store(cloud), cloud.balancer()
    (certificate,) = issued(cloud, "a.com")
    plain = LISTENER.replace("BALANCER", balancer).replace("CERTIFICATE", certificate)
    wish = f"{{Mode: verify, TrustStoreArn: {arn}, IgnoreClientCertificateExpiry: 'false'}}"
    stacks = StackReconciler(cloud.store, cloud.clock)

    async def mutual(operation: str, body: str) -> dict[str, Any]:
        cloud(operation, "cloudformation", StackName="s", TemplateBody=body)
        for _ in range(20):
            await stacks.activate()
        told = cloud("DescribeListeners", LoadBalancerArn=balancer)["Listeners"]
        return dict(told[0]["MutualAuthentication"])

    asking = f"{plain}      MutualAuthentication: {wish}\n"
    told = await mutual("CreateStack", asking)
    assert (told["Mode"], told["IgnoreClientCertificateExpiry"]) == ("verify", False)
    assert await mutual("UpdateStack", plain) == {"Mode": "off"}


def test_a_location_gives_what_is_kept_over_http(endpoint: Any, tmp_path: Path) -> None:
    s3, elb = endpoint.client("s3"), endpoint.client("elbv2")
    where = {"LocationConstraint": "ap-northeast-1"}
    s3.create_bucket(Bucket="kept", CreateBucketConfiguration=where)
    crl = revoking(ROOT, REVOKED)
    s3.put_object(Bucket="kept", Key="ca", Body=BUNDLE.encode())
    s3.put_object(Bucket="kept", Key="crl", Body=_der(crl))
    made = elb.create_trust_store(
        Name="kept", CaCertificatesBundleS3Bucket="kept", CaCertificatesBundleS3Key="ca"
    )
    arn = made["TrustStores"][0]["TrustStoreArn"]
    elb.add_trust_store_revocations(
        TrustStoreArn=arn, RevocationContents=[{"S3Bucket": "kept", "S3Key": "crl"}]
    )
    routes = LocalRoutes(endpoint.store, Settings(tmp_path), dict, asyncio.Event().wait)  # type: ignore[arg-type]
    routes.register(endpoint.gateway)

    def fetch(location: str) -> str:
        host, _, path = location.removeprefix("https://").partition("/")
        asked = urllib.request.Request(f"{endpoint.url}/{path}", headers={"Host": host})
        with urllib.request.urlopen(asked) as answer:
            return str(answer.read().decode())

    bundle = elb.get_trust_store_ca_certificates_bundle(TrustStoreArn=arn)["Location"]
    assert bundle.startswith("https://s3.ap-northeast-1.amazonaws.com/")
    assert fetch(bundle) == ROOT.pem + ISSUING.pem
    kept = elb.get_trust_store_revocation_content(TrustStoreArn=arn, RevocationId=1)["Location"]
    assert fetch(kept) == crl
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(kept[:-1] + "9")
    elb.delete_trust_store(TrustStoreArn=arn)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(bundle)


def _der(crl: str) -> bytes:
    found = x509.load_pem_x509_crl(crl.encode())
    return found.public_bytes(serialization.Encoding.DER)
