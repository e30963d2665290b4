"""Amazon CloudWatch Logs: groups, streams, events.

- ``groups``    log groups, retention, tags
- ``streams``   log streams
- ``events``    put, read by pages, search
- ``live_tail`` what a session of StartLiveTail shows
- ``patterns``  filter patterns of plain text
- ``model`` ``rows`` ``errors``

Expired events are never shown, and removed when their stream is written to or by
``_ExpireLogEvents``, once an hour. Not here: metric and subscription filters, Insights, KMS, other
log classes, filter patterns for JSON, columns or regular expressions.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/
"""

from hiyoko.services.logs import events, groups, live_tail, streams

__all__ = ["events", "groups", "live_tail", "streams"]
