"""A service's deployments: how one begins, and what of it outlives the scheduler's own record.

A *deployment* is what the scheduler works on, in the service's row. A *service deployment* is its
history, with the *service revisions* that it goes from and to; both stay for as long as the
service. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hiyoko.api import Call
from hiyoko.services.ecs import alarms, connect, events, rows, shifting
from hiyoko.services.ecs.model import (
    Connect,
    ContainerImage,
    Deployment,
    LoadBalancer,
    Network,
    Registry,
    Service,
    ServiceRevision,
    TaskDefinition,
)
from hiyoko.services.ecs.rollout import Pause, Rollback, ServiceDeployment

# AWS's words are recorded for the circuit breaker and for the want of a candidate; the others
# follow their form.
BREAKER = "because the circuit breaker threshold was exceeded."
ALARM = "because an alarm was detected."
USER = "because a rollback was requested."
HOOK = "because a lifecycle hook was not continued."
NO_CANDIDATE = "No rollback candidate was found to run the rollback."
SUPERSEDED = "Service deployment stopped because a newer service deployment was started."


@dataclass(frozen=True, slots=True)
class Content:
    """What the tasks of a deployment are made of, and where they are."""

    definition: TaskDefinition
    network: Network
    load_balancers: tuple[LoadBalancer, ...]
    platform_version: str
    registries: tuple[Registry, ...] = ()
    connect: Connect | None = None


def images(definition: TaskDefinition) -> tuple[ContainerImage, ...]:
    """The images of a new deployment, none of them resolved yet."""
    return tuple(ContainerImage(one.name, one.image, one.pins) for one in definition.containers)


def source_of(service: Service) -> Deployment | None:
    """What a new deployment takes over from: the complete one, or one that is being restored."""

    def serves(one: Deployment) -> bool:
        back = one.staged and one.rolling_back_to and one.rollout == "IN_PROGRESS"
        return one.rollout == "COMPLETED" or bool(back)

    return next((one for one in service.deployments if serves(one)), None)


def _kind(service: Service, source: Deployment | None) -> str:
    """The strategy of a new deployment.

    Where there is nothing to take over from it goes as ROLLING ones do. Where an unfinished one
    may have part of the traffic, that has to be given back in any case.
    """
    kind = service.deployment_strategy.kind
    if source is None:
        return "ROLLING"
    unfinished = service.primary.staged and service.primary.rollout != "COMPLETED"
    return "BLUE_GREEN" if unfinished and kind == "ROLLING" else kind


def begin(call: Call, service: Service, content: Content) -> Service:
    """Make a new PRIMARY deployment; one that is under way is stopped by it."""
    digits = call.ids.digits(19)
    source = source_of(service)
    kind = _kind(service, source)
    before = source or (service.primary if service.deployments else None)
    groups = shifting.groups(before, content.load_balancers, switch=kind != "ROLLING")
    from_ = (source,) if source is not None and kind != "ROLLING" else service.deployments[:1]
    place = "/".join(service.arn.rsplit("/", 2)[1:])
    revision = ServiceRevision(
        arn=call.arn("ecs", f"service-revision/{place}/{digits}"),
        service=service.arn,
        cluster=service.cluster,
        created_at=call.now,
        definition_arn=content.definition.arn,
        network=content.network,
        load_balancers=content.load_balancers,
        platform_version=content.platform_version,
        launched_by=service.launched_by,
        strategy=service.strategy,
        images=images(content.definition),
        registries=content.registries,
        connect=content.connect,
        groups=groups,
    )
    rows.REVISIONS.put(call.tx, revision)
    record = ServiceDeployment(
        arn=call.arn("ecs", f"service-deployment/{place}/{call.ids.hex(21)}"),
        service=service.arn,
        cluster=service.cluster,
        created_at=call.now,
        target=revision.arn,
        sources=tuple((one.revision, service.desired_count) for one in from_),
        requested=service.desired_count,
        updated_at=call.now,
    )
    if service.deployments:
        stop_superseded(call, service.primary)
    rows.SERVICE_DEPLOYMENTS.put(call.tx, record)
    deployment = Deployment(
        id=f"ecs-svc/{digits}",
        created_at=call.now,
        updated_at=call.now,
        definition_arn=revision.definition_arn,
        network=revision.network,
        load_balancers=revision.load_balancers,
        images=revision.images,
        registries=revision.registries,
        connect=revision.connect,
        endpoints=connect.endpoints(call, revision.connect, service.arn),
        revision=revision.arn,
        record=record.arn,
        strategy=kind,
        source=source.id if source is not None else "",
        groups=groups,
        weight=100.0 if kind == "ROLLING" else 0.0,
        test_weight=100.0 if kind == "ROLLING" else 0.0,
        ignored_alarms=alarms.gone_off(call, service),
    )
    if before is None and service.deployment_strategy.kind != "ROLLING":
        shifting.shift(call, deployment, production=True, test=True)
    events.tell_deployment(call, service.arn, deployment, "SERVICE_DEPLOYMENT_IN_PROGRESS")
    return replace(
        service,
        platform_version=content.platform_version,
        deployments=(deployment, *service.deployments),
    )


def stop_superseded(call: Call, deployment: Deployment) -> None:
    """A newer deployment begins: an unfinished one stops where it is."""

    def stop(one: ServiceDeployment) -> ServiceDeployment:
        if one.ended:
            return one
        return replace(one, stopped_at=call.now, reason=SUPERSEDED)

    change_record(call, deployment, stop)


def change_record(
    call: Call, deployment: Deployment, change: Callable[[ServiceDeployment], ServiceDeployment]
) -> None:
    """Write a deployment's history anew; one from before there was a history has none."""
    record = rows.SERVICE_DEPLOYMENTS.find(call.tx, arn=deployment.record)
    if record is None:
        return
    changed = change(record)
    if changed != record:
        rows.SERVICE_DEPLOYMENTS.put(call.tx, replace(changed, updated_at=call.now))


