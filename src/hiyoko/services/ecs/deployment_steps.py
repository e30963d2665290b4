"""How a deployment goes on and how it ends: the scheduler's decisions, each in one transaction.

They exist for ``reconcile.ecs_services``; the gateway does not know them.
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecs import alarms, deployments, events, rollout, rows, shifting
from hiyoko.services.ecs.model import Service
from hiyoko.services.ecs.rollout import ServiceDeployment
from hiyoko.services.ecs.scheduling import change, note, service_in


@operation("_AskAround")
def ask_around(call: Call, request: Request) -> Response:
    """What other services say of the PRIMARY deployment; ``{Service}``.

    ``Alarms`` that went off since it began, ``AlarmsBakeSeconds`` to watch them after the rollout,
    ``Shifted``: load balancers and Service Connect's proxies have followed its last stage.
    """
    service = service_in(call, request)
    primary = service.primary
    heard = [one for one in alarms.gone_off(call, service) if one not in primary.ignored_alarms]
    return {
        "Alarms": heard,
        "AlarmsBakeSeconds": alarms.bake_s(call, service),
        "Shifted": shifting.shifted(call, primary),
    }


@operation("_CompleteDeployment")
def complete_deployment(call: Call, request: Request) -> Response:
    """The PRIMARY deployment has all its tasks and no other has any; ``{Service}``."""
    service = service_in(call, request)
    done = replace(service.primary, completed_at=call.now, updated_at=call.now)
    service = replace(service, deployments=(done, *service.deployments[1:]), last_completed=done)
    rows.put_service(call.tx, service)
    deployments.note_completion(call, done)
    events.tell_deployment(call, service.arn, done, "SERVICE_DEPLOYMENT_COMPLETED")
    note(call, service, f"(deployment {done.id}) deployment completed.")
    return {}


@operation("_FailDeployment")
def fail_deployment(call: Call, request: Request) -> Response:
    """The circuit breaker opens; with ``rollback`` a new deployment goes back; ``{Service}``."""
    service = service_in(call, request)
    # A rollback that fails as well is not rolled back: it would go round for ever.
    back = service.rollback and not service.primary.rolling_back_to
    _give_up(call, service, deployments.BREAKER, back=back)
    return {}


@operation("_AlarmDeployment")
def alarm_deployment(call: Call, request: Request) -> Response:
    """Alarms went off: with ``rollback`` a new deployment goes back; ``{Service, Alarms}``."""
    service = service_in(call, request)
    names, watched = tuple(request["Alarms"]), service.deployment_strategy.alarms
    deployments.change_record(call, service.primary, lambda one: replace(one, alarmed=names))
    rollback = watched is not None and watched.rollback
    back = rollback and not service.primary.rolling_back_to
    _give_up(call, service, deployments.ALARM, back=back)
    return {}


@operation("_RollBackDeployment")
def roll_back_deployment(call: Call, request: Request) -> Response:
    """A user, or a hook that timed out, wants the PRIMARY deployment undone; ``{Service}``."""
    service = service_in(call, request)
    primary = service.primary
    if primary.rollback_requested and primary.rollout == "IN_PROGRESS":
        why = (
            deployments.HOOK
            if primary.pauses[-1:] and primary.pauses[-1].refused
            else deployments.USER
        )
        _give_up(call, service, why, back=True)
    return {}


@operation("_AdvanceDeployment")
def advance_deployment(call: Call, request: Request) -> Response:
    """The PRIMARY deployment enters a stage; ``{Service, Stage, Weight, TestWeight}``.

    A stage that shifts traffic changes the listeners' rules in the same transaction.
    """
    service, stage = service_in(call, request), request["Stage"]
    weights = (float(request["Weight"]), float(request["TestWeight"]))
    entered = shifting.enter(call, service, service.primary, stage, weights)
    change(call, service, entered.id, lambda _: entered)
    if not entered.staged:
        return {}
    deployments.note_start(call, entered)
    back = bool(entered.rolling_back_to)

    def tell(one: ServiceDeployment) -> ServiceDeployment:
        # The record is that of the revision which was to take over.
        shares = (100.0 - weights[0], 100.0 - weights[1]) if back else weights
        shown = one.stage if stage == rollout.PRE_SHIFT else stage
        return replace(one, stage=shown, weight=shares[0], test_weight=shares[1])

    deployments.change_record(call, entered, tell)
    for pause in entered.pauses[len(service.primary.pauses) :]:
        events.tell_hook(call, service.arn, entered, pause)
    return {}


@operation("_ExpirePauses")
def expire_pauses(call: Call, request: Request) -> Response:
    """Nobody has answered in time: the hook's own action is taken; ``{Service}``."""
    service = service_in(call, request)
    for pause in service.primary.pauses:
        if pause.waits and pause.expires_at <= call.now:
            service = deployments.answer_pause(call, service, pause, pause.action, "TIMED_OUT")
    return {}


def _give_up(call: Call, service: Service, why: str, *, back: bool) -> None:
    """End the PRIMARY deployment, and go ``back`` if there is anything to go back to."""
    user = "alarm detected." if why == deployments.ALARM else why
    user = "" if why == deployments.BREAKER else user
    failed = replace(service.primary, failed_at=call.now, updated_at=call.now, why=user)
    service = replace(service, deployments=(failed, *service.deployments[1:]))
    line = f"deployment failed: {user or 'tasks failed to start.'}"
    note(call, service, f"(deployment {failed.id}) {line}")
    events.tell_deployment(call, service.arn, failed, "SERVICE_DEPLOYMENT_FAILED")
    candidate = service.last_completed if back else None
    if candidate is None:
        deployments.note_failure(call, failed, why, wanted_back=back)
    else:
        service = deployments.roll_back(call, service, candidate, why)
        note(call, service, f"rolling back to deployment {candidate.id}.")
    rows.put_service(call.tx, service)
