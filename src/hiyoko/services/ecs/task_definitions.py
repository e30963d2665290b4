"""Task definitions: families and their revisions."""

from __future__ import annotations

import re
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecs import definition_checks, definition_parse, definition_views, names, rows
from hiyoko.services.ecs.errors import ClientException, InvalidParameter
from hiyoko.services.ecs.model import TaskDefinition

_FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")


@operation("RegisterTaskDefinition")
def register_task_definition(call: Call, request: Request) -> Response:
    """Register the family's next revision. The same input twice makes two revisions."""
    family = request["family"]
    if not _FAMILY.fullmatch(family):
        raise ClientException("Family contains invalid characters.")
    definition_parse.refuse_task_level(request)
    definition_checks.check_level(request)
    cpu = definition_parse.cpu_units(request["cpu"])
    memory = definition_parse.memory_mib(request["memory"])
    definition_checks.check_size(cpu, memory)
    containers = tuple(map(definition_parse.container, request["containerDefinitions"]))
    role = names.role_arn(call, request.get("executionRoleArn") or "")
    definition_checks.check_containers(containers, role, cpu, memory)
    volumes = definition_parse.volumes(request)
    definition_checks.check_volumes(containers, volumes)
    platform = request.get("runtimePlatform") or {}
    revision = rows.next_revision(call.tx, call.account, call.region, family)
    definition = TaskDefinition(
        account=call.account,
        region=call.region,
        family=family,
        revision=revision,
        arn=call.arn("ecs", f"task-definition/{family}:{revision}"),
        registered_at=call.now,
        registered_by=call.principal,
        cpu=cpu,
        memory=memory,
        containers=containers,
        task_role=names.role_arn(call, request.get("taskRoleArn") or ""),
        execution_role=role,
        requires=tuple(request.get("requiresCompatibilities") or ()),
        cpu_architecture=platform.get("cpuArchitecture", ""),
        operating_system=platform.get("operatingSystemFamily", ""),
        volumes=volumes,
        tags=names.tags_in(request),
        pid_mode=request.get("pidMode") or "",
        ephemeral_gib=definition_parse.ephemeral_gib(request),
    )
    rows.DEFINITIONS.insert(call.tx, definition)
    answer: Response = {"taskDefinition": definition_views.definition(definition)}
    if definition.tags:
        answer["tags"] = names.tags_out(definition.tags)
    return answer


@operation("DescribeTaskDefinition")
def describe_task_definition(call: Call, request: Request) -> Response:
    """Describe a revision; without a number the family's newest ACTIVE one."""
    definition = names.find_definition(call, request["taskDefinition"])
    if definition is None:
        raise ClientException("Unable to describe task definition.")
    answer: Response = {"taskDefinition": definition_views.definition(definition)}
    if "TAGS" in (request.get("include") or ()):
        answer["tags"] = names.tags_out(definition.tags)
    return answer


@operation("ListTaskDefinitions")
def list_task_definitions(call: Call, request: Request) -> Response:
    """ARNs of revisions by family and number, ACTIVE ones unless asked otherwise."""
    status = request.get("status") or "ACTIVE"
    family = request.get("familyPrefix") or None
    found = rows.list_definitions(call.tx, call.account, call.region, family)
    arns = [one.arn for one in found if one.status == status]
    if request.get("sort") == "DESC":
        arns.reverse()
    return names.page(arns, request, "taskDefinitionArns")


@operation("ListTaskDefinitionFamilies")
def list_task_definition_families(call: Call, request: Request) -> Response:
    """Names of families that start with a prefix."""
    status = request.get("status") or "ALL"
    prefix = request.get("familyPrefix") or ""
    active: dict[str, bool] = {}
    for one in rows.list_definitions(call.tx, call.account, call.region):
        if one.family.startswith(prefix) and one.status != "DELETE_IN_PROGRESS":
            active[one.family] = active.get(one.family, False) or one.status == "ACTIVE"
    wanted = {"ALL": (True, False), "ACTIVE": (True,), "INACTIVE": (False,)}[status]
    return names.page(
        (name for name, is_active in active.items() if is_active in wanted), request, "families"
    )


@operation("DeregisterTaskDefinition")
def deregister_task_definition(call: Call, request: Request) -> Response:
    """Make a revision INACTIVE: what uses it goes on, nothing new starts from it."""
    reference = request["taskDefinition"]
    if ":" not in reference.rsplit("task-definition/", 1)[-1]:
        raise ClientException("Revision is missing.")
    definition = names.find_definition(call, reference)
    if definition is None:
        raise ClientException("The specified task definition does not exist.")
    if definition.status == "ACTIVE":
        definition = replace(definition, deregistered_at=call.now)
        rows.DEFINITIONS.put(call.tx, definition)
    return {"taskDefinition": definition_views.definition(definition)}


@operation("DeleteTaskDefinitions")
def delete_task_definitions(call: Call, request: Request) -> Response:
    """Delete INACTIVE revisions; one that is in use lasts until its last user has gone."""
    references = request["taskDefinitions"]
    if not 1 <= len(references) <= 10:
        raise InvalidParameter("The number of task definitions must be between 1 and 10.")
    deleted, failures = [], []
    for reference in references:
        try:
            deleted.append(definition_views.definition(_delete(call, reference)))
        except AwsError as error:
            name = reference.rsplit("task-definition/", 1)[-1]
            arn = call.arn("ecs", f"task-definition/{name}")
            failures.append({"arn": arn, "reason": error.code, "detail": error.message})
    return {"taskDefinitions": deleted, "failures": failures}


def _delete(call: Call, reference: str) -> TaskDefinition:
    definition = names.find_definition(call, reference)
    if definition is None or ":" not in reference.rsplit("task-definition/", 1)[-1]:
        raise ClientException("The specified task definition does not exist.")
    if definition.status == "ACTIVE":
        raise InvalidParameter("The specified task definition is still in ACTIVE status.")
    deleted = replace(definition, delete_requested_at=call.now)
    rows.DEFINITIONS.put(call.tx, deleted)
    sweep_definition(call, deleted)
    return deleted


def sweep_definition(call: Call, definition: TaskDefinition) -> None:
    """Remove a deleted revision that no task and no service uses."""
    used = {task.definition_arn for task in rows.list_tasks(call.tx)}
    for service in rows.list_services(call.tx):
        used.update(one.definition_arn for one in service.deployments)
        if service.last_completed is not None:
            used.add(service.last_completed.definition_arn)
    if definition.delete_requested_at is not None and definition.arn not in used:
        rows.DEFINITIONS.delete(call.tx, arn=definition.arn)