def note_start(call: Call, deployment: Deployment) -> None:
    """The scheduler has begun with it."""
    change_record(
        call,
        deployment,
        lambda one: one if one.started_at is not None else replace(one, started_at=call.now),
    )


def note_completion(call: Call, deployment: Deployment) -> None:
    """All its tasks run, and no other's."""

    def complete(one: ServiceDeployment) -> ServiceDeployment:
        if one.ended:
            return one
        reason = f"Service deployment rolled back {one.rollback.why}" if one.rollback else ""
        return replace(
            one, started_at=one.started_at or call.now, finished_at=call.now, reason=reason
        )

    change_record(call, deployment, complete)


def note_failure(call: Call, deployment: Deployment, why: str, *, wanted_back: bool) -> None:
    """It is given up, and nothing is rolled back; ``wanted_back``: for want of a candidate."""

    def stop(one: ServiceDeployment) -> ServiceDeployment:
        reason = f"Service deployment stopped {why}"
        rollback = one.rollback
        if rollback is not None:
            reason = f"Service deployment rollback failed {why}"
        elif wanted_back:
            reason, rollback = NO_CANDIDATE, Rollback(why, call.now, "")
        return replace(
            one,
            stopped_at=call.now,
            rollback=rollback,
            reason=reason,
            failures=deployment.failed_tasks,
            triggered=why == BREAKER,
        )

    change_record(call, deployment, stop)


def roll_back(call: Call, service: Service, back: Deployment, why: str) -> Service:
    """Make ``back`` PRIMARY: its tasks where they still run beside the failed deployment's.

    Else a new deployment of what it was, with the same images by their digests.
    """
    failed = service.primary

    def turn(one: ServiceDeployment) -> ServiceDeployment:
        return replace(
            one,
            rollback=Rollback(why, call.now, back.revision),
            reason=f"Service deployment is being rolled back {why}",
            failures=failed.failed_tasks,
            triggered=why == BREAKER,
        )

    change_record(call, failed, turn)
    kept = next((one for one in service.deployments if one.id == failed.source), None)
    kept = kept if failed.staged else None
    new = replace(
        kept or back,
        id=kept.id if kept is not None else f"ecs-svc/{call.ids.digits(19)}",
        created_at=kept.created_at if kept is not None else call.now,
        updated_at=call.now,
        completed_at=None,
        failed_at=None,
        rolling_back_to=back.id,
        endpoints=connect.endpoints(call, back.connect, service.arn),
        failed_tasks=0,
        start_failures=0,
        last_failure_at=0.0,
        record=failed.record,
        rollback_requested=False,
        why=failed.why,
        strategy=failed.strategy,
        source=failed.id,
        stage="",
        weight=100.0 - failed.weight if failed.staged else 100.0,
        test_weight=100.0 - failed.test_weight if failed.staged else 100.0,
        shifted_at=None,
        pauses=(),
        ignored_alarms=alarms.gone_off(call, service),
    )
    others = tuple(one for one in service.deployments if one.id != new.id)
    events.tell_deployment(call, service.arn, new, "SERVICE_DEPLOYMENT_IN_PROGRESS")
    was = rows.REVISIONS.find(call.tx, arn=back.revision)
    if was is not None:
        service = replace(service, launched_by=was.launched_by, strategy=was.strategy)
    return replace(service, deployments=(new, *others))


def answer_pause(call: Call, service: Service, pause: Pause, action: str, status: str) -> Service:
    """End a wait at a hook of the PRIMARY deployment: it goes on, or is rolled back."""
    primary = service.primary
    answered = replace(pause, status=status)
    primary = replace(
        primary,
        pauses=tuple(answered if one.id == pause.id else one for one in primary.pauses),
        rollback_requested=primary.rollback_requested or action == "ROLLBACK",
        updated_at=call.now,
    )
    service = replace(service, deployments=(primary, *service.deployments[1:]))
    rows.put_service(call.tx, service)
    if action == "ROLLBACK":
        change_record(call, primary, lambda one: replace(one, rollback_requested_at=call.now))
    return service


def resolve(call: Call, deployment: Deployment, digests: dict[str, str]) -> Deployment:
    """Pin the images that are not pinned yet, in the deployment and in its revision."""
    pinned = tuple(
        replace(one, digest=digests.get(one.container, "")) if one.pins and not one.digest else one
        for one in deployment.images
    )
    revision = rows.REVISIONS.find(call.tx, arn=deployment.revision)
    if revision is not None:
        rows.REVISIONS.put(call.tx, replace(revision, images=pinned))
    return replace(deployment, images=pinned)
