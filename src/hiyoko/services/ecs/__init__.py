"""Amazon ECS on Fargate: clusters, task definitions, tasks, services.

- ``model``             the wishes, and ``TaskView``: a status told from wish and sighting
- ``rows`` ``seen``     tables: wishes, and what the task reconciler saw
- ``sight``             both brought together
- ``clusters`` ``task_definitions`` ``tasks`` ``services`` ``service_deployments`` ``tagging``
  ``execute_command`` the operations; ``exec_logging`` where sessions are logged
- ``protection``        tasks that no scale-in stops
- ``capacity``          FARGATE and FARGATE_SPOT; ``spot`` the end of a Spot task
- ``deployments``       how a deployment begins and ends, and what remains of it
- ``rollout``           strategies and their settings; ``shifting`` moves traffic, ``alarms`` end it
- ``events``            what EventBridge is told
- ``scheduling`` ``deployment_steps``  internal operations by which ``reconcile.ecs_services``
  runs services
- ``registries``        tasks as instances of Cloud Map's services
- ``connect``           Service Connect: what is offered, and what can be reached
- ``connect_model`` ``connect_views``  its part of ``model`` and ``views``
- ``definition_parse`` ``definition_checks`` ``service_parse`` ``rollout_parse`` ``networks``
  ``names`` ``views`` ``deployment_views`` ``errors``
- ``log_options`` ``firelens_options``  where a container's output goes; ``log_model``

Refused by name: launch type EC2, EFS volumes, the splunk driver, TLS of Service Connect,
task sets, lifecycle hooks that are Lambda functions.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/
"""

from hiyoko.services.ecs import (
    capacity,
    clusters,
    deployment_steps,
    events,
    execute_command,
    protection,
    registries,
    scheduling,
    service_deployments,
    services,
    spot,
    tagging,
    task_definitions,
    tasks,
)

__all__ = [
    "capacity",
    "clusters",
    "deployment_steps",
    "events",
    "execute_command",
    "protection",
    "registries",
    "scheduling",
    "service_deployments",
    "services",
    "spot",
    "tagging",
    "task_definitions",
    "tasks",
]
