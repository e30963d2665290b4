"""CloudWatch alarms as a deployment sees them.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
"""

from __future__ import annotations

from hiyoko.api import AwsError, Call, Response
from hiyoko.services.ecs.model import Service


def _ask(call: Call, name: str) -> Response | None:
    try:
        return call.invoke("cloudwatch", "_StateOfAlarm", {"AlarmName": name})
    except AwsError:
        # An alarm that is not there cannot go off; one that watches a service is made after it.
        return None


def watched(service: Service) -> tuple[str, ...]:
    """The alarms that end a deployment of this service."""
    alarms = service.deployment_strategy.alarms
    return alarms.names if alarms is not None and alarms.enabled else ()


def gone_off(call: Call, service: Service) -> tuple[str, ...]:
    """Those of its alarms that are in ALARM now."""
    answers = ((name, _ask(call, name)) for name in watched(service))
    return tuple(name for name, one in answers if one and one["StateValue"] == "ALARM")


def bake_s(call: Call, service: Service) -> float:
    """How long a complete rollout is watched, in seconds.

    AWS computes it from the alarms' configuration and does not say how: here it is the longest
    time that one of them looks back over, which it needs to see what the new tasks do.
    """
    answers = (_ask(call, name) for name in watched(service))
    return float(max((one["Span"] for one in answers if one), default=0.0))
