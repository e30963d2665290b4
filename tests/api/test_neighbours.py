"""Services that only keep things: the same endpoint, accounts, regions and reset as our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hiyoko import api
from hiyoko.neighbours import SERVED, Neighbours, host

HERE = {"account": "123456789012", "region": "ap-northeast-1"}


@pytest.fixture
def s3(endpoint: Any) -> Any:
    client = endpoint.client("s3")
    client.create_bucket(
        Bucket="logs", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"}
    )
    yield client
    for item in client.list_objects_v2(Bucket="logs").get("Contents", []):
        client.delete_object(Bucket="logs", Key=item["Key"])
    client.delete_bucket(Bucket="logs")


def test_an_object_comes_back_as_it_was_put(s3: Any) -> None:
    body = os.urandom(300_000)
    s3.put_object(Bucket="logs", Key="a/b c+ü.bin", Body=body, Metadata={"who": "me"})
    assert s3.get_object(Bucket="logs", Key="a/b c+ü.bin")["Body"].read() == body
    part = s3.get_object(Bucket="logs", Key="a/b c+ü.bin", Range="bytes=10-19")
    assert part["Body"].read() == body[10:20]
    head = s3.head_object(Bucket="logs", Key="a/b c+ü.bin")
    assert head["ContentLength"] == len(body)
    assert head["Metadata"] == {"who": "me"}


def test_an_object_in_parts(s3: Any) -> None:
    started = s3.create_multipart_upload(Bucket="logs", Key="big")["UploadId"]
    parts = []
    for number, size in ((1, 5 * 1024 * 1024), (2, 17)):
        told = s3.upload_part(
            Bucket="logs", Key="big", UploadId=started, PartNumber=number, Body=b"x" * size
        )
        parts.append({"PartNumber": number, "ETag": told["ETag"]})
    s3.complete_multipart_upload(
        Bucket="logs", Key="big", UploadId=started, MultipartUpload={"Parts": parts}
    )
    assert s3.head_object(Bucket="logs", Key="big")["ContentLength"] == 5 * 1024 * 1024 + 17


def test_a_presigned_link_needs_no_other_signature(s3: Any) -> None:
    s3.put_object(Bucket="logs", Key="k", Body=b"here")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "logs", "Key": "k"})
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"here"


def test_a_bucket_may_be_named_in_the_host(endpoint: Any, s3: Any) -> None:
    s3.put_object(Bucket="logs", Key="k", Body=b"here")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "logs", "Key": "k"})
    for name in (f"logs.localhost:{endpoint.port}", "logs.s3.ap-northeast-1.amazonaws.com"):
        request = urllib.request.Request(link.replace("/logs/k", "/k"), headers={"Host": name})
        with urllib.request.urlopen(request) as answer:
            assert answer.read() == b"here"


def test_the_command_line_speaks_to_it(endpoint: Any, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<h1>hello</h1>")
    subprocess.run(
        [str(Path(sys.executable).parent / "aws"), "--endpoint-url", endpoint.url,
         "s3", "cp", "page.html", "s3://logs/page.html"],
        cwd=tmp_path, check=True, capture_output=True,
        env={**os.environ, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
             "AWS_DEFAULT_REGION": "ap-northeast-1"},
    )  # fmt: skip
    got = s3.get_object(Bucket="logs", Key="page.html")
    assert got["Body"].read() == b"<h1>hello</h1>"
    assert got["ContentType"] == "text/html"


def test_parameters_secrets_and_keys(endpoint: Any) -> None:
    ssm, secrets, kms = (endpoint.client(name) for name in ("ssm", "secretsmanager", "kms"))
    ssm.put_parameter(Name="/app/db", Value="postgres://", Type="SecureString")
    kept = ssm.get_parameter(Name="/app/db", WithDecryption=True)["Parameter"]
    assert kept["Value"] == "postgres://"
    secrets.create_secret(Name="db", SecretString='{"password": "p"}')
    assert json.loads(secrets.get_secret_value(SecretId="db")["SecretString"]) == {"password": "p"}
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"


def test_a_topic_reaches_a_queue(endpoint: Any) -> None:
    sns, sqs = endpoint.client("sns"), endpoint.client("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    sns.publish(TopicArn=topic, Message="hello")
    messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(messages[0]["Body"])["Message"] == "hello"


def test_an_event_reaches_the_log_group_of_its_rule(endpoint: Any) -> None:
    events, logs = endpoint.client("events"), endpoint.client("logs")
    logs.create_log_group(logGroupName="/aws/events/site")
    events.put_rule(Name="site", EventPattern=json.dumps({"source": ["my.site"]}))
    arn = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/events/site"
    events.put_targets(Rule="site", Targets=[{"Id": "1", "Arn": arn}])
    for source in ("my.site", "another"):
        events.put_events(
            Entries=[{"Source": source, "DetailType": "Deployed", "Detail": '{"to": 2}'}]
        )
    (told,) = logs.filter_log_events(logGroupName="/aws/events/site")["events"]
    event = json.loads(told["message"])
    assert event["source"] == "my.site"
    assert event["detail"] == {"to": 2}
    assert event["account"] == "123456789012"


def test_accounts_and_regions_are_strangers(endpoint: Any) -> None:
    endpoint.client("ssm").put_parameter(Name="mine", Value="1", Type="String")
    for stranger in (
        endpoint.client("ssm", key="210987654321"),
        endpoint.client("ssm", region="eu-west-1"),
    ):
        with pytest.raises(ClientError, match="ParameterNotFound"):
            stranger.get_parameter(Name="mine")


def test_our_own_code_asks_like_any_client(endpoint: Any, s3: Any) -> None:
    s3.put_object(Bucket="logs", Key="bundle.pem", Body=b"PEM")
    given = {"Bucket": "logs", "Key": "bundle.pem"}
    assert api.ask_neighbour("s3", "GetObject", given, **HERE)["Body"] == b"PEM"
    put = {"Bucket": "logs", "Key": "ours", "Body": b"log"}
    assert api.ask_neighbour("s3", "PutObject", put, **HERE)["ETag"]
    assert s3.get_object(Bucket="logs", Key="ours")["Body"].read() == b"log"
    with pytest.raises(api.AwsError) as refused:
        api.ask_neighbour("s3", "GetObject", {"Bucket": "logs", "Key": "none"}, **HERE)
    assert refused.value.code == "NoSuchKey"
    assert refused.value.status == 404


async def test_a_reset_empties_them_too() -> None:
    neighbours = Neighbours()
    bucket = {
        "Bucket": "gone",
        "CreateBucketConfiguration": {"LocationConstraint": "ap-northeast-1"},
    }
    neighbours.ask("s3", "CreateBucket", bucket, **HERE)
    assert neighbours.describe()["neighbours"]["used"] == ["s3"]
    await neighbours.reset()
    assert neighbours.ask("s3", "ListBuckets", {}, **HERE)["Buckets"] == []


def test_without_the_extra_it_says_how_to_get_it(
    endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_installed", lambda: False)
    monkeypatch.setattr(endpoint.gateway, "_neighbours", Neighbours())
    with pytest.raises(ClientError) as refused:
        endpoint.client("ssm").get_parameter(Name="x")
    assert "pip install 'hiyoko[more]'" in refused.value.response["Error"]["Message"]
    assert endpoint.gateway._neighbours.describe()["neighbours"]["by"] is None


def test_what_would_run_something_is_refused_by_name(endpoint: Any) -> None:
    for service, operation in (("lambda", "list_functions"), ("rds", "describe_db_instances")):
        with pytest.raises(ClientError) as refused:
            getattr(endpoint.client(service), operation)()
        assert refused.value.response["Error"]["Code"] == "NotImplemented"


def test_none_of_them_is_ours_but_for_sessions_of_ecs_exec() -> None:
    ours = {name: api.operations(name) for name in SERVED if api.operations(name)}
    assert ours == {"ssm": {"DescribeSessions", "TerminateSession"}}


def test_what_nobody_does_of_a_service_is_refused_by_its_name(endpoint: Any) -> None:
    with pytest.raises(ClientError) as refused:
        endpoint.client("ssm").resume_session(SessionId="ecs-execute-command-1")
    told = refused.value.response["Error"]
    assert told["Message"] == "hiyoko does not implement ssm:ResumeSession."
    assert endpoint.client("ssm").describe_sessions(State="Active")["Sessions"] == []


def test_nothing_is_imported_before_the_first_request() -> None:
    code = "import sys; import hiyoko.compose; sys.exit('moto' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
