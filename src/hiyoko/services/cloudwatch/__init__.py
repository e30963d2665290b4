"""Amazon CloudWatch: metrics and alarms that are really evaluated.

- ``metrics``     PutMetricData, ListMetrics, and what the reconcilers write (``_RecordSamples``)
- ``data``        GetMetricStatistics, GetMetricData; ``expressions`` metric math
- ``alarms``      PutMetricAlarm and its kin; ``alarm_states`` states, history, tags
- ``judging``     M of N datapoints, with AWS's treatment of missing ones    (pure)
- ``statistics``  averages and percentiles of what was put                   (pure)
- ``model`` ``rows`` ``views`` ``errors`` ``cfn``

One-minute data is kept for 15 days, data of a finer resolution for 3 hours, then by the minute;
AWS keeps coarser data longer, which nothing here needs. Not here, refused by name: composite and
log alarms, anomaly detection, dashboards, metric streams, insight rules, Metrics Insights queries
and SEARCH expressions.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/
"""

from hiyoko.services.cloudwatch import alarm_states, alarms, data, metrics

__all__ = ["alarm_states", "alarms", "data", "metrics"]
