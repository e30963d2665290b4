"""The keys of a task's roles: sessions of STS's, as ECS gets them for each task.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
"""

from __future__ import annotations

from collections.abc import Mapping

from hiyoko import api
from hiyoko.blueprint.tasks import Task
from hiyoko.clock import Clock
from hiyoko.plane.containers.agent_server import NoKeys, RoleKeys
from hiyoko.plane.containers.directory import task_id
from hiyoko.store.database import Store


def role_keys(store: Store, clock: Clock) -> RoleKeys:
    """Assume a role of a task's; the session is named after the task."""

    def keys(task: Task, role: str) -> Mapping[str, object]:
        request = {"RoleArn": role, "RoleSessionName": task_id(task.arn)}
        try:
            answer = api.invoke(
                store,
                "sts",
                "AssumeRole",
                request,
                account=task.account,
                region=task.region,
                principal=f"arn:aws:sts::{task.account}:assumed-role/ecs-tasks/{task_id(task.arn)}",
                clock=clock,
            )
        except api.AwsError as error:
            raise NoKeys(error.message) from error
        given = answer["Credentials"]
        return {
            "AccessKeyId": given["AccessKeyId"],
            "SecretAccessKey": given["SecretAccessKey"],
            "Token": given["SessionToken"],
            "Expiration": given["Expiration"],
        }

    return keys
