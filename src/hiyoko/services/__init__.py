"""What AWS promises. One package per service, named as botocore names it (``_`` for ``-``).

A service keeps wishes and computes states from wishes and sightings. It knows no plane, no HTTP
and no neighbour but through the neighbour's ``model``, ``rows`` and ``seen``, or by
``call.invoke`` inside its own transaction.
"""

import importlib

SERVICES = (
    "acm",
    "application_autoscaling",
    "cloudformation",
    "cloudwatch",
    "ec2",
    "ecr",
    "ecs",
    "elbv2",
    "iam",
    "logs",
    "route53",
    "route53resolver",
    "servicediscovery",
    "sts",
)


def load() -> None:
    """Import every service: each registers its operations, tables and resource types."""
    for name in SERVICES:
        importlib.import_module(f"hiyoko.services.{name}")
