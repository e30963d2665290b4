"""The gateway through real sockets: protocols, signatures, refusals, hosts, bodies."""

from __future__ import annotations

import asyncio
import datetime
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AUTH = (
    "AWS4-HMAC-SHA256 Credential=AKIAX/20260102/ap-northeast-1/{service}/aws4_request,"
    " SignedHeaders=host;x-amz-date, Signature=abc"
)
DATE = {"X-Amz-Date": "20260102T030405Z"}


def ask(
    endpoint: Any,
    method: str = "POST",
    path: str = "/",
    body: str | bytes = "",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def signed(service: str, **headers: str) -> dict[str, str]:
    return {"Authorization": AUTH.format(service=service), **DATE, **headers}


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("lambda", "list_functions"),
        ("rds", "describe_db_instances"),
        ("cloudwatch", "list_dashboards"),
        ("elb", "describe_load_balancers"),
        ("autoscaling", "describe_auto_scaling_groups"),
        ("ec2", "describe_spot_fleet_requests"),
        ("route53resolver", "list_firewall_rule_groups"),
    ],
)
def test_what_nobody_implements_is_refused_by_name(
    endpoint: Any, service: str, method: str
) -> None:
    client = endpoint.client(service)
    if not hasattr(client, method):
        pytest.skip(f"botocore has no {service} {method}")
    with pytest.raises(ClientError) as refused:
        getattr(client, method)()
    error = refused.value.response
    assert error["Error"]["Code"] == "NotImplemented"
    assert client.meta.method_to_api_mapping[method] in error["Error"]["Message"]
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_every_protocol_answers_boto3(endpoint: Any) -> None:
    ec2 = endpoint.client("ec2")
    tags = [{"Key": "Name", "Value": "a & <b>"}]
    specification = [{"ResourceType": "vpc", "Tags": tags}]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=specification)["Vpc"]["VpcId"]
    found = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["a & <b>"]}])["Vpcs"]
    assert [(v["VpcId"], v["Tags"]) for v in found] == [(vpc, tags)]
    group = {"Name": "web", "Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip"}
    made = endpoint.client("elbv2").create_target_group(**group)["TargetGroups"][0]
    assert made["Port"] == 80
    assert made["HealthCheckEnabled"] is True
    cluster = endpoint.client("ecs").create_cluster(clusterName="c")["cluster"]
    assert cluster["clusterArn"] == "arn:aws:ecs:ap-northeast-1:123456789012:cluster/c"
    route53 = endpoint.client("route53")
    zone = route53.create_hosted_zone(Name="example.jp", CallerReference="1")
    assert zone["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert zone["Location"].endswith(zone["HostedZone"]["Id"])
    records = route53.list_resource_record_sets(HostedZoneId=zone["HostedZone"]["Id"])
    assert [r["Type"] for r in records["ResourceRecordSets"]] == ["NS", "SOA"]


def test_an_unknown_service_is_refused_in_plain_words(endpoint: Any) -> None:
    status, _, body = ask(endpoint, body="Action=Launch&Version=2030-01-01", headers=signed("moon"))
    assert status == 501
    assert "hiyoko does not implement moon:Launch." in body
    status, _, body = ask(
        endpoint, body="{}", headers=signed("moon", **{"X-Amz-Target": "Moon_1.Launch"})
    )
    assert json.loads(body)["message"] == "hiyoko does not implement moon:Launch."


def test_errors_have_their_protocols_form(endpoint: Any) -> None:
    ec2 = ask(endpoint, body="Action=Launch&Version=2016-11-15", headers=signed("ec2"))
    assert ec2[0] == 400
    assert (
        "<Response><Errors><Error><Code>InvalidAction</Code><Message>The action Launch is not valid"
        " for this web service.</Message></Error></Errors><RequestID>"
    ) in ec2[2]
    iam = ask(endpoint, body="Action=GetRole&Version=2010-05-08", headers=signed("iam"))
    assert (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error>'
        "<Type>Sender</Type><Code>ValidationError</Code><Message>1 validation error detected:"
        " Value null at 'roleName' failed to satisfy constraint: Member must not be null</Message>"
        f"</Error><RequestId>{iam[1]['x-amzn-RequestId']}</RequestId></ErrorResponse>"
    ) == iam[2]
    target = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.Launch"}
    ecs = ask(endpoint, body="{}", headers=signed("ecs", **target))
    assert json.loads(ecs[2])["__type"] == "UnknownOperationException"
    assert ecs[1]["Content-Type"] == "application/x-amz-json-1.1"
    route53 = ask(endpoint, "GET", "/2013-04-01/moon", headers=signed("route53"))
    assert route53[0] == 404
    assert "https://route53.amazonaws.com/doc/2013-04-01/" in route53[2]


GOOD = AUTH.format(service="iam")
BODY = "Action=ListRoles&Version=2010-05-08"
# Codes and texts: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and
# answers of AWS quoted in public reports.
WRONG = [
    ({}, 403, "MissingAuthenticationToken"),
    ({"Authorization": GOOD}, 403, "IncompleteSignature"),
    ({"Authorization": "Basic QVdTOng=", **DATE}, 403, "IncompleteSignature"),
    ({"Authorization": "AWS4-HMAC-SHA256 nonsense", **DATE}, 403, "IncompleteSignature"),
    ({"Authorization": GOOD.replace("Signature=abc", ""), **DATE}, 403, "IncompleteSignature"),
    ({"Authorization": GOOD.replace("SignedHeaders", "X"), **DATE}, 403, "IncompleteSignature"),
    ({"Authorization": GOOD.replace("/iam", ""), **DATE}, 403, "IncompleteSignature"),
    ({"Authorization": GOOD, "X-Amz-Date": "yesterday"}, 403, "IncompleteSignature"),
    ({"Authorization": GOOD, "X-Amz-Date": "20260103T000000Z"}, 403, "SignatureDoesNotMatch"),
    ({"Authorization": GOOD.replace("aws4_request", "aws5"), **DATE}, 403, "SignatureDoesNotMatch"),
    ({"Authorization": GOOD.replace("AKIAX", ""), **DATE}, 403, "InvalidClientTokenId"),
]


@pytest.mark.parametrize(("headers", "status", "code"), WRONG)
def test_a_signature_of_the_wrong_form_is_refused(
    endpoint: Any, headers: dict[str, str], status: int, code: str
) -> None:
    answer = ask(endpoint, body=BODY, headers={"Host": "iam.amazonaws.com", **headers})
    assert (answer[0], f"<Code>{code}</Code>" in answer[2]) == (status, True), answer[2]


def test_json_services_name_signature_errors_in_their_way(endpoint: Any) -> None:
    target = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
    status, _, body = ask(endpoint, body="{}", headers=target)
    assert (status, json.loads(body)["__type"]) == (400, "MissingAuthenticationTokenException")


def test_a_signature_in_the_query_string_is_read_too(endpoint: Any) -> None:
    url = endpoint.client("sts", region="us-west-2", key="111122223333").generate_presigned_url(
        "get_caller_identity", HttpMethod="GET"
    )
    status, _, body = ask(endpoint, "GET", url.removeprefix(endpoint.url))
    assert status == 200
    assert "<Account>111122223333</Account>" in body


def test_a_bug_is_an_internal_failure_with_its_traceback_in_the_log_only(
    endpoint: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(call: object, request: object) -> object:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setitem(sys.modules["hiyoko.api"]._operations, ("iam", "ListRoles"), broken)
    with pytest.raises(ClientError) as refused:
        endpoint.client("iam").list_roles()
    response = refused.value.response
    assert response["Error"]["Code"] == "InternalFailure"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert response["ResponseMetadata"]["RequestId"] in caplog.text
    assert "a secret detail" in caplog.text
    assert "a secret detail" not in str(response)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:4566"}, 403),
        ({"Host": "localhost:4566"}, 200),
        ({"Host": "[::1]:4566"}, 200),
        ({"Host": "iam.amazonaws.com"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
    ],
)
def test_web_pages_and_foreign_names_are_kept_out(
    endpoint: Any, headers: dict[str, str], status: int
) -> None:
    assert ask(endpoint, body=BODY, headers=signed("iam", **headers))[0] == status


def test_dry_run_changes_nothing(endpoint: Any) -> None:
    ec2 = endpoint.client("ec2")
    with pytest.raises(ClientError) as refused:
        ec2.create_vpc(CidrBlock="10.0.0.0/16", DryRun=True)
    error = refused.value.response["Error"]
    if error["Code"] == "NotImplemented":
        pytest.skip("no ec2 yet")
    assert error["Code"] == "DryRunOperation"
    vpcs = ec2.describe_vpcs()["Vpcs"]
    assert "10.0.0.0/16" not in [vpc["CidrBlock"] for vpc in vpcs]


async def _hello(request: web.BaseRequest) -> web.StreamResponse:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    return web.Response(text=f"{request.host} {request.path} {size}")


def test_registered_hosts_and_paths_have_their_own_handlers(endpoint: Any) -> None:
    endpoint.gateway.register_host("*.dkr.ecr.*.amazonaws.com", _hello)
    endpoint.gateway.register_local("/_hiyoko/hello", "POST", _hello)
    registry = {"Host": "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com"}
    big = b"x" * (70 * 1024 * 1024)
    assert ask(endpoint, "PUT", "/v2/a/blobs", big, registry)[2].endswith(f"/v2/a/blobs {len(big)}")
    assert ask(endpoint, path="/_hiyoko/hello")[0] == 200
    assert ask(endpoint, "GET", "/_hiyoko/hello")[0] == 404
    assert ask(endpoint, path="/_hiyoko/none")[0] == 404
    assert ask(endpoint, "GET", "/v2/")[2].startswith("<ErrorResponse")
    endpoint.gateway.register_registry(_hello)
    assert ask(endpoint, "GET", "/v2/")[2].endswith("/v2/ 0")


def test_a_body_larger_than_the_limit_is_refused(endpoint: Any) -> None:
    headers = signed("iam", **{"Content-Length": str(65 * 1024 * 1024), "Expect": "100-continue"})
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    try:
        connection.putrequest("POST", "/")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            connection.send(b"x" * (65 * 1024 * 1024))
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the end of the body: just as good
        else:
            assert connection.getresponse().status == 413
    finally:
        connection.close()


def test_many_clients_are_answered_at_once(endpoint: Any) -> None:
    answers: list[str] = []

    def work(account: str) -> None:
        client = endpoint.client("sts", key=account)
        answers.extend(client.get_caller_identity()["Account"] for _ in range(10))

    accounts = [f"{number:012d}" for number in range(8)]
    threads = [threading.Thread(target=work, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(accounts * 10)


def test_a_connection_is_kept_alive(endpoint: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    try:
        ports = set()
        for _ in range(3):
            connection.request("POST", "/", BODY, signed("iam"))
            connection.getresponse().read()
            ports.add(connection.sock.getsockname()[1])
        assert len(ports) == 1
    finally:
        connection.close()


def test_the_aws_cli_is_answered(endpoint: Any, tmp_path: Path) -> None:
    aws = Path(sys.executable).with_name("aws")
    done = subprocess.run(
        [
            str(aws),
            "--endpoint-url",
            endpoint.url,
            "--output",
            "json",
            "sts",
            "get-caller-identity",
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": "210987654321",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "eu-central-1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Account"] == "210987654321"


def test_the_gateway_can_be_closed_and_served_again(endpoint: Any) -> None:
    async def again() -> int:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        await endpoint.gateway.serve(listener)
        return int(listener.getsockname()[1])

    port = asyncio.run_coroutine_threadsafe(again(), endpoint.loop).result(10)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/", BODY, signed("iam"))
    assert connection.getresponse().status == 200
    connection.close()


def test_tls_is_served_by_the_same_gateway(endpoint: Any, tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path, "sts.amazonaws.com")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def serve() -> int:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        await endpoint.gateway.serve(listener, context)
        return int(listener.getsockname()[1])

    port = asyncio.run_coroutine_threadsafe(serve(), endpoint.loop).result(10)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        secure = trusting.wrap_socket(plain, server_hostname="sts.amazonaws.com")
        with secure:
            head = "".join(f"{name}: {value}\r\n" for name, value in signed("sts").items())
            body = "Action=GetCallerIdentity&Version=2011-06-15"
            secure.sendall(
                f"POST / HTTP/1.1\r\nHost: sts.amazonaws.com\r\n{head}"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            assert secure.recv(65536).startswith(b"HTTP/1.1 200")


def _self_signed(directory: Path, name: str) -> tuple[Path, Path]:
    now = datetime.datetime.now(datetime.UTC)
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate, key = directory / "cert.pem", directory / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, key
