"""Amazon ECS on Fargate: clusters, task definitions, tasks, services.

- ``model``             the wishes, and ``TaskView``: a status told from wish and sighting
- ``rows`` ``seen``     tables: wishes, and what the task reconciler saw
- ``sight``             both brought together
- ``clusters`` ``task_definitions`` ``tasks`` ``services`` ``service_deployments`` ``tagging``
  ``execute_command`` the operations
- ``capacity``          FARGATE and FARGATE_SPOT; ``spot`` the end of a Spot task
- ``deployments``       how a deployment begins and ends, and what remains of it
- ``events``            what EventBridge is told
- ``scheduling``        internal operations by which ``reconcile.ecs_services`` runs services
- ``definition_parse`` ``definition_checks`` ``networks`` ``names`` ``views`` ``errors``

Refused by name: launch type EC2, EFS volumes, FireLens, Service Connect, Cloud Map, task sets,
deployment strategies other than ROLLING.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/
"""

from hiyoko.services.ecs import (
    capacity,
    clusters,
    events,
    execute_command,
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
    "events",
    "execute_command",
    "scheduling",
    "service_deployments",
    "services",
    "spot",
    "tagging",
    "task_definitions",
    "tasks",
]
