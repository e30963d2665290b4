"""The awslogs driver's destination: a stream of CloudWatch Logs.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter

from hiyoko.plane.log_driver.batches import Batch, Limits
from hiyoko.plane.log_driver.client import LogsClient
from hiyoko.plane.log_driver.order import CloudWatchOrder, Order
from hiyoko.plane.log_driver.sender import Away, Denied

OVERHEAD_BYTES = 26
LIMITS = Limits(
    bytes_max=1_048_576,
    events_max=10_000,
    message_bytes_max=262_144 - OVERHEAD_BYTES,
    overhead_bytes=OVERHEAD_BYTES,
    span_ms_max=24 * 3600 * 1000,
    # The service takes no empty messages; the driver leaves them out too.
    empty=False,
)
_KEYS = ("ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException")


def log_events(batch: Batch) -> list[dict[str, object]]:
    """``logEvents``: in order of time, and among equals in order of arrival."""
    events = sorted(batch.events, key=attrgetter("timestamp_ms"))
    return [{"timestamp": event.timestamp_ms, "message": event.message} for event in events]


@dataclass(slots=True)
class CloudWatchSender:
    """Calls PutLogEvents with the task's own packets."""

    order: CloudWatchOrder
    limits: Limits = LIMITS
    back_off_s: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0)
    last_attempts: int = 3
    _client: LogsClient = field(default_factory=LogsClient)

    def renew(self, order: Order) -> None:
        """Go on with these keys."""
        assert isinstance(order, CloudWatchOrder), "a container keeps its driver"
        self.order = order

    async def put(self, batch: Batch, name: str) -> str:
        """Have a batch taken. Raises Denied or Away."""
        request = {
            "logGroupName": self.order.group,
            "logStreamName": self.order.stream,
            "logEvents": log_events(batch),
            "sequenceToken": f"awslogs/{name}",
        }
        answer = await self._client.call(self.order, "PutLogEvents", request)
        if answer.status == 200:
            return ""
        # A group or stream that was deleted meanwhile, or what the service will never take.
        said = f"{answer.status} {answer.code}: {answer.body.get('message', '')}"
        if answer.status >= 500 or "Throttling" in answer.code:
            raise Away(said)
        if answer.code in _KEYS:
            raise Denied(said)
        return said

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._client.close()
