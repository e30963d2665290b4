"""Application Auto Scaling: the desired count of ECS services follows metrics and schedules.

- ``targets``      RegisterScalableTarget and its kin, tags
- ``policies``     PutScalingPolicy: target tracking with alarms of its own, step scaling
- ``schedules``    PutScheduledAction: at, rate, cron
- ``activities``   what was done, and what was not and why
- ``executing``    an alarm triggers a policy: ``reconcile.alarms`` calls it
- ``adjusting``    how many tasks there should be    (pure)
- ``cron`` ``timing``   when a schedule is due       (pure)
- ``parsing`` ``model`` ``rows`` ``views`` ``errors`` ``cfn``

It changes a service as any client does, by ecs:UpdateService. Refused by name: every namespace but
ecs, predictive scaling, metrics of a finer resolution than a minute, and a
``MetricAggregationType`` other than Average.
https://docs.aws.amazon.com/autoscaling/application/APIReference/
"""

from hiyoko.services.application_autoscaling import (
    activities,
    executing,
    policies,
    schedules,
    targets,
)

__all__ = ["activities", "executing", "policies", "schedules", "targets"]
