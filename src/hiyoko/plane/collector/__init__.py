"""The collector: one small process of the world that reads what all balancer nodes write.

It counts requests for CloudWatch's metrics, and by target for anomaly detection, keeps the last
lines for ``hiyoko logs --alb``, and makes the files that are delivered to S3. Like HAProxy it is a
child of the world's init: it goes on without the daemon, which takes what was counted when it comes
back. HAProxy does not wait for it.

- ``nodes``     the pipes, and the lines that came out of them
- ``counts``    what was counted, by minute; given out in batches, each until it is acknowledged
- ``recent``    the last lines, as many as fit
- ``spool``     lines on their way to S3: raw, then compressed files
- ``process``   the loop; ``files`` what its directory holds
- ``control``   how the daemon starts it and speaks to it
"""
