"""The services that moto answers for, by botocore's name, with the first label of their host.

Only services that keep what they are given. Those whose answers claim that something runs
(functions, databases, clusters) are not here: nothing real would stand behind the claim.
"""

from __future__ import annotations

SERVED = {
    "dynamodb": "dynamodb",
    "dynamodbstreams": "streams.dynamodb",
    "events": "events",
    "kinesis": "kinesis",
    "kms": "kms",
    "s3": "s3",
    "s3control": "s3-control",
    "secretsmanager": "secretsmanager",
    "ses": "email",
    "sesv2": "email",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
}
